"""The kinds of single values that the operator's files hold: names, ids, filters, addresses, sizes, durations, dates.

Owns what each kind looks like, and the words in which a wrong one is refused: what is wrong, and what to write instead.
Every kind is a type for pydantic that also describes itself in the JSON Schemas. Refuses to know which key holds what
(schema.py, config.py) and how values relate to each other (semantics.py).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from mqttseg.policy.model import Action
from mqttseg.policy.topics import filter_problem, topic_problem

MISFIT = "misfit"  # the type of our own pydantic errors: their context carries the remedy

_UNITS = {
    "": 1,
    "B": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "kB": 1000,
    "KB": 1000,
    "MB": 10**6,
    "GB": 10**9,
}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]{1,12})\s?([A-Za-z]*)")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s?(ms|s|m|h|d)")
_TEMPLATE = re.compile(r"\$\{[^}]*\}?")
_VARIABLES = ("${device}", "${segment}")
_ATTEMPT = re.compile(r"(publish|subscribe|receive) (\S.*)", re.DOTALL)

NAME = r"[A-Za-z][A-Za-z0-9_-]{0,31}"
DEVICE_ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"
MEMBER = r"[A-Za-z0-9*?][A-Za-z0-9._:*?-]{0,63}"
TRUST_DOMAIN = r"[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?"
INTERFACE = r"[^\s/\x00-\x20:]{1,15}"
MAC = r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}"
LABEL_KEY = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}"


def misfit(what: str, remedy: str) -> PydanticCustomError:
    """The error of a validator, in our own words. ``what`` follows the name of the value: "is ..."."""
    return PydanticCustomError(MISFIT, "{what}", {"what": what, "remedy": remedy})


def _matching(pattern: str, wanted: str, remedy: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise misfit(f"{_shown(text)} is not {wanted}", remedy)
        return text

    return check


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 80 else repr(text[:77] + "...")


def _described(pattern: str, description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "description": description})


# --- names ---------------------------------------------------------------------------------------------------------

_name = _matching(NAME, "a name", "use a letter, then letters, digits, _ and -; at most 32 in all")
_ends = _matching(f"{NAME}(/{NAME})?", "a segment or SEGMENT/ROLE", "write a segment's name, or SEGMENT/ROLE")
_device_id = _matching(DEVICE_ID, "a device id", "use letters, digits and . _ : - only, at most 64 in all")
_member = _matching(
    MEMBER,
    "a device id or a glob",
    "use letters, digits and . _ : - only, with * and ? as wildcards; at most 64 in all",
)
_domain = _matching(TRUST_DOMAIN, "a trust domain", "use lower-case letters, digits, dots and hyphens: plant7.example")

Name = Annotated[str, AfterValidator(_name), _described(NAME, "A name.")]
EndName = Annotated[
    str, AfterValidator(_ends), _described(f"{NAME}(/{NAME})?", "A segment, or SEGMENT/ROLE for one role of it.")
]
DeviceId = Annotated[str, AfterValidator(_device_id), _described(DEVICE_ID, "A device id.")]
MemberText = Annotated[
    str,
    AfterValidator(_member),
    _described(MEMBER, "A device id, or a glob over ids: * is any run, ? any one character."),
]
TrustDomain = Annotated[str, AfterValidator(_domain), _described(TRUST_DOMAIN, "A SPIFFE trust domain.")]


# --- topics and filters --------------------------------------------------------------------------------------------


def _variables_known(text: str) -> None:
    for found in _TEMPLATE.findall(text):
        if found not in _VARIABLES:
            raise misfit(f"{_shown(text)} uses {found}, which is not known", "use ${device} or ${segment}")


def _expanded(text: str) -> str:
    for variable in _VARIABLES:
        text = text.replace(variable, "x")
    return text


def _filter(text: str) -> str:
    _variables_known(text)
    if problem := filter_problem(_expanded(text)):
        raise misfit(f"{_shown(text)} is not a topic filter: it {problem}", "write it as MQTT does: a/+/c, a/#")
    if text.startswith("$share/") or text == "$share":
        raise misfit(
            f"{_shown(text)} is a shared subscription", "MQTT 3.1.1 has none: write the filter after the group"
        )
    return text


def _published(text: str) -> str:
    if _filter(text).startswith("$") and not text.startswith(_VARIABLES):
        raise misfit(f"{_shown(text)} is a system topic, which nobody may publish to", "remove it")
    return text


def _subscribed(text: str) -> str:
    if _filter(text).startswith("$") and not text.startswith((*_VARIABLES, "$SYS/")):
        raise misfit(f"{_shown(text)} is a system topic", "only explicit $SYS/... filters can be granted: remove it")
    return text


def _prefix(text: str) -> str:
    if text == "#":
        return text
    _variables_known(text)
    if "#" in text or "+" in text:
        plain = text.removesuffix("/#")
        hint = "the prefix alone" if "#" in plain or "+" in plain else repr(plain)
        raise misfit(f"{_shown(text)} is not a topic prefix", f"write {hint}; it owns everything below it")
    if text.startswith("$") and not text.startswith(_VARIABLES):
        raise misfit(f"{_shown(text)} begins with $: system topics are nobody's", "name a topic without $")
    if problem := topic_problem(_expanded(text)):
        raise misfit(f"{_shown(text)} is not a topic prefix: it {problem}", "write one like building/heat")
    return text


def parse_attempt(text: str) -> tuple[Action, str]:
    """``publish TOPIC``, ``subscribe FILTER`` or ``receive TOPIC`` of a test, taken apart."""
    found = _ATTEMPT.fullmatch(text)
    if not found:
        raise misfit(f"{_shown(text)} is not an attempt", "write publish TOPIC, subscribe FILTER or receive TOPIC")
    action, topic = Action(found[1]), found[2]
    problem = filter_problem(topic) if action is Action.SUBSCRIBE else topic_problem(topic)
    if problem:
        raise misfit(
            f"{_shown(text)} cannot be tried: its topic {problem}", "name a topic (for subscribe: a filter) of MQTT"
        )
    return action, topic


def _attempt(text: str) -> str:
    parse_attempt(text)
    return text


_FILTER = {"type": "string", "minLength": 1, "description": "A topic filter; ${device} and ${segment} expand in it."}
Filter = Annotated[str, AfterValidator(_filter), WithJsonSchema(_FILTER)]
PublishFilter = Annotated[str, AfterValidator(_published), WithJsonSchema({**_FILTER, "pattern": r"^([^$]|\$\{)"})]
SubscribeFilter = Annotated[
    str, AfterValidator(_subscribed), WithJsonSchema({**_FILTER, "pattern": r"^([^$]|\$\{|\$SYS/)"})
]
Prefix = Annotated[
    str,
    AfterValidator(_prefix),
    _described(r"(#|[^#+]+)", "A topic prefix: it and all below it. # owns all that no other segment owns."),
]
Attempt = Annotated[
    str,
    AfterValidator(_attempt),
    _described("(publish|subscribe|receive) .+", "publish TOPIC, subscribe FILTER or receive TOPIC."),
]


# --- the network ---------------------------------------------------------------------------------------------------


def _address(text: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise misfit(f"{_shown(text)} is not an IP address", "write one such as 192.0.2.10 or 2001:db8::10") from None
    if getattr(found, "scope_id", None):
        raise misfit(f"{_shown(text)} has a zone", "write the address without %ZONE")
    return str(found)


def _network(text: str) -> str:
    if "/" not in text:
        return _address(text)
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise misfit(f"{_shown(text)} is not a network: {error}", "write one such as 192.0.2.0/24") from None


def _mac(text: str) -> str:
    if not re.fullmatch(MAC, text):
        raise misfit(f"{_shown(text)} is not a MAC address", 'write six pairs of hex digits: "02:aa:00:00:00:01"')
    mac = text.lower().replace("-", ":")
    if int(mac[:2], 16) & 1:
        raise misfit(f"{_shown(text)} is a multicast MAC address", "write the device's own")
    return mac


def _interface(text: str) -> str:
    if text in {".", ".."} or not re.fullmatch(INTERFACE, text) or not text.isprintable():
        raise misfit(f"{_shown(text)} is not an interface name", "use at most 15 characters, no /, : or space")
    return text


Address = Annotated[
    str, AfterValidator(_address), WithJsonSchema({"type": "string", "description": "An IPv4 or IPv6 address."})
]
Destination = Annotated[
    str,
    AfterValidator(_network),
    WithJsonSchema({"type": "string", "description": "An address, or a network such as 192.0.2.0/24."}),
]
Mac = Annotated[str, AfterValidator(_mac), _described(MAC, "A MAC address.")]
Interface = Annotated[str, AfterValidator(_interface), _described(r"[^\s/:]{1,15}", "A Linux interface name.")]
Port = Annotated[int, Field(ge=1, le=65535)]


# --- amounts -------------------------------------------------------------------------------------------------------


def parse_size(value: object) -> object:
    """``64KiB`` as bytes. What is not text is left for the type to judge."""
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value)
    if not found or found[2] not in _UNITS:
        raise misfit(f"{_shown(value)} is not a size", "write bytes, or a number with KiB or MiB: 64KiB")
    return int(found[1]) * _UNITS[found[2]]


def parse_duration(value: object) -> float:
    """``20m`` as seconds. A bare number is refused: its unit would be a guess."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not found:
        shown = _shown(value) if isinstance(value, str) else value
        raise misfit(f"{shown} is not a duration", "write a number with its unit: 500ms, 5s, 20m, 1h or 90d")
    return float(found[1]) * _SECONDS[found[2]]


def parse_moment(value: object) -> datetime:
    """``2027-01-31T00:00:00Z`` as a moment. One without a time zone is refused."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or (isinstance(value, str) and len(value) < len("2027-01-31T00:00")):
        shown = _shown(value) if isinstance(value, str) else value
        raise misfit(f"{shown} is not a moment", "write date, time and time zone: 2027-01-31T00:00:00Z")
    if moment.tzinfo is None:
        raise misfit(f"{value} has no time zone", f"write {value}Z for UTC, or an offset such as +01:00")
    return moment


_SIZE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": "^[0-9]+ ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?$"},
    ],
    "description": "Bytes, or a number with its unit: 64KiB.",
}
_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d)$",
    "description": "A number with its unit: 500ms, 5s, 20m, 1h, 90d.",
}
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=1), WithJsonSchema(_SIZE_SCHEMA)]
Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0), WithJsonSchema(_DURATION_SCHEMA)]
Moment = Annotated[
    datetime,
    BeforeValidator(parse_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "A moment with its time zone."}),
]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Rate = Annotated[float, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)]


# --- plain text ----------------------------------------------------------------------------------------------------


def _line(text: str) -> str:
    if not text.isprintable() or len(text) > 256:
        raise misfit("holds control characters or is longer than 256 characters", "write one short line")
    return text


_label = _matching(LABEL_KEY, "a label's name", "use letters, digits and . _ / - only")

Line = Annotated[str, AfterValidator(_line), WithJsonSchema({"type": "string", "maxLength": 256})]
LabelKey = Annotated[str, AfterValidator(_label), _described(LABEL_KEY, "A label's name.")]
