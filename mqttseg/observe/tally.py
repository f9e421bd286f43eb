"""What is counted for good: events by kind and reason, decisions by action, outcome and reason.

Owns the sums since the start of the broker. Refuses to count by device, client id, address or topic: each key here is
a word of the broker's own, so the number of keys is bounded whatever devices do.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, TypeAlias

from mqttseg.observe.events import Event, Kind, Outlet

ALLOWED: Final = "allowed"
DENIED: Final = "denied"
OBSERVED: Final = "observed"
"""Not allowed, and let through all the same, because of observe mode."""

CONNECT: Final = "connect"
WILL: Final = "will"

Decision: TypeAlias = tuple[str, str, str]
"""Action, outcome and reason code."""


class Tally:
    """Counts the events that it is told, every one: before repeats are folded."""

    def __init__(self) -> None:
        self.events: Counter[tuple[str, str]] = Counter()
        """Kind and reason."""
        self.decisions: Counter[Decision] = Counter()
        """As far as events tell of them. What was allowed of topics is told of as traffic instead."""

    def __call__(self, event: Event) -> None:
        """Take an event."""
        self.events[str(event.kind), str(event.reason)] += event.count
        decision = _decision(event)
        if decision is not None:
            self.decisions[decision] += event.count

    def by_reason(self, outcome: str) -> dict[str, int]:
        """How often decisions had this outcome, by reason."""
        found = Counter[str]()
        for (_, its, reason), count in self.decisions.items():
            if its == outcome:
                found[reason] += count
        return dict(found)

    def before(self, outlet: Outlet) -> Outlet:
        """An outlet that counts an event and hands it on."""

        def tell(event: Event) -> None:
            self(event)
            outlet(event)

        return tell


def _decision(event: Event) -> Decision | None:
    reason = str(event.reason)
    match event.kind:
        case Kind.CONNECT:
            return CONNECT, ALLOWED, reason
        case Kind.REFUSE:
            return CONNECT, DENIED, reason
        case Kind.WILL:
            return WILL, ALLOWED, reason
        case Kind.DENY | Kind.WITHDRAW:
            return event.action or CONNECT, OBSERVED if event.observed else DENIED, reason
    return None
