"""MUD files from a plan.

Pure. Owns how a destination is named: the broker and services of the gateway by a class that the MUD manager maps,
every other by its address. A file speaks for a whole model, so all devices of a model must have the same rights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mqttseg.errors import Problem
from mqttseg.gateway import expressible
from mqttseg.gateway.mud.lint import lint
from mqttseg.gateway.plan import Bound, Group, Network, Plan, Reach, Transport

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", re.ASCII)  # safe in a URL and as a file's name
_PROTOCOLS = {Transport.TCP: 6, Transport.UDP: 17}
_IETF_CLASSES = {"dns": "urn:ietf:params:mud:dns", "ntp": "urn:ietf:params:mud:ntp"}
_HOURS_VALID = 48
_ACLS = "ietf-access-control-list:acls"


def render_mud(plan: Plan, base: str, now: datetime) -> Mapping[str, str]:
    """Texts by file name, ``MODEL.json``. ``base`` is the https URL of the directory that they are served from.

    Raises ConfigurationError for a device without a model, for devices of one model with different rights, and for
    what MUD cannot express.
    """
    expressible.refuse([*expressible.observation(plan, "mud"), *_without_model(plan), *_disagreements(plan)])
    models = {device.model: group for group, device in plan.devices() if device.model}
    files = {}
    for model, group in sorted(models.items()):
        mud = _file(plan, model, group, base, now)
        lint(mud)
        files[f"{model}.json"] = json.dumps(mud, indent=2) + "\n"
    return files


def _without_model(plan: Plan) -> Iterator[Problem]:
    for _, device in plan.devices():
        if not device.model:
            yield Problem(device.source, f"{device.device} has no model, and a MUD file is a model's", "add model:")
        elif not _MODEL.fullmatch(device.model):
            what = f"the model {device.model!r} of {device.device} cannot be a MUD file's name"
            yield Problem(device.source, what, "use letters, digits and . _ - only, at most 60")


def _disagreements(plan: Plan) -> Iterator[Problem]:
    first: dict[str, tuple[Group, Bound]] = {}
    for group, device in plan.devices():
        if not device.model:
            continue
        known, example = first.setdefault(device.model, (group, device))
        if _rights(known) != _rights(group):
            what = (
                f"{device.device} ({group.name}) and {example.device} ({known.name}) are both {device.model}, and may "
                "reach different things, which one MUD file cannot express"
            )
            yield Problem(device.source, what, "give them models of their own, or the same rights")


def _rights(group: Group) -> set[tuple[object, ...]]:
    return {(r.to, r.transport, r.port) for r in group.reaches}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One rule in both directions."""

    name: str
    version: int
    transport: Transport
    port: int
    to: str | Network  # a class of hosts, or an address


def _file(plan: Plan, model: str, group: Group, base: str, now: datetime) -> dict[str, Any]:
    entries = list(dict.fromkeys(_entries(plan, group, base)))
    acls = [_acl(way, version, entries, plan.admin) for way in ("from", "to") for version in (4, 6)]
    held = [acl for acl in acls if acl["aces"]["ace"]]
    return {
        "ietf-mud:mud": {
            "mud-version": 1,
            "mud-url": f"{base}{model}.json",
            "last-update": now.astimezone(UTC).isoformat(timespec="seconds"),
            "cache-validity": _HOURS_VALID,
            "is-supported": True,
            "systeminfo": model,
            "model-name": model,
            **{f"{way}-device-policy": _policy(held, way) for way in ("from", "to")},
        },
        _ACLS: {"acl": held},
    }


def _policy(acls: Sequence[dict[str, Any]], way: str) -> dict[str, Any]:
    return {"access-lists": {"access-list": [{"name": a["name"]} for a in acls if a["name"].startswith(f"{way}-")]}}


def _entries(plan: Plan, group: Group, base: str) -> Iterator[_Entry]:
    for reach in group.reaches:
        to = _named(plan, reach, base)
        versions = (4, 6) if reach.to is None else (reach.to.version,)
        for version in versions:
            yield _Entry(f"{reach.name}-{reach.transport}-{reach.port}", version, reach.transport, reach.port, to)


def _named(plan: Plan, reach: Reach, base: str) -> str | Network:
    if reach.name == "broker" and reach.source == plan.source:
        return f"{base}broker"
    if reach.to is None:
        return _IETF_CLASSES.get(reach.name, f"{base}{reach.name}")
    return reach.to


def _acl(way: str, version: int, entries: Sequence[_Entry], admin: Sequence[Network]) -> dict[str, Any]:
    aces = [_ace(way, entry) for entry in entries if entry.version == version]
    aces += [_admin_ace(way, network) for network in admin if network.version == version]
    numbered = [{"name": f"{number}-{ace.pop('name')}", **ace} for number, ace in enumerate(aces)]
    return {"name": f"{way}-v{version}", "type": f"ipv{version}-acl-type", "aces": {"ace": numbered}}


def _ace(way: str, entry: _Entry) -> dict[str, Any]:
    port = {f"{'destination' if way == 'from' else 'source'}-port": {"operator": "eq", "port": entry.port}}
    ip: dict[str, Any] = {"protocol": _PROTOCOLS[entry.transport]}
    matches: dict[str, Any] = {f"ipv{entry.version}": ip}
    if isinstance(entry.to, str):
        matches["ietf-mud:mud"] = {"controller": entry.to}
    else:
        ip |= _end("destination" if way == "from" else "source", entry.to)
    direction = {"ietf-mud:direction-initiated": "from-device"} if entry.transport is Transport.TCP else {}
    matches[str(entry.transport)] = {**direction, **port}
    return {"name": entry.name, "matches": matches, "actions": {"forwarding": "accept"}}


def _admin_ace(way: str, network: Network) -> dict[str, Any]:
    """An administrator opens connections; over UDP nothing tells who did, so there is no rule for it."""
    ip = {"protocol": 6, **_end("destination" if way == "from" else "source", network)}
    matches = {f"ipv{network.version}": ip, "tcp": {"ietf-mud:direction-initiated": "to-device"}}
    return {"name": "admin", "matches": matches, "actions": {"forwarding": "accept"}}


def _end(end: str, network: Network) -> dict[str, str]:
    return {f"{end}-ipv{network.version}-network": str(network)}
