"""The log of ``mqttseg run`` on stderr: lines for a person on a terminal, JSON off it.

Written by a thread: a pipe or terminal that does not take it holds up no device, and what does not fit meanwhile is
lost, and counted in the log itself. Refuses to know what is logged, but for events, whose fields are a line's own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from mqttseg.observe.backlog import Backlog
from mqttseg.observe.outlets import Line, as_fields

WAITING: Final = 20_000
"""Lines that may wait to be written."""

LAST_WORDS: Final = 5.0
"""Seconds that stderr has at the end for what waits."""

_SAID_BY_THE_COMMAND = "mqttseg.broker.plugin"  # why it cannot start, which under a stock amqtt nobody else says
_LOUD = ("amqtt", "transitions", "asyncio", "passlib")


@contextmanager
def logging_to_stderr() -> Iterator[None]:
    """Log to stderr until the end of the block, which waits for what was said last."""
    target = logging.StreamHandler(sys.stderr)
    target.setFormatter(_LineFormatter() if sys.stderr.isatty() else _JsonFormatter())
    writer = LogWriter(target)
    logging.basicConfig(level=logging.INFO, handlers=[writer], force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_SAID_BY_THE_COMMAND).disabled = True
    try:
        yield
    finally:
        logging.basicConfig(level=logging.INFO, handlers=[target], force=True)  # which closes the writer


class LogWriter(logging.Handler):
    """Hands records to ``target`` on a thread. ``lost``: those for which there was no room, and nobody was told yet."""

    def __init__(self, target: logging.Handler, waiting: int = WAITING) -> None:
        super().__init__()
        self._target = target
        self.lost = 0
        self._backlog = Backlog("mqttseg-log", self._write, waiting)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; never waits. Handlers have a lock of their own."""
        if not self._backlog.add(record):
            self.lost += 1

    def close(self) -> None:
        """Write what waits, if that does not take too long."""
        self._backlog.close(LAST_WORDS)
        self._tell_lost()
        super().close()

    def _write(self, record: logging.LogRecord) -> None:
        if self.lost:
            self._tell_lost()
        self._target.handle(record)

    def _tell_lost(self) -> None:
        lost, self.lost = self.lost, 0
        if lost:
            text = f"{lost} lines are missing hereabouts: stderr did not take them in time"
            self._target.handle(logging.LogRecord(__name__, logging.ERROR, __file__, 0, text, None, None))


class _LineFormatter(logging.Formatter):
    """Time, level if it is one to notice, text."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(mark)s%(message)s%(unmark)s", datefmt="%H:%M:%S")
        self._colors = {} if os.environ.get("NO_COLOR") else {logging.WARNING: "33", logging.ERROR: "31"}

    def format(self, record: logging.LogRecord) -> str:
        color = self._colors.get(min(record.levelno, logging.ERROR))
        record.mark, record.unmark = (f"\x1b[{color}m", "\x1b[0m") if color else ("", "")
        return super().format(record)


class _JsonFormatter(logging.Formatter):
    """One object a line. An event is one already: its fields stand beside those of every line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        told = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if isinstance(told, Line):
            return json.dumps(fields | as_fields(told.event, told.at))
        fields["message"] = record.getMessage()
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)
