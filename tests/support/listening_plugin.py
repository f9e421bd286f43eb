"""A small plugin as third parties write them: it hears events, and uses what BrokerContext offers."""

from __future__ import annotations

from typing import Any

from amqtt.broker import BrokerContext
from amqtt.plugins.base import BasePlugin

PATH = f"{__name__}.ListeningPlugin"


class ListeningPlugin(BasePlugin[BrokerContext]):
    """Notes what it hears, as (event, what was told)."""

    def __init__(self, context: BrokerContext) -> None:
        super().__init__(context)
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def of(self, event: str) -> list[dict[str, Any]]:
        """What was told with this event."""
        return [told for name, told in self.heard if name == event]

    async def on_broker_post_start(self) -> None:
        self.heard.append(("started", {}))

    async def on_broker_post_shutdown(self) -> None:
        self.heard.append(("stopped", {}))

    async def on_broker_client_connected(self, **told: Any) -> None:
        self.heard.append(("connected", told))

    async def on_broker_client_disconnected(self, **told: Any) -> None:
        self.heard.append(("disconnected", told))

    async def on_broker_client_subscribed(self, **told: Any) -> None:
        self.heard.append(("subscribed", told))

    async def on_broker_client_unsubscribed(self, **told: Any) -> None:
        self.heard.append(("unsubscribed", told))

    async def on_broker_message_received(self, **told: Any) -> None:
        self.heard.append(("received", told))

    async def on_broker_message_broadcast(self, **told: Any) -> None:
        self.heard.append(("broadcast", told))

    async def on_broker_retained_message(self, **told: Any) -> None:
        self.heard.append(("retained", told))

    async def on_mqtt_packet_received(self, **told: Any) -> None:
        self.heard.append(("packet in", told))

    async def on_mqtt_packet_sent(self, **told: Any) -> None:
        self.heard.append(("packet out", told))
