"""What a device tries, as the policy expects it and as it went: the rows of the demo's table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mqttseg.demo.broker import Event

ALLOWS, DENIES = "allows", "denies"
_SERIAL = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{16,}\b")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``expected``: the policy ALLOWS or DENIES it; ``happened`` in fact; ``why``; ``right``: fact and policy agree."""

    expected: str
    happened: str
    why: str
    right: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing tried, and how to try it."""

    device: str
    what: str
    topic: str
    make: Callable[[], Outcome]


def reason_of(event: Event | None) -> str:
    """Why, in the broker's words: its reason code and the line of the policy, else what it saw."""
    if event is None:
        return "the broker reported nothing"
    reason, rule, detail = event["reason"], event.get("rule"), event.get("detail")
    told = short(str(rule)) if rule else _SERIAL.sub(r"\1...", str(detail or ""))
    return f"{reason}: {told}" if told else str(reason)


def short(place: str) -> str:
    """A rule or place without the directory of its file."""
    before, parenthesis, path = place.rpartition("(")
    return f"{before}{parenthesis}{path.rsplit('/', 1)[-1]}" if parenthesis else place.rsplit("/", 1)[-1]
