"""``mqttseg gateway sync``: addresses that the inventory leaves open, from the network and from the broker."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.gateway_quarantine import follow_register
from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import say, show, show_json, warn
from mqttseg.cli.site import compile_site, find_site
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.gateway.learning import Learned, Lesson
    from mqttseg.gateway.plan import Address, Plan
    from mqttseg.gateway.sightings import Sighting
    from mqttseg.gateway.sync import Change
    from mqttseg.policy.compiled import Compiled

LEASES = Path("/var/lib/misc/dnsmasq.leases")


def sync(
    leases: Annotated[
        Path | None,
        typer.Option("--leases", metavar="FILE", help=f"dnsmasq's lease file; default: {LEASES}, where there is one."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg gateway sync --leases /var/lib/misc/dnsmasq.leases

    Learn the addresses of devices marked `addresses: learned` from dnsmasq's leases, the neighbours of this host, and
    where the running broker saw each device prove itself; change the loaded rules in place. An address that two
    identities claim is given to neither, and reported. Who went into quarantine, or was released, since the last sync
    follows on the network.
    """
    from mqttseg.gateway import quarantine
    from mqttseg.gateway.sync import LearnedAddresses, bring_up, change

    site = find_site(config)
    compiled, kept = compile_site(site), LearnedAddresses(site.state / "gateway")
    before = kept.read()
    lesson = _lesson(site, compiled, leases, before)
    old, new = (_planned(compiled, learned) for learned in (before, lesson.learned))
    changes = change(old, new)
    if not dry_run:
        if _is_loaded(old):
            bring_up(changes)
        else:
            say("the rules of this policy are not loaded here: what was learned counts from the next gateway apply on")
        kept.write(lesson.learned)
        if quarantine.is_here():
            follow_register(site, compiled)
    _tell(lesson, changes, new, as_json=as_json)


def _lesson(site: Config, compiled: Compiled, leases: Path | None, before: dict[str, tuple[Address, ...]]) -> Lesson:
    from mqttseg.gateway.learning import learn

    policy = compiled.policy
    interfaces = policy.network.interfaces if policy.network else ()
    sightings = [s for s in _sightings(leases) if not s.interface or s.interface in interfaces]
    return learn(policy.devices.values(), sightings, _proven(site), before)


def _planned(compiled: Compiled, learned: Learned) -> Plan:
    from mqttseg.gateway.planning import plan_network

    return plan_network(compiled, learned)


def _sightings(leases: Path | None) -> Iterator[Sighting]:
    from mqttseg.gateway.sightings import read_leases, read_neighbours

    file = leases or (LEASES if LEASES.exists() else None)
    if file is not None:
        try:
            text = file.read_text()
        except OSError as error:
            raise OperatorError(f"{file}: {error.strerror}; give dnsmasq's lease file") from error
        yield from read_leases(text, str(file))
    yield from read_neighbours(_neighbours(), "ip -j neigh")


def _neighbours() -> str:
    try:
        done = subprocess.run(["ip", "-j", "neigh"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S607 - where the operator's PATH has it
    except FileNotFoundError:
        raise OperatorError("ip is not installed; install the package iproute2") from None
    if done.returncode:
        raise OperatorError(f"ip -j neigh: {done.stderr.strip()}")
    return done.stdout


def _proven(site: Config) -> dict[Address, frozenset[str]]:
    """Which devices are connected to the broker from which address; nothing when no broker runs here."""
    from ipaddress import ip_address

    from mqttseg.control.client import Client, NoBrokerError

    found: defaultdict[Address, set[str]] = defaultdict(set)
    try:
        with Client(site.state) as broker:
            after, more = "", True
            while more:
                page = broker.sessions(after)
                more = page.more
                for session in page.sessions:
                    after = session.client_id
                    if session.address:
                        found[ip_address(session.address)].add(session.device)
    except NoBrokerError:
        say("no broker runs here: only the network is asked")
    return {address: frozenset(devices) for address, devices in found.items()}


def _is_loaded(planned: Plan) -> bool:
    from mqttseg.gateway import kernel
    from mqttseg.gateway.apply import is_current

    return is_current(planned, kernel.loaded())


def _tell(lesson: Lesson, changes: Change, planned: Plan, *, as_json: bool) -> None:
    from mqttseg.gateway.sync import told

    if as_json:
        show_json(
            {
                "learned": {device: list(map(str, found)) for device, found in lesson.learned.items()},
                "refused": [{"address": str(r.address), "why": r.why} for r in lesson.refused],
                "strangers": [{"mac": s.mac, "address": str(s.address), "name": s.name} for s in lesson.strangers],
                "added": list(told(changes.added)),
                "removed": list(told(changes.removed)),
            }
        )
        return
    for refusal in lesson.refused:
        warn(f"{refusal.address} is given to nobody: {refusal.why}")
    bound = {device.device: device.addresses for _, device in planned.devices()}
    for device, found in lesson.learned.items():
        for address in found:
            if address not in bound.get(device, ()):
                warn(f"{address} is not given to {device}: it is another's, a server's, or outside the subnets")
    for line in told(changes.added):
        show(f"+ {line}")
    for line in told(changes.removed):
        show(f"- {line}")
    for stranger in lesson.strangers:
        say(f"unknown: {stranger.mac} {stranger.address} {stranger.name}".rstrip())
    if not changes:
        show("nothing changed")
