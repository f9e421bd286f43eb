"""MQTT itself: sessions, QoS flows, subscriptions, retained messages, offline queues.

Owns the server side of MQTT 3.1.1 past the wire: who gets which message, at which QoS, in which order, and what
survives a connection or a restart. Sans-I/O: packets come in by ``Connection.receive``, packets go out by
``Outbox.send``, time is a parameter, and only ``store`` touches a file. Refuses to know identities, policy, sockets,
asyncio and amqtt; what it is given has been judged already, and what it sends is judged again behind its back.
"""

from mqttseg.engine.connection import Connection
from mqttseg.engine.engine import Engine
from mqttseg.engine.events import EngineEvent
from mqttseg.engine.session import Outbox, Session
from mqttseg.engine.settings import Drop, Durability, EngineSettings

__all__ = ["Connection", "Drop", "Durability", "Engine", "EngineEvent", "EngineSettings", "Outbox", "Session"]
