"""One of the demo's devices: a paho-mqtt client whose every step can be waited for."""

from __future__ import annotations

import itertools
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from mqttseg.clients import Credentials

PATIENCE = 10.0
"""Seconds after which what should have come is taken not to come."""

_FENCE = b"fence "
_REFUSED = 0x80


@dataclass(frozen=True, slots=True)
class Message:
    """A message that arrived."""

    topic: str
    payload: bytes
    retained: bool


class Device:
    """Connects over mutual TLS (with ``shows_certificate``, as devices do), and remembers what came.

    ``fence_topic``: one that the device may publish to and is subscribed to.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        filters: Sequence[str] = (),
        fence_topic: str = "",
        client_id: str | None = None,
        will: str | None = None,
        shows_certificate: bool = True,
    ) -> None:
        self.filters = list(filters)
        self.inbox: list[Message] = []
        self._credentials = credentials
        self._fence_topic = fence_topic
        self._fences = itertools.count(1)
        self._changed = threading.Condition()
        self._connack: int | None = None
        self._gone = False
        self._acknowledged: set[int] = set()
        self._subscribed: dict[int, list[int]] = {}
        self._passed: set[bytes] = set()
        self._client = self._make(client_id or credentials.client_id, shows_certificate, will)

    def connect(self) -> bool:
        """Connect; whether the broker accepted."""
        try:
            self._client.connect(self._credentials.host, self._credentials.port)
        except OSError:  # TLS was refused in the handshake
            return False
        self._client.loop_start()
        self._wait(lambda: self._connack is not None or self._gone)
        return self._connack == 0

    def subscribe(self, *filters: str) -> bool:
        """Subscribe; whether the broker accepted every filter."""
        _, mid = self._client.subscribe([(item, 1) for item in filters])
        if mid is None or not self._wait(lambda: mid in self._subscribed):
            return False
        accepted = all(code < _REFUSED for code in self._subscribed[mid])
        self.filters += filters if accepted else ()
        return accepted

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> bool:
        """Publish at QoS 1; whether it was acknowledged, which a denied message is, too."""
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        return self._wait(lambda: sent.mid in self._acknowledged)

    def catch_up(self) -> bool:
        """Wait until everything that the broker sent before now is in the inbox: a message to itself comes last."""
        fence = _FENCE + str(next(self._fences)).encode()
        self._client.publish(self._fence_topic, fence, qos=1)
        return self._wait(lambda: fence in self._passed or self._gone) and not self._gone

    def wait_for_message(self) -> bool:
        """Whether a message comes, or is there."""
        return self._wait(lambda: bool(self.inbox))

    def wait_until_gone(self) -> bool:
        """Whether the connection ends."""
        return self._wait(lambda: self._gone)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _make(self, client_id: str, shows_certificate: bool, will: str | None) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False
        )
        context = ssl.create_default_context(cafile=str(self._credentials.ca))
        if shows_certificate:
            context.load_cert_chain(self._credentials.certificate, self._credentials.key)
        client.tls_set_context(context)
        if will is not None:
            client.will_set(will, "gone", qos=1)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _wait(self, happened: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(happened, PATIENCE)

    # paho calls these on its own thread

    def _on_connect(self, _client: Client, _data: object, _flags: object, reason: Any, *_: object) -> None:
        with self._changed:
            self._connack = reason.value
            self._changed.notify_all()

    def _on_disconnect(self, *_: object) -> None:
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _on_publish(self, _client: Client, _data: object, mid: int, *_: object) -> None:
        with self._changed:
            self._acknowledged.add(mid)
            self._changed.notify_all()

    def _on_subscribe(self, _client: Client, _data: object, mid: int, reasons: Any, *_: object) -> None:
        with self._changed:
            self._subscribed[mid] = [reason.value for reason in reasons]
            self._changed.notify_all()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        payload = bytes(message.payload)
        with self._changed:
            if not payload.startswith(_FENCE):
                self.inbox.append(Message(message.topic, payload, message.retain))
            elif message.topic == self._fence_topic:
                self._passed.add(payload)
            self._changed.notify_all()
