"""A broker, its devices, and how an attack on them is judged: what the victim got, and what the operator was told."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.wire.packets import Connack, Publish, Will
from tests.support.brokers import BackendName, RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import POLICY, TestSite


class Stage:
    """A site that is being served, and clients of it that are closed at the end."""

    def __init__(
        self, root: Path, policy: str = POLICY, settings: str = "", *, backend: BackendName | None = None
    ) -> None:
        self.site = TestSite(root, policy=policy, settings=settings)
        self.broker = RunningBroker(self.site, backend=backend)
        self._exits = ExitStack()

    def __enter__(self) -> Stage:
        self._exits.enter_context(self.broker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def tls(self, device_id: str | None) -> RawClient:
        """A TLS connection with this device's certificate, before CONNECT."""
        return self._exits.enter_context(RawClient(self.site.tls(device_id), self.broker.port))

    def join(self, device_id: str, *, clean: bool = True, will: Will | None = None) -> RawClient:
        """A connected device."""
        client, connack = self.greet(device_id, clean=clean, will=will)
        assert connack.code == 0
        return client

    def greet(self, device_id: str, *, clean: bool = True, will: Will | None = None) -> tuple[RawClient, Connack]:
        """A device that has sent CONNECT, and the answer to it."""
        client = self.tls(device_id)
        return client, client.connect(device_id, clean=clean, will=will)

    def listener(self, device_id: str, *filters: str, qos: int = 0, clean: bool = True) -> RawClient:
        """A connected device with subscriptions, all of which were accepted."""
        client = self.join(device_id, clean=clean)
        if filters:
            assert client.subscribe(*filters, qos=qos) == (qos,) * len(filters)
        return client

    def leave(self, client: RawClient, device_id: str) -> None:
        """Break the connection, and wait until the backend let go of the session."""
        seen = len(self.broker.events)
        client.close()
        self.wait_after(seen, lambda event: event.kind is Kind.DISCONNECT and event.device == device_id)
        self.settle(device_id)

    def settle(self, key: str) -> None:
        """Wait until nobody holds the session and the backend is done with it."""
        roster = self.broker.guard.roster
        while self.broker.do(lambda: roster.holder(key) is not None or roster.is_ending(key)):
            pass

    def reload(self, policy: str) -> None:
        """Put another policy in force."""
        self.site.write_policy(policy)
        self.broker.do(self.broker.plugin.service.reload)

    def wait_after(self, seen: int, matches: object) -> Event:
        """The first event after the first ``seen`` ones that matches."""
        assert callable(matches)
        return self.broker.wait_for(lambda event: event in self.broker.events[seen:] and bool(matches(event)))

    def told(self, kind: Kind, reason: Reason, device: str, topic: str | None = None, rule: str | None = None) -> Event:
        """The event that the operator gets: its kind, reason, device, topic, and the filter of the rule behind it."""
        event = self.broker.wait_for(
            lambda event: (
                (event.kind, event.reason, event.device) == (kind, reason, device)
                and (topic is None or event.topic == topic)
            )
        )
        if rule is not None:
            assert event.rule is not None
            assert event.rule.startswith(f"{rule} ("), event.rule
            assert "policy.yaml:" in event.rule
        return event

    def denied(self, reason: Reason, device: str, topic: str | None = None, rule: str | None = None) -> Event:
        """The event of something that was not allowed, and was not let through."""
        event = self.told(Kind.DENY, reason, device, topic, rule)
        assert not event.observed
        return event

    def is_silent_about(self, device_id: str) -> bool:
        """Whether nothing was held against this device."""
        return not [e for e in self.broker.events if e.device == device_id and e.kind not in _PEACEFUL]


_PEACEFUL = frozenset({Kind.CONNECT, Kind.DISCONNECT, Kind.WILL})


def assert_only(victim: RawClient, *messages: tuple[str, bytes]) -> None:
    """The victim gets these messages, in this order, and had nothing else before or between them."""
    got = [victim.expect(Publish) for _ in messages]
    assert [(message.topic, message.payload) for message in got] == list(messages)
    assert victim.messages() == []


def raw_publish(topic: str | bytes, payload: bytes = b"") -> bytes:
    """A QoS 0 PUBLISH with any topic, which ``encode`` would refuse to make (short ones only)."""
    body = _field(topic) + payload
    return bytes((0x30, len(body))) + body


def raw_subscribe(topic_filter: str | bytes) -> bytes:
    """A SUBSCRIBE with any filter (short ones only)."""
    body = b"\x00\x01" + _field(topic_filter) + b"\x00"
    return bytes((0x82, len(body))) + body


def _field(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return len(data).to_bytes(2, "big") + data
