"""The changes that one policy brings over another, as values that tell themselves to people and programs.

Owns their shapes and words. Refuses to find them (difference.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from mqttseg.errors import Source
from mqttseg.policy.cohorts import Place
from mqttseg.policy.decide import Decision
from mqttseg.policy.facts import Fact
from mqttseg.policy.model import Action, Rule

_SHOWN = 3  # devices to name in a line
_WORDS = {Action.PUBLISH: "publish", Action.RECEIVE: "subscribe to and receive"}

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class RightChange:
    """A right that is gained, or lost.

    ``rule`` is what grants it, in the new policy if it is gained, in the old one if it is lost; ``refusal`` is what
    the other policy says of ``topic``, an example. Who: with ``everyone`` all devices of this cohort (in ``before``
    in the old policy, in ``after`` in the new one) but those in ``but``; else only ``devices``. ``devices`` are those
    known by name; ``device`` is one that the example holds for, known or not. ``action`` is publish or receive.
    """

    gained: bool
    action: Action
    before: Place | None
    after: Place | None
    everyone: bool
    devices: tuple[str, ...]
    but: tuple[str, ...]
    device: str
    topic: str
    rule: Rule
    refusal: Decision

    def __str__(self) -> str:
        sign, verb, other = ("+", "gains", "before") if self.gained else ("-", "loses", "now")
        refused = f"{self.refusal.reason}{f' by {self.refusal.rule}' if self.refusal.rule else ''}"
        what = f"topics to {_WORDS[self.action]} in {self.rule}"
        return f"{sign} {self._who()} {verb} {what}: {self.device} {self.topic}, {other} {refused}"

    def as_json(self) -> Json:
        return {
            "action": str(self.action),
            "before": _place_name(self.before),
            "after": _place_name(self.after),
            "everyone": self.everyone,
            "devices": list(self.devices),
            "but": list(self.but),
            "device": self.device,
            "topic": self.topic,
            "rule": self.rule.as_json(),
            "refusal": {
                "reason": str(self.refusal.reason),
                "rule": self.refusal.rule.as_json() if self.refusal.rule else None,
            },
        }

    def _who(self) -> str:
        if not self.everyone:
            return _listed(self.devices)
        but = f" but {_listed(self.but)}" if self.but else ""
        if self.before == self.after:
            return f"{_told(self.after)} (every member{but})"
        known = _listed(self.devices) if self.devices else f"devices like {self.device}"
        return f"{known}{but} ({_told(self.before)} to {_told(self.after)})"


@dataclass(frozen=True, slots=True)
class Move:
    """A known device that changes places. ``after`` None: it is in no segment any more, and is cut."""

    device: str
    before: Place | None
    after: Place | None

    def __str__(self) -> str:
        return f"> {self.device} moves from {_told(self.before)} to {_told(self.after)}"

    def as_json(self) -> Json:
        return {"device": self.device, "before": _place_name(self.before), "after": _place_name(self.after)}


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A fact of the policy that is new, gone, or has another value (then there are both)."""

    old: Fact | None
    new: Fact | None

    @property
    def source(self) -> Source:
        """Where it stands: in the new policy if it is there."""
        return self._fact.source

    def __str__(self) -> str:
        what = f"~ {self._fact.about}"
        if self.old and self.new:
            return f"{what}: {self._fact.key} {self.old.value} becomes {self.new.value} ({self.source})"
        said = f": {self._fact.key} {self._fact.value}".rstrip() if self._fact.key else ""
        return f"{what}{said} is {'new' if self.new else 'gone'} ({self.source})"

    def as_json(self) -> Json:
        values = {"old": self.old.value if self.old else None, "new": self.new.value if self.new else None}
        return {"about": self._fact.about, "key": self._fact.key, **values, **self.source.as_json()}

    @property
    def _fact(self) -> Fact:
        found = self.new or self.old
        assert found is not None  # noqa: S101  (one of the two is there)
        return found


@dataclass(frozen=True, slots=True)
class Difference:
    """All that changes, each kind in file order."""

    rights: tuple[RightChange, ...]
    moves: tuple[Move, ...]
    settings: tuple[SettingChange, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing changes for anybody."""
        return not (self.rights or self.moves or self.settings)

    @property
    def gains(self) -> tuple[RightChange, ...]:
        return tuple(change for change in self.rights if change.gained)

    @property
    def losses(self) -> tuple[RightChange, ...]:
        return tuple(change for change in self.rights if not change.gained)

    def lines(self) -> list[str]:
        """For people: settings, moves, losses, gains; one line each."""
        return [str(change) for change in (*self.settings, *self.moves, *self.losses, *self.gains)]

    def as_json(self) -> Json:
        """For programs: the same, with places taken apart."""
        return {
            "empty": self.empty,
            "gains": [change.as_json() for change in self.gains],
            "losses": [change.as_json() for change in self.losses],
            "moves": [move.as_json() for move in self.moves],
            "settings": [change.as_json() for change in self.settings],
        }


def _place_name(place: Place | None) -> str | None:
    return None if place is None else "/".join(filter(None, place))


def _told(place: Place | None) -> str:
    return _place_name(place) or "no segment"


def _listed(devices: tuple[str, ...]) -> str:
    more = len(devices) - _SHOWN
    return ", ".join(devices[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
