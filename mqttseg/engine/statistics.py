"""The broker's figures, as ``$SYS`` topics that MQTT users know.

Owns their names. Refuses to know how often they are published: the host passes them to ``Engine.publish``.
"""

from __future__ import annotations

from collections.abc import Iterator

from mqttseg.engine.engine import Engine


def system_topics(engine: Engine, uptime: float) -> Iterator[tuple[str, bytes]]:
    """(topic, payload) of each figure; ``uptime`` in seconds."""
    connected = sum(session.connected for session in engine.sessions.values())
    figures = {
        "uptime": f"{int(uptime)} seconds",
        "clients/connected": connected,
        "clients/disconnected": len(engine.sessions) - connected,
        "clients/total": len(engine.sessions),
        "subscriptions/count": sum(len(session.filters) for session in engine.sessions.values()),
        "retained messages/count": len(engine.retained),
        "store/messages/count": sum(session.owed for session in engine.sessions.values()),
        "publish/messages/received": engine.counters.received,
        "publish/messages/sent": engine.counters.sent,
        "publish/messages/dropped": engine.losses.total,
    }
    for name, value in figures.items():
        yield f"$SYS/broker/{name}", str(value).encode()
