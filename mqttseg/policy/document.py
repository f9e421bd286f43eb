"""YAML text as plain values, each with the place where it was written.

Owns reading a file, YAML itself, and every way in which a file can fail to be *one tree of plain values*: bytes
that are not UTF-8, syntax, nothing in it, several documents, tags, duplicate keys, alias bombs, absurd nesting.
Refuses to know what any key means (schema.py). Nothing here raises for the contents of a file: what is wrong
becomes a Problem, and a tree with problems must never become a policy.

How an unquoted word becomes a number, a boolean or text is scalars.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

import yaml

from mqttseg.errors import Problem, Source
from mqttseg.policy.scalars import Scalar, is_ambiguous, kind_of, resolve

Value: TypeAlias = "Scalar | Mapping[str, Value] | Sequence[Value]"
Step: TypeAlias = str | int

MAX_DEPTH = 32
MAX_ALIASED = 10_000  # values that aliases may add: enough to share lists of members, far too few for a bomb
MAX_BYTES = 256 * 1024 * 1024

_Loader: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Node:
    """One value: a scalar, a mapping or a list of nodes. ``key`` is the place of its key, when it has one.

    ``text`` is a scalar as written. An alias keeps the place of the original, and shares its contents.
    """

    source: Source
    value: Scalar | dict[str, Node] | list[Node] = None
    text: str = ""
    key: Source | None = None
    size: int = field(default=1, repr=False)
    height: int = field(default=0, repr=False)

    @property
    def place(self) -> Source:
        """Where to point for this value as a whole: its key, if it has one."""
        return self.key or self.source

    @property
    def entries(self) -> dict[str, Node]:
        """The entries of a mapping, by key, in file order; none for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; none for anything else."""
        return self.value if isinstance(self.value, list) else []

    def child(self, step: Step) -> Node | None:
        if isinstance(step, str):
            return self.entries.get(step)
        return self.items[step] if 0 <= step < len(self.items) else None

    def plain(self) -> Value:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds. ``root`` is None when no tree could be read; then ``problems`` says why."""

    file: str
    root: Node | None
    problems: tuple[Problem, ...]


def read_document(path: Path) -> Document:
    """Read and parse one file. A file that cannot be read is a Problem like any other."""
    start = Source(str(path), 1, 1)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        return _failed(Problem(start, f"cannot read the file: {why}", "check its name, place and permissions"))
    if len(data) > MAX_BYTES:
        return _failed(
            Problem(start, f"the file is larger than {MAX_BYTES >> 20} MiB", "check that it is the right file")
        )
    try:
        return parse_document(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        return _failed(Problem(_position(str(path), before), "the file is not UTF-8 text", "save it as UTF-8"))


def parse_document(text: str, file: str) -> Document:
    """Parse YAML text. Never raises for its contents."""
    if bad := _UNPRINTABLE.search(text):
        what = f"the character U+{ord(bad.group()):04X} is not allowed in a YAML file"
        return _failed(Problem(_position(file, text[: bad.start()]), what, "remove it; is the file damaged?"))
    return _TreeBuilder(file).build(text)


def _failed(problem: Problem) -> Document:
    return Document(problem.source.file, None, (problem,))


def _position(file: str, before: str) -> Source:
    return Source(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


class _Mark(Protocol):
    """A position as PyYAML gives it, from either of its parsers: counted from 0."""

    line: int
    column: int


class _StopReadingError(Exception):
    """The rest of the file cannot be understood; the Problem is already recorded."""


class _TreeBuilder:
    """Builds nodes from YAML events, with its own stack: depth is bounded here, not by the interpreter's."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self.open: list[Node] = []  # the collections around the current event, outermost first
        self.keys: list[tuple[str | None, Source] | None] = []  # per open collection: the key that waits for its value
        self.anchors: dict[str, Node] = {}
        self.aliased = 0

    def build(self, text: str) -> Document:
        try:
            for event in self._events(text):
                self._take(event)
        except _StopReadingError:
            self.root = None
        if self.root is not None and self.root.value is None:  # nothing between --- and the end
            self.root = None
        if self.root is None and not self.problems:
            self._problem(
                Source(self.file, 1, 1), "the file is empty", "write its contents: nothing is allowed by leaving it out"
            )
        return Document(self.file, self.root, tuple(self.problems))

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=_Loader)
        except yaml.YAMLError as error:
            self._syntax(error)
        except ValueError as error:  # the pure Python scanner on "\U99999999"
            self._stop(Source(self.file, 1, 1), f"not valid YAML: {error}", "check the escapes in quoted text")

    def _syntax(self, error: yaml.YAMLError) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "syntax error"
        context = getattr(error, "context", None)
        detail = f"{what}, {context}" if context else what
        self._stop(self._at(mark), f"not valid YAML: {detail}", "check quotes, brackets and indentation here and above")

    def _at(self, mark: _Mark | None) -> Source:
        if mark is None:  # only in events that no parser makes
            return Source(self.file, 1, 1)
        return Source(self.file, mark.line + 1, mark.column + 1)

    def _problem(self, place: Source, what: str, remedy: str) -> None:
        self.problems.append(Problem(place, what, remedy))

    def _stop(self, place: Source, what: str, remedy: str) -> None:
        self._problem(place, what, remedy)
        raise _StopReadingError

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._start(event)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            self._stop(self._at(event.start_mark), "a second YAML document begins here", "keep one document per file")

    def _awaits_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].value, dict) and self.keys[-1] is None

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = self._at(event.start_mark)
        self._tag(event, place)
        text: str = event.value
        plain = event.implicit[0] and event.tag is None
        value = self._resolve(text, place) if plain else text
        if not plain and _UNPRINTABLE.search(text):
            self._problem(place, "the text holds a control character", "remove the escape that makes it")
        if self._awaits_key():
            self.keys[-1] = (self._key(value, text, place), place)
            return
        node = Node(place, value, text)
        self._anchor(event.anchor, node)
        self._attach(node)

    def _resolve(self, text: str, place: Source) -> Scalar:
        if is_ambiguous(text):
            what = f"{text} is a number that readers of YAML disagree about"
            self._problem(place, what, f'as text, write "{text}"; as a number, write plain decimals')
            return text
        return resolve(text)

    def _key(self, value: Scalar, text: str, place: Source) -> str | None:
        if text == "<<" and isinstance(value, str):
            self._problem(place, "merge keys (<<) are not supported", "write the keys out, or alias one whole value")
            return None
        if isinstance(value, str):
            return value
        self._problem(place, f"the key {text or 'here'} is {kind_of(value)}, not text", f'write "{text}" in quotes')
        return text

    def _start(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        place = self._at(event.start_mark)
        self._tag(event, place)
        if len(self.open) >= MAX_DEPTH:
            self._stop(place, f"nested deeper than {MAX_DEPTH} levels", "check the indentation and the brackets")
        if self._awaits_key():
            self._stop(
                place,
                "a list or a mapping stands where a key is wanted",
                "write KEY: VALUE; quote text that begins with [ or {",
            )
        node = Node(place, {} if isinstance(event, yaml.MappingStartEvent) else [])
        self._anchor(event.anchor, node)
        self._attach(node)
        self.open.append(node)
        self.keys.append(None)

    def _end(self) -> None:
        node = self.open.pop()
        self.keys.pop()
        if self.open:
            parent = self.open[-1]
            parent.size += node.size
            parent.height = max(parent.height, node.height + 1)

    def _attach(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        holder = self.open[-1]
        if isinstance(holder.value, list):
            holder.value.append(node)
            return
        waiting, self.keys[-1] = self.keys[-1], None
        if waiting and waiting[0] is not None:
            self._enter(holder.entries, waiting[0], waiting[1], node)

    def _enter(self, entries: dict[str, Node], key: str, place: Source, node: Node) -> None:
        if key in entries:
            first = entries[key].place.line
            self._problem(place, f"the key {key!r} is here twice (first in line {first})", "keep one of the two")
            return
        node.key = place
        entries[key] = node

    def _anchor(self, name: str | None, node: Node) -> None:
        if name is not None:
            self.anchors[name] = node

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._at(event.start_mark)
        target = self.anchors.get(event.anchor or "")
        if target is None:
            self._stop(
                place,
                f"the alias *{event.anchor} has no anchor above it",
                f'text that begins with * must be quoted: "*{event.anchor}"',
            )
        elif self._awaits_key():
            self._stop(place, "an alias stands where a key is wanted", "write the key out")
        elif any(node is target for node in self.open):
            self._stop(place, f"the alias *{event.anchor} contains itself", "write the value out")
        else:
            self._expand(target, place)

    def _expand(self, target: Node, place: Source) -> None:
        self.aliased += target.size
        if self.aliased > MAX_ALIASED or len(self.open) + target.height > MAX_DEPTH:
            self._stop(place, "aliases in this file expand to too much", "write the values out")
        if self.open:
            self.open[-1].size += target.size
            self.open[-1].height = max(self.open[-1].height, target.height + 1)
        self._attach(Node(target.source, target.value, target.text, None, target.size, target.height))

    def _tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, place: Source) -> None:
        if event.tag is not None:
            self._problem(place, f"the tag {event.tag!r} is not allowed", "remove it: plain values need no tags")
