"""The demo's broker: ``mqttseg run`` in a process of its own, and the events that it logs."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from mqttseg.demo.site import HOST, DemoSite
from mqttseg.errors import OperatorError

Event = Mapping[str, Any]
"""An event as the broker wrote it: JSON."""

_EVENTS = "mqttseg.events"
_READY = "mqttseg ready "
_START = 60.0
_STOP = 15.0


class DemoBroker:
    """A running broker. What it says is read by a thread as it comes, so that nothing has to be polled."""

    def __init__(self, process: subprocess.Popen[str], lines: IO[str]) -> None:
        self._process = process
        self._lines = lines
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._said: list[str] = []
        self._port: int | None = None
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="what the broker says", daemon=True)
        self._reader.start()

    @property
    def port(self) -> int:
        """Where it listens. OperatorError when it ended instead, with what it said."""
        if not self.is_up() or self._port is None:
            raise OperatorError("the broker did not start: " + " ".join(self._said[-5:]))
        return self._port

    def is_up(self) -> bool:
        """Whether it accepts connections, or else has ended; waits for either."""
        with self._changed:
            self._changed.wait_for(lambda: self._port is not None or self._ended, _START)
            return self._port is not None

    def mark(self) -> int:
        """Now, as a place among the events."""
        with self._changed:
            return len(self._events)

    def wait_for(self, mark: int, matches: Callable[[Event], bool], patience: float) -> Event | None:
        """The first event since ``mark`` that matches; None when there is none in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or any(map(matches, self._events[mark:])), patience)
            return next(filter(matches, self._events[mark:]), None)

    def follow(self, mark: int) -> Iterator[Event]:
        """Every event since ``mark``, as it happens, until the broker ends."""
        while True:
            with self._changed:
                while len(self._events) <= mark and not self._ended:
                    self._changed.wait(1.0)  # a bound, so that Ctrl-C gets its turn
                if len(self._events) <= mark:
                    return
                event = self._events[mark]
            mark += 1
            yield event

    def stop(self) -> None:
        """End it as an operator would, by force only when it does not."""
        self._process.terminate()
        try:
            self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_STOP)

    def _read(self) -> None:
        with self._lines as lines:
            for line in lines:
                self._take(line.rstrip("\n"))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, line: str) -> None:
        event = _event(line)
        with self._changed:
            if line.startswith(_READY):
                self._port = int(line.split()[2].rsplit(":", 1)[1])
            elif event is not None:
                self._events.append(event)
            else:
                self._said.append(line)
            self._changed.notify_all()


def _event(line: str) -> Event | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and told.get("logger") == _EVENTS else None


@contextmanager
def running_broker(site: DemoSite, port: int) -> Iterator[DemoBroker]:
    """The site's broker on this port of loopback (0: a free one). Stopped at the end."""
    process = subprocess.Popen(  # noqa: S603  # our own command
        site.command("run", "--listen", f"mqtts://{HOST}:{port}"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C on the terminal is for the demo, which then stops the broker
    )
    assert process.stderr is not None  # noqa: S101  # a pipe, as asked for above
    broker = DemoBroker(process, process.stderr)
    try:
        yield broker
    finally:
        broker.stop()
