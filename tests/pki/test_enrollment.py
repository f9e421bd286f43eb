"""Enrolment from CSV: all errors at once, nothing issued when there is one, and it can go on after a stop."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqttseg.errors import ConfigurationError, OperatorError
from mqttseg.pki.enrollment import read_enrollments
from mqttseg.pki.keys import KeyType
from tests.pki.forging import NOW, new_authority


def listed(directory: Path, text: str | bytes) -> Path:
    path = directory / "list.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaints(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as failed:
        read_enrollments(path)
    return [str(item).removeprefix(f"{path}:") for item in failed.value.problems]


def test_columns_may_stand_in_any_order_and_be_empty(tmp_path: Path) -> None:
    text = '\ufeffkey_type,id,days\r\n,thermo-1,\r\n\r\ned25519, "cam:1" ,30\r\nrsa2048,"x",7\r\n'
    found = read_enrollments(listed(tmp_path, text.replace(' "cam:1" ', " cam:1 ")))
    assert [(item.device_id, item.days, item.key_type) for item in found] == [
        ("thermo-1", 365, KeyType.P256),
        ("cam:1", 30, KeyType.ED25519),
        ("x", 7, KeyType.RSA2048),
    ]
    assert [(item.source.line, item.source.column) for item in found] == [(2, 2), (4, 9), (5, 9)]


def test_every_error_of_a_list_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    text = 'id,days,key_type\na b,30,p256\nok,0,p256\nok2,soon,dsa\nok,1,p256\nok3,1\nok4,1,p256,x\n"q,1,p256\n'
    told = complaints(listed(tmp_path, text))
    assert [item.split(":", 2)[:2] for item in told] == [
        ["2", "1"],
        ["3", "4"],
        ["4", "5"],
        ["4", "10"],
        ["5", "1"],
        ["6", "5"],
        ["7", "12"],
        ["8", "1"],
    ]
    assert "appears twice, first in line 3" in told[4]
    assert "3 columns" in told[5]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the column id is missing"),
        ("\n\n", "the column id is missing"),
        ("thermo-1\nthermo-2\n", "'thermo-1' is not a column"),
        ("days\n3\n", "the column id is missing"),
        ("id,id\na,b\n", "the column id appears twice"),
        ("id;days\na;3\n", "'id;days' is not a column"),
        ("id\n", "lists no device"),
        (b"id\n\xff\xfe\n", "is not UTF-8"),
    ],
)
def test_a_list_that_is_none_is_an_error(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert any(told in item for item in complaints(listed(tmp_path, text)))


def test_a_missing_list_is_an_error(tmp_path: Path) -> None:
    assert "cannot be read" in complaints(tmp_path / "none.csv")[0]


@given(st.one_of(st.text(max_size=60), st.text('id,day"\n\r\0key_typ -1', max_size=60).map("id,days\n".__add__)))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_list_or_our_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = listed(tmp_path_factory.mktemp("lists"), text.encode("utf-8", "surrogatepass"))
    try:
        assert read_enrollments(path)
    except ConfigurationError as failed:
        assert failed.problems  # noqa: PT017  # either outcome is right


def test_enrolling_issues_each_as_listed_and_reports_each(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    ids = [f"dev-{number}" for number in range(600)]
    path = listed(tmp_path, "id,days\n" + "".join(f"{device_id},30\n" for device_id in ids))
    issued = list(authority.enroll(authority.plan_enrollment(path)))
    assert [item.record.name for item in issued] == ids
    assert all(item.record.not_after == NOW + timedelta(days=30) for item in issued)
    assert len(list((authority.certs / "devices").iterdir())) == 1200
    assert {item.name for item in authority.list()} == set(ids)


def test_an_enrolled_device_in_the_list_stops_it_before_anything_is_issued(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    authority.issue("dev-2")
    path = listed(tmp_path, "id\ndev-1\ndev-2\ndev-3\n")
    with pytest.raises(ConfigurationError, match=r"list\.csv:3:1: dev-2 is enrolled already; .*--skip-existing"):
        authority.plan_enrollment(path)
    assert [item.name for item in authority.list()] == ["dev-2"]
    assert [item.device_id for item in authority.plan_enrollment(path, skip_existing=True)] == ["dev-1", "dev-3"]


def test_a_stopped_enrolment_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    path = listed(tmp_path, "id\n" + "".join(f"dev-{number}\n" for number in range(400)))
    first = list(islice(authority.enroll(authority.plan_enrollment(path)), 3))
    rest = list(authority.enroll(authority.plan_enrollment(path, skip_existing=True)))
    assert len(first) == 3
    assert len(authority.list()) == len({item.name for item in authority.list()}) == 400
    assert len(rest) < 400
    assert authority.plan_enrollment(path, skip_existing=True) == ()


def test_a_device_enrolled_meanwhile_stops_its_batch_whole(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    plan = authority.plan_enrollment(listed(tmp_path, "id\ndev-1\ndev-2\n"))
    authority.issue("dev-2")
    with pytest.raises(OperatorError, match="dev-2 holds a valid certificate"):
        list(authority.enroll(plan))
    assert [item.name for item in authority.list()] == ["dev-2"]
