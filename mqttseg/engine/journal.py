"""What must be on disk before something may be said.

Owns the open batch of changes and what waits for it. The engine notes *that* an object changed; ``take`` turns the
objects into rows, so that a message that came and went between two commits is never written. Later states win over
earlier ones, so a failed batch folds into the next and nothing is lost. Refuses to know SQL, files and threads: a
``Committer`` takes the rows, has them stored, and reports back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar

from mqttseg.engine.events import Listener, StoreFailed, StoreRecovered
from mqttseg.engine.message import Delivery, Message

if TYPE_CHECKING:
    from mqttseg.engine.session import Session

logger = logging.getLogger(__name__)

K = TypeVar("K")
Row: TypeAlias = tuple[int | str | bytes | float | None, ...]
LARGE: Final = 512
"""A batch of so many deliveries is committed though nobody waits, so that no batch holds up the loop."""

Release: TypeAlias = tuple[Callable[..., object], object]


@dataclass(slots=True)
class Change(Generic[K]):
    """Rows of one table: each either as it is now, or gone."""

    rows: list[Row] = field(default_factory=list)
    gone: list[K] = field(default_factory=list)


@dataclass(slots=True)
class Rows:
    """One transaction, in plain values that a thread may hold."""

    sessions: Change[int] = field(default_factory=Change)
    subscriptions: Change[tuple[int, str]] = field(default_factory=Change)
    messages: Change[int] = field(default_factory=Change)
    deliveries: Change[int] = field(default_factory=Change)
    incoming: Change[tuple[int, int]] = field(default_factory=Change)
    retained: Change[str] = field(default_factory=Change)


class Committer(Protocol):
    """Stores what the journal holds: ``take``, store, then ``committed`` or ``failed``, one batch at a time."""

    def wake(self) -> None:
        """Something waits for the open batch. Called once per batch, from within the engine: do not block."""


class _Batch:
    __slots__ = ("deliveries", "incoming", "messages", "releases", "retained", "sessions", "subscriptions")

    def __init__(self) -> None:
        self.sessions: dict[int, Session | None] = {}
        self.subscriptions: dict[tuple[int, str], int | None] = {}
        self.messages: dict[int, Message | None] = {}
        self.deliveries: dict[int, tuple[int, Delivery] | None] = {}
        self.incoming: dict[tuple[int, int], Message | None] = {}
        self.retained: dict[str, Message | None] = {}
        self.releases: list[Release] = []

    def fold_into(self, later: _Batch) -> None:
        """Add what a later batch does not supersede."""
        later.sessions = self.sessions | later.sessions
        later.subscriptions = self.subscriptions | later.subscriptions
        later.messages = self.messages | later.messages
        later.deliveries = self.deliveries | later.deliveries
        later.incoming = self.incoming | later.incoming
        later.retained = self.retained | later.retained
        later.releases = self.releases + later.releases


class Journal:
    """The engine's side of durability.

    ``active`` is False when nothing is to be stored, ``waits`` when acknowledgements need no commit. Call ``take``,
    ``committed`` and ``failed`` on the engine's own thread.
    """

    def __init__(self, *, active: bool, waits: bool, bound: int, listener: Listener) -> None:
        self.active = active
        self.waits = active and waits
        self.committer: Committer | None = None
        self.number = 1
        """The open batch's; all batches below ``safe`` are committed."""
        self.safe = 1
        self._bound = bound
        self._listener = listener
        self._open = _Batch()
        self._taken: _Batch | None = None
        self._awake = False
        self._failing = False
        self._last_id = 0
        self._taken_id = 0

    @property
    def blocked(self) -> bool:
        """Commits fail, and so much waits for them that no more may be taken in."""
        return self._failing and len(self._open.releases) >= self._bound

    def resume_ids(self, last: int) -> None:
        """Go on after the ids of an earlier run."""
        self._last_id = self._taken_id = last

    def next_id(self) -> int:
        """A number that grows, and is never used twice."""
        self._last_id += 1
        return self._last_id

    def after(self, act: Callable[..., object], argument: object) -> None:
        """Call ``act(argument)`` when all that was noted so far is safe: at once unless acknowledgements wait."""
        if not self.waits:
            act(argument)
            return
        self._open.releases.append((act, argument))
        if not self._failing:
            self.nudge()

    def nudge(self) -> None:
        """Have what is noted committed, though nobody may wait for it. Failing commits are tried again only here."""
        if self.active and not self._awake and self.committer is not None:
            self._awake = True
            self.committer.wake()

    def save_session(self, session: Session) -> None:
        """The session exists, present or absent."""
        self._open.sessions[session.id] = session

    def drop_session(self, session: Session) -> None:
        """The session is gone, and all rows of its number, noted or stored; note nothing of it after this.

        Its deliveries are settled before, one by one, for the sake of their messages.
        """
        self._open.sessions[session.id] = None

    def subscription(self, session: Session, topic_filter: str, qos: int | None) -> None:
        """The session has the filter at this QoS; None: no more."""
        self._open.subscriptions[session.id, topic_filter] = qos

    def incoming(self, session: Session, packet_id: int, message: Message | None) -> None:
        """The session's device has published this at QoS 2 and not released it; None: no more."""
        self._open.incoming[session.id, packet_id] = message

    def retain(self, topic: str, message: Message | None) -> None:
        """The topic's retained message; None: no more."""
        self._open.retained[topic] = message

    def owe(self, session: Session, delivery: Delivery) -> None:
        """The session is owed this from now on."""
        message = delivery.message
        if not message.owed:
            message.id = self.next_id()
            self._open.messages[message.id] = message
        message.owed += 1
        delivery.id = self.next_id()
        self.update(session, delivery)

    def update(self, session: Session, delivery: Delivery) -> None:
        """The delivery's packet id or state changed."""
        self._open.deliveries[delivery.id] = (session.id, delivery)
        if len(self._open.deliveries) >= LARGE and not self._failing:
            self.nudge()

    def settle(self, delivery: Delivery) -> None:
        """The session is not owed this any more."""
        if delivery.id > self._taken_id:
            # No rows that were ever taken hold it: there is nothing to delete
            del self._open.deliveries[delivery.id]
        else:
            self._open.deliveries[delivery.id] = None
        message = delivery.message
        message.owed -= 1
        if not message.owed:
            if message.id > self._taken_id:
                del self._open.messages[message.id]
            else:
                self._open.messages[message.id] = None

    def take(self) -> Rows | None:
        """The open batch as rows, None when it is empty or when the one before is not finished."""
        self._awake = False
        if self._taken is not None:
            return None
        batch = self._open
        rows = _rows(batch)
        if rows is None and not batch.releases:
            return None
        self._taken, self._open = batch, _Batch()
        self._taken_id = self._last_id
        self.number += 1
        return rows or Rows()

    def committed(self) -> None:
        """The rows last taken are safe: say what waited for them."""
        batch, self._taken = self._taken, None
        self.safe = self.number
        if self._failing:
            self._failing = False
            self._listener(StoreRecovered())
        if batch is not None:
            for act, argument in batch.releases:
                _release(act, argument)

    def failed(self, detail: str) -> None:
        """The rows last taken are not stored: keep them, and what waits for them, for the next attempt."""
        batch, self._taken = self._taken, None
        # A wake while this batch was being stored took nothing: the next nudge has to wake again
        self._awake = False
        if batch is not None:
            batch.fold_into(self._open)
        if not self._failing:
            self._failing = True
            self._listener(StoreFailed(detail))


def _release(act: Callable[..., object], argument: object) -> None:
    """Say what waited. One device's failure must not keep the others, nor the next batch, waiting for ever."""
    try:
        act(argument)
    except Exception:
        logger.exception("what waited for a commit failed; the rest goes on")


def _rows(batch: _Batch) -> Rows | None:
    """Plain values of the objects as they are now; None when nothing changed."""
    rows = Rows()
    # What was noted of a session before it was dropped must not be written after its rows were deleted
    dropped = {number for number, session in batch.sessions.items() if session is None}
    for number, session in batch.sessions.items():
        _add(rows.sessions, number, None if session is None else (number, session.key, session.left_at))
    for owned, qos in batch.subscriptions.items():
        if owned[0] not in dropped:
            _add(rows.subscriptions, owned, None if qos is None else (*owned, qos))
    for number, message in batch.messages.items():
        _add(rows.messages, number, None if message is None else _message_row(message))
    for number, owed in batch.deliveries.items():
        if owed is None or owed[0] not in dropped:
            _add(rows.deliveries, number, None if owed is None else _delivery_row(*owed))
    for flow, message in batch.incoming.items():
        if flow[0] not in dropped:
            _add(rows.incoming, flow, None if message is None else _incoming_row(flow, message))
    for topic, message in batch.retained.items():
        _add(rows.retained, topic, None if message is None else _message_row(message)[1:])
    changes = (rows.sessions, rows.subscriptions, rows.messages, rows.deliveries, rows.incoming, rows.retained)
    return rows if any(change.rows or change.gone for change in changes) else None


def _add(change: Change[K], key: K, row: Row | None) -> None:
    if row is None:
        change.gone.append(key)
    else:
        change.rows.append(row)


def _message_row(message: Message) -> Row:
    return (message.id, message.topic, message.payload, message.qos, message.origin)


def _incoming_row(flow: tuple[int, int], message: Message) -> Row:
    return (*flow, message.topic, message.payload, int(message.retain))


def _delivery_row(session: int, delivery: Delivery) -> Row:
    return (
        delivery.id,
        session,
        delivery.message.id,
        delivery.qos,
        int(delivery.retain),
        delivery.packet_id,
        delivery.released,
    )
