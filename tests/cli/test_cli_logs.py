"""The log on stderr: written by a thread, so that whoever does not read it holds up nobody."""

from __future__ import annotations

import json
import logging
import threading

import pytest

from mqttseg.cli.logs import LogWriter, logging_to_stderr
from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.outlets import log_outlet


class Pipe(logging.Handler):
    """A target that takes nothing until it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str] = []
        self.reached = threading.Event()
        self.read = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.reached.set()
        assert self.read.wait(10)
        self.taken.append(record.getMessage())


def record(text: str) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text})


def test_a_pipe_that_nobody_reads_holds_up_nobody_and_what_is_lost_is_said() -> None:
    pipe = Pipe()
    writer = LogWriter(pipe, waiting=3)
    writer.emit(record("first"))
    assert pipe.reached.wait(10)
    for number in range(5):
        writer.emit(record(str(number)))
    pipe.read.set()
    writer.close()
    lost = "3 lines are missing hereabouts: stderr did not take them in time"
    assert pipe.taken == ["first", lost, "0", "1"]


def test_the_log_is_whole_when_the_block_ends_and_an_event_is_one_object_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        with logging_to_stderr():
            log_outlet(Event(Kind.DENY, Reason.NOT_GRANTED, device="cam-1", topic="a\nb"))
            logging.getLogger("mqttseg.x").error("told %s", "too")
    finally:
        root.handlers[:], root.level = before
        logging.getLogger("mqttseg.broker.plugin").disabled = False
    event, other = map(json.loads, capsys.readouterr().err.splitlines())
    assert (event["level"], event["logger"], event["device"], event["topic"]) == (
        "warning",
        "mqttseg.events",
        "cam-1",
        "a\nb",
    )
    assert (other["level"], other["message"]) == ("error", "told too")
