"""An engine with its store and the thread that commits: opened together, closed together.

Owns where sessions are kept and which of mqttseg.yaml's numbers the engine keeps to. Refuses to know amqtt.
"""

from __future__ import annotations

import asyncio

from mqttseg.config import Config
from mqttseg.engine.committer import ThreadCommitter
from mqttseg.engine.engine import Engine
from mqttseg.engine.events import Listener
from mqttseg.engine.settings import Drop, Durability, EngineSettings
from mqttseg.engine.store import Store

STATE_FILE = "sessions.db"


class StoredEngine:
    """The engine of a site; ``close`` when nobody uses it any more, or the next one cannot open its file."""

    def __init__(self, engine: Engine, store: Store | None, committer: ThreadCommitter | None) -> None:
        self.engine = engine
        self._store = store
        self._committer = committer

    @classmethod
    def open(cls, config: Config, listener: Listener, session_expiry: float | None = None) -> StoredEngine:
        """Open the state of the site, and take up where the last run was cut off. Call on the loop's thread.

        Raises:
            OperatorError: sessions cannot be kept there: disk full, file corrupt, or in use by another broker.
        """
        settings = EngineSettings(
            durability=Durability(config.durability.value),
            queue_messages=config.limits.queue,
            drop=Drop.OLDEST,  # as behind stock amqtt: what a device missed long ago is worth least
            retained_messages=config.limits.retained,
            retained_share=config.limits.retained_bytes_per_device,
            session_expiry=session_expiry,
        )
        loop = asyncio.get_running_loop()
        if settings.durability is Durability.OFF:
            engine = Engine(settings, None, listener)
            engine.replayer.later = loop.call_soon
            return cls(engine, None, None)
        store = Store.open(config.state / STATE_FILE, fsync=settings.durability is Durability.COMMIT)
        try:
            engine = Engine(settings, store, listener)
            engine.replayer.later = loop.call_soon
            return cls(engine, store, ThreadCommitter(engine.journal, store, loop.call_soon_threadsafe))
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Commit what is noted, and let go of the file. Once more does nothing."""
        if self._committer is not None:
            self._committer.close()
            self._committer = None
        if self._store is not None:
            self._store.close()
            self._store = None
