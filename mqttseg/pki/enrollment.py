"""Enrolment lists: a CSV file of devices, read whole and checked before anything is issued.

The first line names the columns: ``id``, and if wanted ``days`` and ``key_type``. Owns reading it, with every
error's file:line:column in one run. Refuses to know the authority: who is enrolled already is passed in.
"""

from __future__ import annotations

import csv
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mqttseg.errors import ConfigurationError, Problem, Source
from mqttseg.pki.bundle import complaint
from mqttseg.pki.identity import DEVICE_ID
from mqttseg.pki.keys import KeyType
from mqttseg.pki.shapes import DEVICE_DAYS, MAX_DAYS

_COLUMNS = ("id", "days", "key_type")
_REMEDY = "give a CSV file in UTF-8 whose first line is `id`, `id,days` or `id,days,key_type`"


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One device to enrol."""

    device_id: str
    days: int
    key_type: KeyType
    source: Source


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    source: Source


def read_enrollments(path: Path) -> tuple[Enrollment, ...]:
    """Every device of the list, in its order. Raises ConfigurationError with every problem of the file."""
    problems: list[Problem] = []
    rows = _rows(path, problems)
    header = next(rows, [])
    problems += _header_problems(path, header)
    if problems:
        raise ConfigurationError(problems)
    columns = [cell.text for cell in header]
    first: dict[str, Source] = {}
    found = [_enrollment(dict(zip(columns, row, strict=False)), row, len(columns), first, problems) for row in rows]
    enrollments = tuple(item for item in found if item is not None)
    if problems:
        raise ConfigurationError(problems)
    if not enrollments:
        raise complaint(path, "lists no device", "add one device id per line")
    return enrollments


def enrolled_problems(enrollments: tuple[Enrollment, ...], enrolled: Container[str]) -> list[Problem]:
    """A problem for every device of the list that holds a valid certificate already."""
    remedy = "remove the line, or give --skip-existing to issue only what is missing"
    return [
        Problem(item.source, f"{item.device_id} is enrolled already", remedy)
        for item in enrollments
        if item.device_id in enrolled
    ]


def _rows(path: Path, problems: list[Problem]) -> Iterator[list[_Cell]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise complaint(path, f"cannot be read: {error.strerror}", _REMEDY) from error
    except UnicodeDecodeError as error:
        raise complaint(path, "is not UTF-8", _REMEDY) from error
    for number, line in enumerate(text.split("\n"), 1):
        start = Source(str(path), number, 1)
        try:
            if line.strip():
                yield list(_cells(line.rstrip("\r"), start))
        except csv.Error as error:
            problems.append(Problem(start, f"is not CSV: {error}", "close every quote on its own line"))


def _cells(line: str, start: Source) -> Iterator[_Cell]:
    for text, column in zip(next(csv.reader([line], strict=True)), _starts(line), strict=False):
        yield _Cell(text.strip(), replace(start, column=column))


def _starts(line: str) -> Iterator[int]:
    """The 1-based columns where the cells of a line begin."""
    quoted = False
    yield 1
    for column, character in enumerate(line, 1):
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            yield column + 1


def _header_problems(path: Path, header: list[_Cell]) -> list[Problem]:
    names = [cell.text for cell in header]
    problems = [
        Problem(cell.source, f"{cell.text!r} is not a column", "use id, days and key_type")
        for cell in header
        if cell.text not in _COLUMNS
    ]
    problems += [
        Problem(cell.source, f"the column {cell.text} appears twice", "remove one")
        for place, cell in enumerate(header)
        if cell.text in names[:place]
    ]
    if "id" not in names:
        problems.append(Problem(Source(str(path), 1, 1), "the column id is missing", _REMEDY))
    return problems


def _enrollment(
    cells: Mapping[str, _Cell], row: list[_Cell], width: int, first: dict[str, Source], problems: list[Problem]
) -> Enrollment | None:
    before = len(problems)
    if len(row) != width:
        place = row[min(len(row), width + 1) - 1].source
        problems.append(Problem(place, f"{len(row)} values for {width} columns", "give one value per column"))
        return None
    device_id = _checked_id(cells["id"], first, problems)
    days = _checked_days(cells.get("days"), problems)
    key_type = _checked_key_type(cells.get("key_type"), problems)
    return Enrollment(device_id, days, key_type, cells["id"].source) if len(problems) == before else None


def _checked_id(cell: _Cell, first: dict[str, Source], problems: list[Problem]) -> str:
    if DEVICE_ID.fullmatch(cell.text) is None:
        remedy = "use 1 to 64 of A-Z a-z 0-9 . _ : - beginning with a letter or digit"
        problems.append(Problem(cell.source, f"{cell.text[:100]!a} is not a device id", remedy))
    elif cell.text in first:
        problems.append(
            Problem(cell.source, f"{cell.text} appears twice, first in line {first[cell.text].line}", "remove one")
        )
    else:
        first[cell.text] = cell.source
    return cell.text


def _checked_days(cell: _Cell | None, problems: list[Problem]) -> int:
    if cell is None or not cell.text:
        return DEVICE_DAYS
    if cell.text.isascii() and cell.text.isdigit() and len(cell.text) < 9 and 1 <= int(cell.text) <= MAX_DAYS:
        return int(cell.text)
    problems.append(Problem(cell.source, f"{cell.text[:100]!a} is not a number of days", f"give 1 to {MAX_DAYS}"))
    return DEVICE_DAYS


def _checked_key_type(cell: _Cell | None, problems: list[Problem]) -> KeyType:
    if cell is None or not cell.text:
        return KeyType.P256
    try:
        return KeyType(cell.text)
    except ValueError:
        known = ", ".join(KeyType)
        problems.append(Problem(cell.source, f"{cell.text[:100]!a} is not a key type", f"use one of {known}"))
        return KeyType.P256
