"""The retained messages that a SUBSCRIBE is owed, sent as the device takes them and as others get their turn.

Owns how far each new subscription has got, and whose turn it is: a subscription is a place in a walk, never a list of
messages, so its memory does not grow with what it matches. A message that was retained after the SUBSCRIBE is left
out, for the subscription got it live. Refuses to know how a session sends.

A replay is owed to the SUBSCRIBE and lives in memory: it goes on when the device of a kept session comes back, and
ends with the process. What it sent already at QoS 1 and 2 is the session's, and stored like everything it is owed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mqttseg.engine.topicorder import Walk

if TYPE_CHECKING:
    from mqttseg.engine.retained import Retained
    from mqttseg.engine.session import Session

STEPS: Final = 200
"""Topics looked at in one turn of the loop, for all sessions together: a few milliseconds."""

Later = Callable[[Callable[[], None]], object]


class Replay:
    """One new subscription on its way through the retained messages."""

    __slots__ = ("qos", "until", "walk")

    def __init__(self, topic_filter: str, qos: int, until: int) -> None:
        self.qos = qos
        self.walk = Walk(topic_filter)
        self.until = until
        """Number of the last message that was retained before."""


class Replayer:
    """Draws the replays of all sessions. ``later`` has something called in the next turn of the host's loop.

    Without ``later`` there are no turns, and a replay stops only when its device takes no more.
    """

    def __init__(self, retained: Retained) -> None:
        self.later: Later | None = None
        self._retained = retained
        self._left = STEPS
        self._scheduled = False
        self._waiting: deque[Session] = deque()

    def begin(self, session: Session, topic_filter: str, qos: int) -> None:
        """Owe a subscription its retained messages; the same one again begins anew [MQTT-3.8.4-3]."""
        session.replays.pop(topic_filter, None)
        session.replays[topic_filter] = Replay(topic_filter, qos, self._retained.number)

    def draw(self, session: Session) -> None:
        """Send what the device takes now, as far as this turn's steps reach; the rest in later turns."""
        while session.replays and session.takes:
            if self.later is not None:
                self._schedule()
                if not self._left:
                    if session not in self._waiting:
                        self._waiting.append(session)
                    return
                self._left -= 1
            self._step(session)

    def _step(self, session: Session) -> None:
        topic_filter, replay = next(iter(session.replays.items()))
        topic = replay.walk.step(self._retained.order)
        if replay.walk.place is None or topic_filter not in session.filters:
            del session.replays[topic_filter]
        if topic is not None and topic_filter in session.filters and self._retained.numbers[topic] <= replay.until:
            session.replay(self._retained.messages[topic], replay.qos)

    def _schedule(self) -> None:
        if not self._scheduled and self.later is not None:
            self._scheduled = True
            self.later(self._turn)

    def _turn(self) -> None:
        """A new turn: whoever waits draws on, the longest waiting first."""
        self._scheduled = False
        self._left = STEPS
        for _ in range(len(self._waiting)):
            if not self._left:
                return
            self._waiting.popleft().pump()
