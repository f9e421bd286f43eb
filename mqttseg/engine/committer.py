"""Group commit on a thread: the loop goes on while the disk works.

Owns the thread. While one batch is being stored the next one gathers, so that one fsync serves all that came
meanwhile. Refuses to know asyncio: ``post`` is how to get back on the engine's thread (``loop.call_soon_threadsafe``).
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import TypeAlias

from mqttseg.engine.journal import Journal, Rows
from mqttseg.engine.store import Store
from mqttseg.errors import MqttsegError

Post: TypeAlias = Callable[[Callable[[], None]], object]


class ThreadCommitter:
    """A ``Committer``: one batch at a time, the next as soon as the last is done. After a failure, the next tick."""

    def __init__(self, journal: Journal, store: Store, post: Post) -> None:
        self._journal = journal
        self._store = store
        self._post = post
        self._busy = False
        self._closed = False
        self._work: SimpleQueue[Rows | None] = SimpleQueue()
        self._outcomes: SimpleQueue[str | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="mqttseg-committer", daemon=True)
        self._thread.start()
        journal.committer = self

    def wake(self) -> None:
        """Take the batch in the next turn of the loop, with all that this turn adds."""
        self._post(self._take)

    def close(self) -> None:
        """Store what is noted, release what waits, and end the thread. Call on the engine's thread."""
        self._closed = True
        self._work.put(None)
        self._thread.join()
        self._done()
        commit_now(self._journal, self._store)

    def _take(self) -> None:
        if self._busy or self._closed:
            return
        rows = self._journal.take()
        if rows is not None:
            self._busy = True
            self._work.put(rows)

    def _run(self) -> None:
        while (rows := self._work.get()) is not None:
            self._outcomes.put(_store(self._store, rows))
            self._post(self._done)

    def _done(self) -> None:
        """The batch is stored or has failed; nothing when ``close`` was quicker."""
        if self._outcomes.empty():
            return
        failure = self._outcomes.get()
        self._busy = False
        if failure is None:
            self._journal.committed()
            self._take()
        else:
            self._journal.failed(failure)


def commit_now(journal: Journal, store: Store) -> None:
    """Store what is noted, and release what waits, before returning."""
    while (rows := journal.take()) is not None:
        failure = _store(store, rows)
        if failure is not None:
            journal.failed(failure)
            return
        journal.committed()


def _store(store: Store, rows: Rows) -> str | None:
    """None when the rows are stored, else why not."""
    try:
        store.commit(rows)
    except MqttsegError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # a thread's boundary: the engine must hear of it, whatever it is
        return f"{type(error).__name__}: {error}"
    return None
