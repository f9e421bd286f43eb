"""Plugins such as amqtt's users write, for tests of amqtt itself and of life beside ours."""

from __future__ import annotations

import ssl
import sys
from typing import Any, ClassVar

from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BasePlugin, BaseTopicPlugin
from amqtt.session import Session


class CertificateAuth(BaseAuthPlugin):
    """Admits who showed a certificate whose common name is the client id."""

    async def authenticate(self, *, session: Session) -> bool:
        shown: Any = session.ssl_object.getpeercert() if isinstance(session.ssl_object, ssl.SSLObject) else None
        names = [value for part in (shown or {}).get("subject", ()) for key, value in part if key == "commonName"]
        return session.client_id in names


class PasswordAuth(BaseAuthPlugin):
    """Admits who knows the word."""

    async def authenticate(self, *, session: Session) -> bool:
        return bool(session.password == "right")


class Topics(BaseTopicPlugin):
    """Refuses pairs of action and topic that a test puts in, and breaks down for those it is told to."""

    refused: ClassVar[set[tuple[Action, str]]] = set()
    broken: ClassVar[set[tuple[Action, str]]] = set()

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        if (action, session.client_id if session else None) in self.broken:
            raise RuntimeError("a plugin with a bug")
        return (action, topic) not in self.refused


class Witness(BasePlugin[Any]):
    """Writes what it is told to stderr, one line for each event."""

    async def on_broker_client_connected(self, *, client_id: str, **_: object) -> None:
        self._say("connected", client_id)

    async def on_broker_client_disconnected(self, *, client_id: str, **_: object) -> None:
        self._say("disconnected", client_id)

    async def on_broker_message_received(self, *, client_id: str, message: Any, **_: object) -> None:
        self._say("received", client_id, message.topic)

    async def on_broker_client_subscribed(self, *, client_id: str, topic: str, **_: object) -> None:
        self._say("subscribed", client_id, topic)

    def _say(self, *words: str) -> None:
        print("witness", *words, file=sys.stderr, flush=True)
