"""Topic names and topic filters of MQTT 3.1.1: legal, matching, contained, common.

Owns the algebra of single filters, exact over all legal topics. Refuses to know segments, devices,
``${device}`` (pattern.py) and unions of filters (trie.py).

Three facts that make the algebra exact:
- a wildcard at the first level never stands for a level that begins with ``$`` [MQTT-4.7.2-1];
- ``#`` also stands for its parent level [MQTT-4.7.1-2], so ``a/#`` matches ``a``;
- the empty topic is not a topic [MQTT-4.7.3-1], so ``#`` equals ``+/#``, and ``/#`` equals ``/+/#``.
"""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 65_535  # UTF-8 bytes [MQTT-4.7.3-3]
ANY_LEVEL = "x"  # what a witness puts where a wildcard stands


def topic_problem(topic: str) -> str | None:
    """What makes ``topic`` illegal as a topic name, as the end of a sentence ("holds ..."), or None."""
    if "+" in topic or "#" in topic:
        return "holds a wildcard (+ or #)"
    return _text_problem(topic)


def filter_problem(filter: str) -> str | None:  # noqa: A002  (MQTT's own word)
    """What makes ``filter`` illegal as a topic filter, as the end of a sentence ("holds ..."), or None."""
    if ("+" in filter or "#" in filter) and (problem := _wildcard_problem(filter.split("/"))):
        return problem
    return _text_problem(filter)


def matches(filter: str, topic: str) -> bool:  # noqa: A002  (MQTT's own word)
    """Whether a legal filter matches a legal topic."""
    return matches_levels(filter.split("/"), topic.split("/"))


def matches_levels(wanted: Sequence[str], levels: Sequence[str]) -> bool:
    """``matches`` for whoever keeps filters taken apart: the levels of a filter, and those of a topic."""
    if levels[0].startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at == len(levels) or level not in ("+", levels[at]):
            return False
    return len(wanted) == len(levels) or (len(wanted) == len(levels) + 1 and wanted[-1] == "#")


def contains(outer: str, inner: str) -> bool:
    """Whether ``outer`` matches every topic that ``inner`` matches."""
    if inner.startswith("$") and outer[0] in "+#":
        return False
    wide, narrow = outer.split("/"), inner.split("/")
    for at, level in enumerate(narrow):
        if at == len(wide):
            return False
        if wide[at] == "#":
            return True
        if level == "#":
            return wide[at:] == ["+", "#"] and has_no_parent(narrow[:at])
        if wide[at] not in ("+", level):
            return False
    return len(wide) == len(narrow) or wide[len(narrow)] == "#"


def intersect(a: str, b: str) -> str | None:
    """The filter of exactly the topics that both filters match (one filter always suffices), or None."""
    if (a[0] == "$" and b[0] in "+#") or (b[0] == "$" and a[0] in "+#"):
        return None
    left, right = a.split("/"), b.split("/")
    common: list[str] = []
    for one, other in zip(left, right, strict=False):
        if "#" in (one, other):
            return "/".join(common + (right if one == "#" else left)[len(common) :])
        if one != other and "+" not in (one, other):
            return None
        common.append(other if one == "+" else one)
    rest = left[len(right) :] or right[len(left) :]  # what the longer one still asks for
    return None if rest not in ([], ["#"]) or has_no_parent(common) else "/".join(common)


def witness(filter: str) -> str:  # noqa: A002  (MQTT's own word)
    """A topic that the legal filter matches."""
    levels = filter.split("/")
    if levels[-1] == "#":
        levels[-1:] = [ANY_LEVEL] if has_no_parent(levels[:-1]) else []
    return "/".join(ANY_LEVEL if level == "+" else level for level in levels)


def has_no_parent(levels: Sequence[object]) -> bool:
    """Whether the levels before a ``#`` spell no topic: there are none, or one empty one."""
    return len(levels) < 2 and (not levels or levels[0] == "")


def _text_problem(text: str) -> str | None:
    if not text:
        return "is empty"
    if "\0" in text:
        return "holds U+0000"
    if text.isascii():
        return None if len(text) <= LONGEST else f"is longer than {LONGEST} bytes"
    return _utf8_problem(text)


def _utf8_problem(text: str) -> str | None:
    """[MQTT-1.5.3-1]: no surrogates; the length counts bytes, not characters."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "holds half a surrogate pair"
    return None if size <= LONGEST else f"is longer than {LONGEST} bytes"


def _wildcard_problem(levels: list[str]) -> str | None:
    if "#" in levels[:-1]:
        return "has levels after #"
    if any(len(level) > 1 and ("+" in level or "#" in level) for level in levels):
        return "has a wildcard beside other text in one level"
    return None
