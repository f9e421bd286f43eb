"""Texts for a vendor, by aerleon.

Owns the one call to it. A warning from aerleon is an error here: what it warns of, it has left out of a rule.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml

from mqttseg.errors import InternalError, OperatorError
from mqttseg.gateway import expressible
from mqttseg.gateway.plan import Network, Plan
from mqttseg.gateway.vendors.checks import AskedFilter, check
from mqttseg.gateway.vendors.filters import Filter, Term, stateful, stateless, towards_broker

VENDORS = ("cisco", "arista", "juniper", "paloalto", "k8s")
_BROKER_PODS = {"app.kubernetes.io/name": "mqttseg"}
_ZONES = {
    "from": "from-zone iot to-zone any",
    "to": "from-zone any to-zone iot",
    "between": "from-zone iot to-zone iot",
}


def render_vendor(plan: Plan, vendor: str, *, pinned_elsewhere: bool) -> Mapping[str, str]:
    """Texts by file name for one of ``VENDORS``.

    Raises ConfigurationError for what access lists cannot express, OperatorError if aerleon is not installed.
    """
    target = f"aerleon:{vendor}"
    if not pinned_elsewhere:
        expressible.refuse([*expressible.ports(plan, target), *expressible.hardware_addresses(plan, target)])
    own = () if vendor == "k8s" else expressible.own_services(plan, target)
    expressible.refuse([*expressible.observation(plan, target), *own])
    written = {}
    for name, filters in _filters(plan, vendor):
        written[name] = _generate(vendor, filters)
    return written


def _filters(plan: Plan, vendor: str) -> Iterator[tuple[str, tuple[Filter, ...]]]:
    """The filters of each file."""
    if vendor == "k8s":
        yield "mqttseg-k8s.yml", towards_broker(plan)
    elif vendor == "paloalto":
        yield "mqttseg-paloalto.xml", (*stateful(plan, 4), *stateful(plan, 6))
    else:
        for version in (4, 6):
            yield f"mqttseg-{vendor}-v{version}.acl", stateless(plan, version)


@dataclass(slots=True)
class _Asked:
    """Filters in aerleon's words, and the names that they use."""

    filters: list[AskedFilter] = field(default_factory=list)
    networks: dict[str, object] = field(default_factory=dict)
    services: dict[str, object] = field(default_factory=dict)

    def add(self, one: Filter, targets: Mapping[str, str]) -> None:
        terms = [dict(self._term(term)) for term in one.terms]
        self.filters.append({"header": {"targets": dict(targets), "comment": "mqttseg"}, "terms": terms})

    def _term(self, term: Term) -> Iterator[tuple[str, str]]:
        yield "name", term.name
        yield "action", "accept" if term.permit else "deny"
        if term.comment:
            yield "comment", term.comment
        for end, networks in (("source", term.source), ("destination", term.destination)):
            if networks:
                yield f"{end}-address", self._network(networks)
        for end, port in (("source", term.source_port), ("destination", term.destination_port)):
            if port is not None:
                yield f"{end}-port", self._service(term.protocol, port)
        if term.protocol:
            yield "protocol", term.protocol
        if term.established:
            yield "option", "tcp-established"
        if term.icmp:
            yield "icmp-type", " ".join(term.icmp)

    def _network(self, networks: Sequence[Network]) -> str:
        name = "MQTTSEG_" + hashlib.sha256(" ".join(map(str, networks)).encode()).hexdigest()[:12].upper()
        self.networks[name] = {"values": [{"address": str(network)} for network in networks]}
        return name

    def _service(self, protocol: str, port: int) -> str:
        name = f"MQTTSEG_{protocol.upper()}_{port}"
        self.services[name] = [{"protocol": str(protocol), "port": str(port)}]
        return name


def _generate(vendor: str, filters: Sequence[Filter]) -> str:
    asked = _Asked()
    digest = hashlib.sha256(repr(filters).encode()).hexdigest()[:8]
    for one in filters:
        asked.add(one, {vendor: _options(vendor, one, digest)})
    check(asked.filters)
    try:
        from aerleon import api  # noqa: PLC0415  # an extra
        from aerleon.lib import naming  # noqa: PLC0415
    except ImportError as error:
        raise OperatorError("this target needs aerleon: pip install 'mqttseg[vendors]'") from error
    policy: Any = {
        "filename": "mqttseg",
        "filters": asked.filters,
    }  # its own type knows each keyword, as checks.py does
    definitions = naming.Naming()
    definitions.ParseDefinitionsObject({"networks": asked.networks, "services": asked.services}, "")
    with _no_warnings():
        texts = api.Generate([policy], definitions)
    if not texts or len(texts) != 1:
        raise InternalError(f"aerleon wrote {len(texts or ())} files for {vendor}, not one")
    return _AFTERWARDS.get(vendor, _as_it_is)(next(iter(texts.values())))


def _options(vendor: str, one: Filter, digest: str) -> str:
    name = f"mqttseg-{one.way}-v{one.version}-{digest}"
    match vendor:
        case "k8s":
            return "INGRESS"
        case "paloalto":
            return f"{_ZONES[one.way]} {'inet' if one.version == 4 else 'inet6'}"
        case "juniper":
            return f"{name} {'inet' if one.version == 4 else 'inet6'}"
        case _:
            return f"{name} {'extended' if one.version == 4 else 'inet6'}"


@contextmanager
def _no_warnings() -> Iterator[None]:
    """An error for whatever aerleon only warns of."""
    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]  # one line, no class
    logger = logging.getLogger("absl")
    before, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
    if heard:
        raise InternalError(f"aerleon warns, and so may have left something out: {heard[0]}")


def _as_it_is(text: str) -> str:
    """Without trailing blanks, so that the text is the same in every editor."""
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _of_broker_pods(text: str) -> str:
    """Aerleon selects every pod of the name space; ours are those that are labelled as the broker's."""
    listed = yaml.safe_load(text)
    for item in listed["items"]:
        item["spec"]["podSelector"] = {"matchLabels": dict(_BROKER_PODS)}
    return yaml.safe_dump(listed)


_AFTERWARDS: Mapping[str, Callable[[str], str]] = {"k8s": _of_broker_pods}
