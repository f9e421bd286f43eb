"""Filling in devices.yaml from what was seen or listed, without touching what somebody wrote.

Pure: text in, text out. Owns what may be filled in: an entry's missing keys, never a written one; and new entries only
from the operator's own list. What the network tells of unknown devices is listed, and makes nobody known.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mqttseg.errors import ConfigurationError, Problem, Source
from mqttseg.gateway.sightings import Sighting

_COLUMNS = ("device", "segment", "role", "interface", "port", "mac", "addresses", "model", "firmware")


@dataclass(slots=True)
class Import:
    """What an import found. ``text`` is the new devices.yaml; the rest is for the operator, a line each."""

    text: str
    added: list[str] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.added or self.filled)


def import_sightings(text: str, sightings: Iterable[Sighting]) -> Import:
    """Addresses for entries whose MAC address was seen. Entries that say ``learned``, or name their own, keep that."""
    inventory = _Inventory(text)
    by_mac = {str(entry.get("mac", "")).lower().replace("-", ":"): name for name, entry in inventory.entries()}
    seen: dict[str, list[str]] = {}
    for one in sightings:
        name = by_mac.get(one.mac)
        if name is None:
            inventory.result.unknown.append(f"{one.mac} {one.address} {one.name}".rstrip())
        elif not one.address.is_link_local and str(one.address) not in seen.setdefault(name, []):
            seen[name].append(str(one.address))
    for name, addresses in seen.items():
        inventory.fill(name, {"addresses": addresses})
    return inventory.finish()


def import_list(text: str, rows: Iterable[Mapping[str, str]]) -> Import:
    """The operator's own list, from ``read_list``: new devices are added, known ones get what their entry lacks."""
    inventory = _Inventory(text)
    for row in rows:
        values: dict[str, Any] = {key: value for key, value in row.items() if value and key != "device"}
        if "addresses" in values and values["addresses"] != "learned":
            values["addresses"] = values["addresses"].split()
        inventory.fill(row["device"], values, may_add=True)
    return inventory.finish()


def read_list(text: str, origin: str) -> Iterator[dict[str, str]]:
    """A CSV file whose first line names its columns, ``device`` and some of the keys of an entry.

    Several addresses are separated by spaces. Raises ConfigurationError with every problem.
    """
    lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    head = [cell.strip() for cell in lines[0]] if lines else []
    problems = list(_problems(head, lines[1:], origin))
    if problems:
        raise ConfigurationError(problems)
    for cells in lines[1:]:
        if any(cell.strip() for cell in cells):
            yield dict(zip(head, (cell.strip() for cell in cells), strict=True))


def _problems(head: Sequence[str], lines: Sequence[Sequence[str]], origin: str) -> Iterator[Problem]:
    columns = f"give a first line with device and any of: {', '.join(_COLUMNS[1:])}"
    if "device" not in head or len(set(head)) < len(head):
        yield Problem(Source(origin, 1, 1), "the first line does not name the columns", columns)
    for number, name in enumerate(head, 1):
        if name not in _COLUMNS:
            yield Problem(Source(origin, 1, number), f"there is no column {name!r}", columns)
    for at, cells in enumerate(lines, 2):
        if any(cell.strip() for cell in cells):
            if len(cells) != len(head):
                what = f"the line has {len(cells)} values for {len(head)} columns"
                yield Problem(Source(origin, at, 1), what, "give every column a value, or leave it empty")
            elif "device" in head and not cells[head.index("device")].strip():
                yield Problem(Source(origin, at, 1), "the line names no device", "give the device's id")


class _Inventory:
    """devices.yaml with its comments."""

    def __init__(self, text: str) -> None:
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.width = 4096
        self._root = self._yaml.load(text) or CommentedMap({"version": 1})
        if self._root.get("devices") is None:
            self._root["devices"] = CommentedMap()
        self._devices: CommentedMap = self._root["devices"]
        self.result = Import(text)

    def entries(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield from ((name, entry or {}) for name, entry in self._devices.items())

    def fill(self, name: str, values: Mapping[str, Any], *, may_add: bool = False) -> None:
        """Write what an entry lacks, and say what it has otherwise."""
        if name not in self._devices:
            if may_add:
                self._devices[name] = CommentedMap({key: _written(key, value) for key, value in values.items()})
                self.result.added.append(name)
            return
        if self._devices[name] is None:
            self._devices[name] = CommentedMap()
        entry = self._devices[name]
        for key, value in values.items():
            if key not in entry:
                entry[key] = _written(key, value)
                self.result.filled.append(f"{name}: {key} {_shown(value)}")
            elif not _is_same(key, entry[key], value):
                self.result.kept.append(f"{name}: {key} is {_shown(entry[key])}, not {_shown(value)}")

    def finish(self) -> Import:
        if self.result.changed:
            out = io.StringIO()
            self._yaml.dump(self._root, out)
            self.result.text = out.getvalue()
        return self.result


def _written(key: str, value: Any) -> Any:
    """Quoted where YAML would take it for something else: 02:00 for a number, 1.10 for 1.1."""
    if key in {"mac", "firmware"}:
        return DoubleQuotedScalarString(value)
    if isinstance(value, list):
        return [DoubleQuotedScalarString(item) if ":" in item else item for item in value]
    return value


def _is_same(key: str, had: Any, new: Any) -> bool:
    if key == "addresses":
        return had == "learned" or set(new) <= set(map(str, had if isinstance(had, list) else [had]))
    if key == "mac":
        return str(had).lower().replace("-", ":") == str(new).lower().replace("-", ":")
    return str(had) == str(new)


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
