"""Somebody to attack: an enrolled device at work, and a neighbour who would notice if it came to harm."""

from __future__ import annotations

import contextlib
import itertools
import ssl
from types import TracebackType

from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.wire.packets import Connect, Disconnect, Publish, Will
from tests.support.brokers import RunningBroker
from tests.support.clients import RawClient

PULSE = "cameras/cam-1/pulse"
WILL = "cameras/cam-1/will"


class Victim:
    """cam-1, connected with a kept session and a will, and cam-9, which is subscribed to all of their segment."""

    def __init__(self, broker: RunningBroker) -> None:
        self._broker = broker
        self._pulse = itertools.count()

    def __enter__(self) -> Victim:
        site, port = self._broker.site, self._broker.port
        self.neighbour = RawClient(site.tls("cam-9"), port)
        self.client = RawClient(site.tls("cam-1"), port)
        assert self.neighbour.connect("cam-9").code == 0
        assert self.neighbour.subscribe("cameras/#") == (0,)
        assert self.client.connect("cam-1", clean=False, will=Will(WILL, b"gone")).code == 0
        assert self.client.subscribe(PULSE) == (0,)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self.assert_unharmed()
        finally:
            leave(self.client)
            leave(self.neighbour)

    def assert_unharmed(self) -> None:
        """Its connection, session and subscription still work; in its segment there was nothing but its own pulse."""
        pulse = str(next(self._pulse)).encode()
        self.client.publish(PULSE, pulse, qos=1)
        assert self.client.expect(Publish) == Publish(PULSE, pulse)
        assert self.neighbour.expect(Publish) == Publish(PULSE, pulse)
        assert not self.client.unread
        assert not self.neighbour.unread


class Watch:
    """What the broker reports from now on."""

    def __init__(self, broker: RunningBroker) -> None:
        self._broker = broker
        self._before = list(broker.events)

    def wait_for(self, kind: Kind, reason: Reason, device: str | None = None) -> Event:
        """The first event of this kind and reason, of this device if one is given, since the watch began."""
        before = set(map(id, self._before))
        return self._broker.wait_for(
            lambda event: (
                id(event) not in before
                and (event.kind, event.reason) == (kind, reason)
                and (device is None or event.device == device)
            )
        )

    def count(self, kind: Kind, device: str | None = None) -> int:
        """How many there were so far."""
        return len(self._seen(kind, device))

    def total(self, kind: Kind, device: str) -> int:
        """How many things they told of so far."""
        return sum(event.count for event in self._seen(kind, device))

    def _seen(self, kind: Kind, device: str | None) -> list[Event]:
        since = self._broker.events[len(self._before) :]
        return [event for event in since if event.kind is kind and device in {None, event.device}]


def leave(client: RawClient) -> None:
    """DISCONNECT, if the connection still stands, and wait until the broker has ended it."""
    with contextlib.suppress(OSError):
        client.send(Disconnect())
        client.expect_end()
    client.close()


def assert_shut_out(context: ssl.SSLContext, broker: RunningBroker, client_id: str = "cam-1") -> None:
    """Whoever has this context is not even answered when it sends CONNECT."""
    with contextlib.suppress(OSError), RawClient(context, broker.port) as client:
        client.send(Connect(client_id))
        client.expect_end()
        assert not client.unread
