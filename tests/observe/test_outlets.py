"""Events as text and JSON, and the audit file."""

from __future__ import annotations

import errno
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mqttseg.errors import OperatorError, Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.outlets import as_json, as_text, standard_outlets

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOSTILE = Event(
    Kind.DENY, Reason.OUTSIDE_SEGMENT, device="cam-1", action="publish", topic="a\n\x1b[31mb", detail="x\r\ny"
)


def test_json_is_one_line_and_leaves_out_what_is_empty() -> None:
    line = as_json(HOSTILE, NOON)
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line) == {
        "time": "2026-11-22T12:00:00.000+00:00",
        "kind": "deny",
        "reason": "outside-segment",
        "device": "cam-1",
        "action": "publish",
        "topic": "a\n\x1b[31mb",
        "count": 1,
        "detail": "x\r\ny",
    }


def test_text_escapes_what_a_peer_sent() -> None:
    text = as_text(HOSTILE)
    assert text.isprintable()
    assert "cam-1" in text


def test_text_says_who_did_it_and_why() -> None:
    text = as_text(Event(Kind.QUARANTINE, Reason.OK, device="cam-1", who="ada", why="stolen\n", detail="for 1h"))
    assert "who=ada" in text
    assert "- stolen\\n  - for 1h" in text


def test_audit_file_is_complete_after_close_and_only_its_owners_to_read(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.jsonl"
    outlets = standard_outlets(path, keep_days=90)
    for topic in ("a", "b", "b"):
        outlets(Event(Kind.DENY, Reason.NOT_GRANTED, device="d", topic=topic))
    outlets.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["topic"], line["count"]) for line in lines] == [("a", 1), ("b", 1), ("b", 1)]
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_denied_topics_of_65535_bytes_fill_no_disk(tmp_path: Path) -> None:
    """Two hundred of them in ten seconds were told whole, each a line of up to 390 KB, and ten thousand could wait."""
    path = tmp_path / "audit.jsonl"
    outlets = standard_outlets(path, keep_days=90)
    for number in range(300):
        topic = f"{number}" + "\x01" * 65_000
        outlets(Event(Kind.DENY, Reason.NOT_GRANTED, device="d", topic=topic))
        outlets(Event(Kind.REFUSE, Reason.WILL_NOT_GRANTED, device="d", detail=f"will on {topic!r}"))
    outlets.close()
    assert path.stat().st_size < 210 * 7000
    assert json.loads(path.read_text().splitlines()[0])["topic"].startswith("0\x01\x01")


@pytest.mark.parametrize("place", ["file/audit.jsonl", "file/state/audit.jsonl", "directory"])
def test_an_audit_file_that_cannot_be_opened_is_the_operators_to_mend(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    with pytest.raises(OperatorError, match=r"audit: file:") as caught:
        standard_outlets(tmp_path / place, keep_days=90)
    assert str(tmp_path / place) in str(caught.value)


def test_a_disk_that_refuses_is_told_once_and_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    outlets = standard_outlets(tmp_path / "audit.jsonl", keep_days=90)
    monkeypatch.setattr("mqttseg.observe.outlets._PrivateFile.flush", refuse)
    for topic in ("a", "b", "c"):
        outlets(Event(Kind.DENY, Reason.NOT_GRANTED, device="d", topic=topic))
    outlets.close()
    told = [record.getMessage() for record in caplog.records if record.name == "mqttseg.audit"]
    assert len(told) == 1
    assert "No space left on device" in told[0]
    assert "Traceback" not in capfd.readouterr().err
