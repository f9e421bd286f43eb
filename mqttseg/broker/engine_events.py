"""What the engine tells, as events of the broker: what an operator should hear of, and under which name."""

from __future__ import annotations

from mqttseg.engine.events import (
    EngineEvent,
    IncomingRefused,
    MessagesDropped,
    RetainedRefused,
    SessionExpired,
    StoreFailed,
    StoreRecovered,
)
from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind


def device_of(key: str) -> str:
    """The device whose session this is: the guard made the key, and it begins with the device id."""
    return key.partition("/")[0]


def as_event(told: EngineEvent) -> Event | None:
    """The event to report; None for what the guard has reported already."""
    match told:
        case MessagesDropped(key, cause, count):
            return _limit(key, f"{cause}: messages to it were dropped", count=count)
        case SessionExpired(key, messages):
            return _limit(key, "its session expired, with the messages it was owed", count=max(messages, 1))
        case RetainedRefused(topic, origin):
            return _limit(origin, "a limit on retained messages is reached: delivered, not retained", topic=topic)
        case IncomingRefused(key, topic):
            return _limit(key, "too many QoS 2 messages published and not released", topic=topic)
        case StoreFailed(detail):
            what = f"{detail}; what devices send at QoS 1 and 2 stays unacknowledged until it works again"
            return Event(Kind.ERROR, Reason.INTERNAL_ERROR, detail=what)
        case StoreRecovered():
            return Event(Kind.ERROR, Reason.OK, detail="sessions are kept again, and what waited is acknowledged")
    return None


def _limit(key: str | None, detail: str, *, topic: str | None = None, count: int = 1) -> Event:
    device = None if key is None else device_of(key)
    return Event(Kind.LIMIT, Reason.RATE_LIMIT, device=device, client_id=key, topic=topic, count=count, detail=detail)
