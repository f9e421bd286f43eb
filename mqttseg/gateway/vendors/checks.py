"""What must hold before aerleon is asked, because it would not complain.

Each check is for a mistake of aerleon 1.18: terms of one name are merged, names are written as they are, an unknown
keyword is a warning and the rule gets wider, ``mixed`` doubles rules. A failure here is a bug of ours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from mqttseg.errors import InternalError

_NAME = re.compile(r"mqttseg[a-z0-9-]{1,24}", re.ASCII)  # a prefix that is nobody's keyword, and no leading digit
_KEYWORDS = frozenset(
    {"name", "comment", "action", "source-address", "destination-address", "protocol"}
    | {"source-port", "destination-port", "option", "icmp-type", "logging"}
)
_ACTIONS = {"accept", "deny"}


class Header(TypedDict):
    """Options by target."""

    targets: dict[str, str]
    comment: str


class AskedFilter(TypedDict):
    """A filter in aerleon's words."""

    header: Header
    terms: list[dict[str, str]]


def check(filters: Sequence[AskedFilter]) -> None:
    """Raise InternalError unless aerleon may be asked to write these filters."""
    if found := list(_mistakes(filters)):
        raise InternalError(f"aerleon was to be asked for rules that it would get wrong: {'; '.join(found)}")


def _mistakes(filters: Sequence[AskedFilter]) -> Iterator[str]:
    names: Counter[str] = Counter()
    for one in filters:
        terms = one["terms"]
        yield from _header_mistakes(one["header"])
        for term in terms:
            names[term.get("name", "")] += 1
            yield from _term_mistakes(term)
        if not terms or set(terms[-1]) - {"name", "comment", "action", "logging"} or terms[-1]["action"] != "deny":
            yield "a filter does not end with a term that drops everything"
    yield from (f"{count} terms are called {name}" for name, count in names.items() if count > 1)


def _header_mistakes(header: Header) -> Iterator[str]:
    for target, options in header["targets"].items():
        if "mixed" in options.split():
            yield f"{target} is asked for both IP versions in one filter"


def _term_mistakes(term: Mapping[str, str]) -> Iterator[str]:
    name = term.get("name", "")
    if not _NAME.fullmatch(name):
        yield f"{name!r} is no name for a term"
    if unknown := sorted(set(term) - _KEYWORDS):
        yield f"{name} has the unknown keyword {', '.join(unknown)}"
    if term.get("action") not in _ACTIONS:
        yield f"{name} has no action"
    if empty := sorted(key for key, value in term.items() if not value):
        yield f"{name} has nothing in {', '.join(empty)}, which would be anybody"
    if term.get("action") == "accept" and not term.get("protocol"):
        yield f"{name} permits every protocol"
