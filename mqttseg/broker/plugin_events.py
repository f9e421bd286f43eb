"""What amqtt's plugins are told: events, and the packets of one conversation.

Owns who listens to what. Where nobody listens nothing is built and nothing is put in the packets' way. Refuses to
know what an event means to its plugin.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from amqtt.adapters import BufferReader
from amqtt.events import BrokerEvents, MQTTEvents
from amqtt.mqtt import packet_class
from amqtt.mqtt.packet import MQTTFixedHeader
from amqtt.mqtt.publish import PublishPacket
from amqtt.plugins.manager import PluginManager
from amqtt.session import IncomingApplicationMessage, Session

from mqttseg.broker.hosted_session import HostedRetained, HostedSession
from mqttseg.engine.message import Message
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    FAILURE,
    Packet,
    Publish,
    PublishRun,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from mqttseg.wire.publish import taken_apart

log = logging.getLogger(__name__)

PER_PACKET = frozenset(
    {
        MQTTEvents.PACKET_RECEIVED,
        MQTTEvents.PACKET_SENT,
        BrokerEvents.MESSAGE_RECEIVED,
        BrokerEvents.MESSAGE_BROADCAST,
        BrokerEvents.RETAINED_MESSAGE,
        BrokerEvents.CLIENT_SUBSCRIBED,
        BrokerEvents.CLIENT_UNSUBSCRIBED,
    }
)
"""Events for which packets have to be looked at."""


class PluginEvents:
    """The way to all plugins of a broker. Deaf until ``bind``: plugins are loaded one by one."""

    def __init__(self) -> None:
        self._manager: PluginManager[Any] | None = None
        self._heard: frozenset[str] = frozenset()
        self._tasks: set[asyncio.Task[None]] = set()
        self.per_packet = False

    def bind(self, manager: PluginManager[Any]) -> None:
        """All plugins are loaded. (No public name tells which events have a listener; firing to none makes a task.)"""
        self._manager = manager
        self._heard = frozenset(event for event, callbacks in manager._event_plugin_callbacks.items() if callbacks)
        self.per_packet = not PER_PACKET.isdisjoint(self._heard)

    def hears(self, event: str) -> bool:
        """Whether any plugin listens."""
        return event in self._heard

    def fire(self, event: BrokerEvents, **what: Any) -> None:
        """Tell the plugins that listen, soon and in order; nobody waits for them."""
        if event in self._heard and self._manager is not None:
            self._soon(self._manager.fire_event(event, **what), event)

    def fire_packet(self, event: MQTTEvents, packet: Packet, session: Session | None) -> None:
        """Tell of a packet, as one of amqtt's own."""
        if event in self._heard:
            self._soon(self._fire_packet(event, frame_of(packet), session), event)

    async def _fire_packet(self, event: MQTTEvents, frame: bytes, session: Session | None) -> None:
        if self._manager is not None:
            await self._manager.fire_event(event, packet=await amqtt_packet(frame), session=session)

    def _soon(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("plugins could not be told of %s", task.get_name(), exc_info=task.exception())


class Tap:
    """Watches the packets of one conversation, because some plugin listens."""

    def __init__(
        self,
        events: PluginEvents,
        session: Callable[[], HostedSession | None],
        retained: HostedRetained,
        send: Callable[[Packet], None],
    ) -> None:
        self._events = events
        self._session = session
        self._retained = retained
        self._send = send
        self._asked: dict[int, tuple[tuple[str, int], ...]] = {}
        self._given_up: dict[int, tuple[str, ...]] = {}

    def send(self, packet: Packet) -> None:
        """Towards the device. Also told of is what the guard then does not let through."""
        if isinstance(packet, PublishRun):
            for one in taken_apart(packet):
                self.send(one)
            return
        self._send(packet)
        self._events.fire_packet(MQTTEvents.PACKET_SENT, packet, self._session())
        if isinstance(packet, Suback):
            self._subscribed(packet)
        elif isinstance(packet, Unsuback):
            for topic_filter in self._given_up.pop(packet.packet_id, ()):
                self._tell(BrokerEvents.CLIENT_UNSUBSCRIBED, topic=topic_filter)

    def receive(self, packet: Packet, take: Callable[[Packet], None]) -> None:
        """From the device, past the guard; ``take`` hands it on. Plugins are told of each message by itself."""
        if isinstance(packet, PublishRun):
            for one in taken_apart(packet):
                self.receive(one, take)
            return
        session = self._session()
        self._events.fire_packet(MQTTEvents.PACKET_RECEIVED, packet, session)
        message = None
        match packet:
            case Publish():
                message = None if packet.qos == 2 else packet
            case Pubrel() if session is not None:
                message = _released(session, packet.packet_id)
            case Subscribe():
                self._asked[packet.packet_id] = packet.requests
            case Unsubscribe():
                self._given_up[packet.packet_id] = packet.filters
        take(packet)
        if message is not None:
            self._published(message)

    def _published(self, packet: Publish) -> None:
        application_message = _application_message(packet)
        self._tell(BrokerEvents.MESSAGE_RECEIVED, message=application_message)
        self._tell(BrokerEvents.MESSAGE_BROADCAST, message=application_message)
        if packet.retain:
            kept = Message(packet.topic, packet.payload, packet.qos, True, self._key())
            retained = self._retained.as_retained(kept)
            self._events.fire(BrokerEvents.RETAINED_MESSAGE, client_id=None, retained_message=retained)

    def _subscribed(self, suback: Suback) -> None:
        for (topic_filter, qos), code in zip(self._asked.pop(suback.packet_id, ()), suback.codes, strict=True):
            if code != FAILURE:
                self._tell(BrokerEvents.CLIENT_SUBSCRIBED, topic=topic_filter, qos=qos)

    def _tell(self, event: BrokerEvents, **what: Any) -> None:
        self._events.fire(event, client_id=self._key(), **what)

    def _key(self) -> str | None:
        session = self._session()
        return None if session is None else session.client_id


def frame_of(packet: Packet) -> bytes:
    """The packet's bytes."""
    return (packet.frame if isinstance(packet, Publish) else None) or encode(packet)


async def amqtt_packet(frame: bytes) -> Any:
    """The same packet as an object of amqtt's. Never waits: all of it is there."""
    reader = BufferReader(frame)
    header = await MQTTFixedHeader.from_stream(reader)
    return await packet_class(header).from_stream(reader, fixed_header=header)


def _released(session: HostedSession, packet_id: int) -> Publish | None:
    message = session.session.incoming.get(packet_id)
    if message is None:
        return None
    return Publish(message.topic, message.payload, 2, message.retain, packet_id=packet_id)


def _application_message(packet: Publish) -> IncomingApplicationMessage:
    message = IncomingApplicationMessage(
        packet.packet_id or None, packet.topic, packet.qos, packet.payload, packet.retain
    )
    message.publish_packet = PublishPacket.build(
        packet.topic, packet.payload, packet.packet_id or None, packet.dup, packet.qos, packet.retain
    )
    return message
