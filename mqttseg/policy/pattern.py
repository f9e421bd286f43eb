"""Filters of the policy as patterns: filters whose levels may hold ``${device}``.

Owns parsing ``${device}`` and ``${segment}``, and what one level stands for. Refuses to know unions of
patterns (trie.py), rights and decisions. A pattern is a tuple of levels; a level is a plain string ("+" and
"#" with their usual meaning) or a ``Template``, which stands either for the one device whose rights are asked
(``segment`` is None) or for every member of a segment (namespaces and conduit topics). Each ``Template`` level
of a segment stands for any member by itself, also when a pattern has two of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, product

from mqttseg.policy.membership import Members
from mqttseg.policy.topics import ANY_LEVEL, has_no_parent
from mqttseg.policy.words import LONGEST_ID, Tokens, id_tokens, words

DEVICE = "${device}"
SEGMENT = "${segment}"
_TRIES = 1_000  # words to look at for a common level of two different templates


@dataclass(frozen=True, slots=True)
class Template:
    """A level with ``${device}`` in it, cut at each occurrence: ``a-${device}`` is ``("a-", "")``."""

    parts: tuple[str, ...]
    segment: str | None = None

    def of(self, device_id: str) -> str:
        """The level as it is for one device."""
        return device_id.join(self.parts)

    def holds(self, level: str, membership: Members) -> bool:
        """Whether a member's level is this one (for templates of a segment)."""
        cut = cut_level(tuple(map(len, self.parts)), level)
        return cut is not None and cut[0] == self.parts and membership.segment_of(cut[1]) == self.segment


Level = str | Template
Pattern = tuple[Level, ...]


def parse_pattern(text: str, *, owner: str, device: str | None = None) -> Pattern:
    """A filter as written, in segment ``owner``. ``device``: the segment whose members ``${device}`` stands for."""
    return tuple(
        Template(tuple(level.split(DEVICE)), device) if DEVICE in level else level
        for level in text.replace(SEGMENT, owner).split("/")
    )


def namespace_pattern(text: str, *, owner: str) -> Pattern:
    """All topics of a namespace: the prefix as written and everything below it."""
    pattern = parse_pattern(text, owner=owner, device=owner)
    return pattern if pattern[-1] == "#" else (*pattern, "#")


def bind(pattern: Pattern, device_id: str) -> Pattern:
    """The pattern with the one device's levels filled in; members of segments stay templates."""
    return tuple(
        level if isinstance(level, str) or level.segment is not None else level.of(device_id) for level in pattern
    )


def begins_with_dollar(level: Level) -> bool:
    """Whether a first level is one that wildcards never stand for [MQTT-4.7.2-1]."""
    text = level if isinstance(level, str) else level.parts[0]
    return text[:1] == "$"


def cut_level(lengths: tuple[int, ...], level: str) -> tuple[tuple[str, ...], str] | None:
    """The level as (texts of these lengths, the id that stands between them each time), or None.

    The lengths alone fix the id, so no search is needed.
    """
    size, odd = divmod(len(level) - sum(lengths), len(lengths) - 1)
    if size <= 0 or odd:
        return None
    parts, at = [], 0
    for length in lengths:
        parts.append(level[at : at + length])
        at += length + size
    device_id = level[lengths[0] : lengths[0] + size]
    return (tuple(parts), device_id) if device_id.join(parts) == level else None


def common_level(a: Level, b: Level, membership: Members) -> Level | None:
    """What two levels (not "#", no unbound template) both stand for, or None.

    Exact, but for templates with different texts around their ids: one common example, if one is found.
    """
    if isinstance(a, str) and isinstance(b, str):
        return b if a == "+" else a if b in ("+", a) else None
    if isinstance(a, str):
        return _common_mixed(a, b, membership) if isinstance(b, Template) else None
    return _common_mixed(b, a, membership) if isinstance(b, str) else _common_template(a, b, membership)


def example(pattern: Pattern, membership: Members) -> str:
    """A topic of the pattern. Its templates are of segments that have members."""
    levels = [_example_level(level, membership) for level in pattern]
    if levels[-1] == "#":
        levels[-1:] = [ANY_LEVEL] if has_no_parent(levels[:-1]) else []
    return "/".join(levels)


def examples_of(template: Template, membership: Members) -> Iterator[str]:
    """Levels that the template stands for: of every named member, and many of each glob's."""
    if template.segment is None:
        return
    yield from map(template.of, membership.ids(template.segment))
    for ids in membership.by_globs(template.segment):
        yield from map(template.of, islice(ids, _TRIES))


def _common_mixed(text: str, template: Template, membership: Members) -> Level | None:
    if text == "+":
        return template if template.segment and membership.any_member(template.segment) else None
    return text if template.holds(text, membership) else None


def _example_level(level: Level, membership: Members) -> str:
    if isinstance(level, str):
        return ANY_LEVEL if level == "+" else level
    member = membership.any_member(level.segment or "")
    return level.of(member or ANY_LEVEL)


def _common_template(a: Template, b: Template, membership: Members) -> Level | None:
    if a.parts == b.parts:  # no device is in two segments
        return a if a.segment == b.segment and membership.any_member(a.segment or "") else None
    named = (x.of(i) for x in (a, b) for i in membership.ids(x.segment or ""))
    globs = product(_tokens(a, membership), _tokens(b, membership))
    longest = max(sum(map(len, x.parts)) + LONGEST_ID * (len(x.parts) - 1) for x in (a, b))
    found = chain(named, *(islice(words(one, other, longest), _TRIES) for one, other in globs))
    return next((level for level in found if a.holds(level, membership) and b.holds(level, membership)), None)


def _tokens(template: Template, membership: Members) -> Iterator[Tokens]:
    """The template's levels for all ids of its segment's globs, and more when it holds the id twice."""
    first, *rest = template.parts
    for glob in membership.globs(template.segment or ""):
        for filled in id_tokens(glob):
            yield tuple(chain(first, *(chain(filled, part) for part in rest)))
