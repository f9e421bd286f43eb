"""What the kernel holds besides, or instead of, what the policy says.

Owns comparing two listings of nft, object by object: elements of sets in any order, rules of chains in theirs. Pure;
what changes by itself (counts, and the sets that rules fill) is left out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

_FILLED_BY_RULES = re.compile(r"set newrate[46]$")
_COUNTS = re.compile(r"packets \d+ bytes \d+")


@dataclass(frozen=True, slots=True)
class Drift:
    """One line that should not be there, or should be and is not."""

    where: str  # such as ``inet mqttseg map dev4``
    line: str
    missing: bool

    def __str__(self) -> str:
        return f"{'-' if self.missing else '+'} {self.where}: {self.line}"


def differences(expected: str, live: str) -> list[Drift]:
    """How the live listing differs from the expected one."""
    should, does = _objects(expected), _objects(live)
    found: list[Drift] = []
    for where in dict.fromkeys([*should, *does]):
        found += _of_object(where, should.get(where), does.get(where))
    return found


def _of_object(where: str, should: list[str] | None, does: list[str] | None) -> Iterator[Drift]:
    if should is None or does is None:
        yield Drift(where, "the whole of it", missing=does is None)
        return
    for line in difflib.ndiff(should, does) if should != does else ():
        if line[:2] in {"- ", "+ "}:
            yield Drift(where, line[2:], missing=line[0] == "-")


def _objects(listing: str) -> dict[str, list[str]]:
    """The lines of every object by its name; elements sorted, one a line."""
    found: dict[str, list[str]] = {}
    table = where = ""
    elements: list[str] | None = None
    for raw in listing.splitlines():
        line = raw.strip()
        if elements is not None:
            elements.append(line)
        elif line.startswith("elements = {"):
            elements = [line.removeprefix("elements = {")]
        elif raw.startswith("table "):
            table = where = raw.removeprefix("table ").removesuffix(" {")
            found[table] = []
        elif line.endswith("{") and raw.startswith("\t") and not raw.startswith("\t\t"):
            where = f"{table} {line.removesuffix(' {')}"
            found[where] = []
        elif line not in {"}", ""} and not _COUNTS.fullmatch(line):
            found[where].append(line)
        if elements is not None and elements[-1].endswith("}"):
            if not _FILLED_BY_RULES.search(where):
                found[where] += sorted(_split(" ".join(elements).removesuffix("}")))
            elements = None
    return found


def _split(elements: str) -> Iterator[str]:
    return (element.strip() for element in elements.split(",") if element.strip())
