"""``mqttseg device quarantine`` and ``release``: asked of the running broker, else written where the next one reads."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mqttseg.cli.gateway_quarantine import follow_if_gateway
from mqttseg.cli.options import ConfigOption, DeviceArgument, JsonOption
from mqttseg.cli.output import fail, say, show, show_json, warn
from mqttseg.cli.site import compile_if_valid, find_site, near
from mqttseg.errors import OperatorError, Reason

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.observe.events import Event
    from mqttseg.observe.snapshot import Done
    from mqttseg.pki.quarantine import Quarantine

WhyOption = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="The reason, one line, for the audit trail.", show_default=False)
]


def quarantine(
    device_id: DeviceArgument,
    lasting: Annotated[
        str | None,
        typer.Option("--for", metavar="1h", help="Let it in again after so long; default: not until it is released."),
    ] = None,
    why: WhyOption = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg device quarantine cam-7 --why 'stolen from the yard'

    $ mqttseg device quarantine thermo-1 --for 1h

    Put a device out: a running broker cuts its connections at once, publishes no will of it, delivers nothing to it,
    and refuses it until it is released or the time is over. That holds over restarts. A device that nobody knows yet
    can be put out too. Exits with 1 when it is out of the broker, but something did not go with it.

    Run by root on the gateway, it acts on the network at once, too; else within the next `mqttseg gateway sync`.
    """
    from mqttseg.control.client import Client, NoBrokerError

    site, seconds = find_site(config), _seconds(lasting)
    _check_id(device_id)
    try:
        with Client(site.state) as broker:
            outcome = broker.quarantine(device_id, seconds, why)
        entry, done = outcome.quarantine, outcome.done
    except NoBrokerError:
        entry, done = _put_out(site, device_id, seconds, why), None
    on_network = follow_if_gateway(site)
    _tell(entry, done, f"{device_id} is out", as_json, on_network=on_network)
    _warn_of_stranger(site, device_id)


def release(
    device_id: DeviceArgument, why: WhyOption = "", config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """$ mqttseg device release cam-7

    Let a device in again that was put in quarantine.
    """
    from mqttseg.control.client import Client, NoBrokerError

    site = find_site(config)
    _check_id(device_id)
    try:
        with Client(site.state) as broker:
            outcome = broker.release(device_id, why)
        entry, done = outcome.quarantine, outcome.done
    except NoBrokerError:
        entry, done = _let_in(site, device_id, why), None
    on_network = follow_if_gateway(site)
    _tell(entry, done, f"{device_id} may connect again", as_json, on_network=on_network)


def _seconds(lasting: str | None) -> float | None:
    from pydantic import TypeAdapter, ValidationError

    from mqttseg.policy.fields import Duration

    if lasting is None:
        return None
    try:
        return float(TypeAdapter(Duration).validate_python(lasting))
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint="--for") from None


def _check_id(device_id: str) -> None:
    from mqttseg.pki.identity import DEVICE_ID

    if DEVICE_ID.fullmatch(device_id) is None:
        raise OperatorError(f"{device_id!r} is not a device id: letters, digits and . _ : - only, at most 64")


def _put_out(site: Config, device_id: str, seconds: float | None, why: str) -> Quarantine:
    from mqttseg.observe.events import Event, Kind
    from mqttseg.pki.quarantine import Register, quarantine_of

    entry = quarantine_of(device_id, seconds, by=operator(), why=why, now=datetime.now(UTC))
    Register(site.state).add(entry)
    audit(site, Event(Kind.QUARANTINE, Reason.QUARANTINED, device=device_id, who=entry.by, why=why or None))
    return entry


def _let_in(site: Config, device_id: str, why: str) -> Quarantine:
    from mqttseg.observe.events import Event, Kind
    from mqttseg.pki.quarantine import Register

    entry = Register(site.state).remove(device_id)
    if entry is None:
        raise OperatorError(f"{device_id} is not in quarantine")
    audit(site, Event(Kind.RELEASE, Reason.OK, device=device_id, who=operator(), why=why or None))
    return entry


def operator() -> str:
    """Who runs this command, as the broker would see it."""
    from mqttseg.control.endpoint import user_name

    return user_name(os.geteuid())


def audit(site: Config, event: Event) -> None:
    """Record what was done while no broker runs."""
    from mqttseg.observe.offline import append

    append(Path(site.audit.file), event, datetime.now(UTC))


def _tell(entry: Quarantine, done: Done | None, headline: str, as_json: bool, *, on_network: bool) -> None:
    """``done``: what the running broker did; None when none runs. ``on_network``: whether the network follows."""
    if as_json:
        show_json({**_as_json(entry, done), "network": on_network})
    else:
        show(headline)
        for line in _lines(entry, done):
            show(f"  {line}")
        if on_network:
            show("  on the network, too")
    if done is None:
        say("No broker of `mqttseg run` is running here; this was recorded, and holds from its next start.")
    elif done.trouble:
        _fail(done.trouble)


def _fail(trouble: tuple[str, ...]) -> NoReturn:
    for what in trouble:
        fail(what, 1)
    raise typer.Exit(1)


def _lines(entry: Quarantine, done: Done | None) -> list[str]:
    lines = [terms(entry)]
    if done is not None and done.connections:
        lines.append(f"connections cut: {done.connections}")
    return lines


def terms(entry: Quarantine) -> str:
    """Since when, until when, by whom and why."""
    end = "" if entry.until is None else f" until {entry.until:%Y-%m-%d %H:%M:%S} UTC"
    why = f": {entry.why}" if entry.why else ""
    return f"since {entry.since:%Y-%m-%d %H:%M:%S} UTC{end}, by {entry.by}{why}"


def _as_json(entry: Quarantine, done: Done | None) -> dict[str, object]:
    return {
        "device": entry.device,
        "since": entry.since.isoformat(),
        "until": None if entry.until is None else entry.until.isoformat(),
        "by": entry.by,
        "why": entry.why,
        "broker": done is not None,
        "connections": 0 if done is None else done.connections,
        "trouble": [] if done is None else list(done.trouble),
    }


def _warn_of_stranger(site: Config, device_id: str) -> None:
    """A slip of the pen puts nobody out."""
    compiled = compile_if_valid(site)
    if compiled is not None and compiled.placement(device_id) is None:
        warn(f"{device_id} is in no segment of {near(site.policy)}: see that the id is written right")
