"""A broker that is none: it remembers what was asked of it, and answers as told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mqttseg.errors import MqttsegError, Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Flow
from mqttseg.observe.queries import EventQuery, FlowQuery, Recorded
from mqttseg.observe.snapshot import BrokerStatus, Done, PolicyInForce, SessionStatus
from mqttseg.pki.quarantine import Quarantine, quarantine_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class FakeApplication:
    """What applying did."""

    revision: int = 2
    changes: tuple[str, ...] = ("cam-1 loses publish cameras/door",)
    connections: int = 1
    subscriptions: int = 3


@dataclass
class FakeOperations:
    """``fails``: what every method raises. ``asked``: what changed something, or would have."""

    fails: MqttsegError | None = None
    asked: list[tuple[object, ...]] = field(default_factory=list)
    entries: dict[str, Quarantine] = field(default_factory=dict)
    told: int = 5
    keys: Sequence[str] = ("cam-1", "cam-1/b", "cam-2")

    def _meet(self) -> None:
        if self.fails is not None:
            raise self.fails

    async def status(self) -> BrokerStatus:
        """Some figures."""
        self._meet()
        policy = PolicyInForce("policy.yaml", 1, NOW, "enforce", 2, 1, 0)
        return BrokerStatus("1.2.3", 42, NOW, ("mqtts://127.0.0.1:8883",), policy, 1, 3, 0, len(self.entries))

    def _session(self, key: str) -> SessionStatus:
        return SessionStatus(key, key.partition("/")[0], "cameras", None, "192.0.2.1:7", 1, 0)

    async def sessions(self, after: str, limit: int) -> Sequence[SessionStatus]:
        """Those of ``keys``."""
        self._meet()
        return [self._session(key) for key in self.keys if key > after][:limit]

    async def sessions_of(self, device: str) -> Sequence[SessionStatus]:
        """Those of ``keys``."""
        self._meet()
        return [self._session(key) for key in self.keys if key.partition("/")[0] == device]

    async def apply_policy(self, *, by: str, dry_run: bool) -> FakeApplication:
        """Remember."""
        self._meet()
        self.asked.append(("apply", by, dry_run))
        return FakeApplication()

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        """Numbers after the one asked for, and who was asked for."""
        self._meet()
        event = Event(Kind.DENY, Reason.NOT_GRANTED, device=query.device, topic="a\nb")
        first = 1 if query.after is None else query.after + 1
        return [Recorded(number, NOW, event) for number in range(first, self.told + 1)][: query.limit]

    async def flows(self, query: FlowQuery) -> Sequence[Flow]:
        """One."""
        self._meet()
        return [Flow(query.device or "cam-1", None, Direction.PUBLISH, "a/+", "a/b", 1, 2, 0, NOW, NOW)]

    async def quarantined(self) -> Sequence[Quarantine]:
        """Who was put out."""
        self._meet()
        return list(self.entries.values())

    async def quarantine(self, device: str, seconds: float | None, *, by: str, why: str) -> tuple[Quarantine, Done]:
        """Put it out."""
        self._meet()
        entry = self.entries[device] = quarantine_of(device, seconds, by=by, why=why, now=NOW)
        self.asked.append(("quarantine", device, seconds, by, why))
        return entry, Done(2, ("the gateway did not answer",))

    async def release(self, device: str, *, by: str, why: str) -> tuple[Quarantine, Done] | None:
        """Let it in."""
        self._meet()
        entry = self.entries.pop(device, None)
        self.asked.append(("release", device, by, why))
        return None if entry is None else (entry, Done())

    async def refresh_revocations(self, device: str | None, *, by: str, why: str) -> Done:
        """Remember."""
        self._meet()
        self.asked.append(("revoked", device, by, why))
        return Done(4)
