"""What a MUD file of ours must be, beyond what its YANG modules say.

Owns the rules against files that say more than the policy: no rule for all local networks or for a maker's other
devices, none without protocol and peer, and each way out with its way back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mqttseg.errors import InternalError

_TOO_WIDE = ("local-networks", "same-manufacturer", "manufacturer", "model", "my-controller")
_WAYS = ("from", "to")


def lint(mud: Mapping[str, Any]) -> None:
    """Raise InternalError for a file that must not be written: it is a bug of ours."""
    if found := list(mistakes(mud)):
        raise InternalError(f"a MUD file would say more than the policy: {'; '.join(found)}")


def mistakes(mud: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a file, if anything."""
    if not mud["ietf-mud:mud"]["mud-url"].startswith("https://"):
        yield "its URL is not https"
    acls = {acl["name"]: acl["aces"]["ace"] for acl in mud["ietf-access-control-list:acls"]["acl"]}
    for acl, aces in acls.items():
        names = Counter(ace["name"] for ace in aces)
        yield from (f"{acl} has {count} rules called {name}" for name, count in names.items() if count > 1)
        for ace in aces:
            yield from (f"{acl} {ace['name']} {what}" for what in _mistakes_of(ace["matches"]))
    yield from _one_way(acls)


def _mistakes_of(matches: Mapping[str, Any]) -> Iterator[str]:
    peers = matches.get("ietf-mud:mud", {})
    yield from (f"names {word}" for word in _TOO_WIDE if word in peers)
    ip: Mapping[str, Any] = next((matches[key] for key in ("ipv4", "ipv6") if key in matches), {})
    if not peers and not any(key.endswith("-network") for key in ip):
        yield "is for any host"
    transport = matches.get("tcp") or matches.get("udp") or {}
    if "protocol" not in ip or not transport:
        yield "is for any port"


def _one_way(acls: Mapping[str, Any]) -> Iterator[str]:
    for name, aces in acls.items():
        way, _, version = name.partition("-")
        other = _WAYS[way == "from"]
        back = {ace["name"] for ace in acls.get(f"{other}-{version}", ())}
        yield from (f"{name} {ace['name']} has no way back" for ace in aces if ace["name"] not in back)
