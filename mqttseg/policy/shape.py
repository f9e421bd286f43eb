"""A parsed file against the shape it should have: every misfit a Problem in our own words.

Owns the translation of pydantic's errors, and carrying on after them: what does not fit is cut from the tree and
remembered, so that the rest can be checked in the same run, and checks that would need what was cut can hold their
tongue. Refuses to know the keys of any file: the models come from schema.py and config.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mqttseg.errors import Problem, Source
from mqttseg.policy.document import Node, Step, Value
from mqttseg.policy.fields import MISFIT
from mqttseg.policy.scalars import kind_of
from mqttseg.policy.schema import JsonSchema, Keys, json_schema

ModelT = TypeVar("ModelT", bound=Keys)
_PASSES = 6  # a pass can uncover what only a fitting value shows; nothing needs more than three
_WANTED: Mapping[str, tuple[str, str]] = {
    "list_type": ("a list", "write [A, B], or one item per line after a dash"),
    "dict_type": ("a mapping", "write KEY: VALUE"),
    "model_type": ("a mapping", "write KEY: VALUE"),
    "model_attributes_type": ("a mapping", "write KEY: VALUE"),
    "int_type": ("a whole number", "write digits without quotes"),
    "int_from_float": ("a whole number", "write digits without a decimal point"),
    "float_type": ("a number", "write digits without quotes"),
    "finite_number": ("a finite number", "write a smaller one"),
    "union_tag_not_found": ("text or a mapping", "see the reference of this key"),
    "union_tag_invalid": ("text or a mapping", "see the reference of this key"),
}


@dataclass(slots=True)
class Fitted(Generic[ModelT]):
    """What fits of a file. ``model`` and ``node`` have the same structure; both lack what was cut.

    ``model`` is None only when nothing could be saved. With any problem at all it must never be used.
    """

    model: ModelT | None
    node: Node
    problems: list[Problem] = field(default_factory=list)
    cut: set[tuple[int, str]] = field(default_factory=set)  # id of a mapping's node, and the key cut from it
    harmed: set[int] = field(default_factory=set)  # ids of nodes that something was cut from, at any depth
    refused: set[Source] = field(default_factory=set)  # places of values with a problem from before

    def is_whole(self, node: Node, key: str) -> bool:
        """Whether the value of ``key`` is all that the operator wrote, also when that is nothing."""
        child = node.child(key)
        return (id(node), key) not in self.cut and (child is None or id(child) not in self.harmed)


def fit(
    root: Node, model: type[ModelT], stand_ins: Mapping[str, Value], known: Iterable[Problem] = ()
) -> Fitted[ModelT]:
    """Check a tree against a model. ``stand_ins`` replace required keys of the root that are missing or wrong.

    A value that has one of the ``known`` problems already gets no second one.
    """
    fitted: Fitted[ModelT] = Fitted(None, root, refused={problem.source for problem in known})
    if not isinstance(root.value, dict):
        what = f"the file holds {kind_of(root.value)}, not a mapping"
        fitted.problems.append(Problem(root.source, what, "write KEY: VALUE lines"))
        return fitted
    _Fitting(fitted, model).cut_empty(root)
    for number in range(_PASSES):
        try:
            fitted.model = model.model_validate(root.plain())
            break
        except ValidationError as error:
            errors = error.errors(include_url=False)
            _Fitting(fitted, model, first=number == 0).cut_misfits(errors, stand_ins)
    return fitted


@dataclass(frozen=True, slots=True)
class _Fitting:
    """One pass over one file: errors become problems, and their values are cut."""

    fitted: Fitted[Any]
    model: type[Keys]
    first: bool = True

    def cut_empty(self, root: Node) -> None:
        """Refuse keys and items without a value: nothing written must never read as a default (CVE-2018-12551)."""
        for path, node in list(_walk(root, ())):
            if node.value is None:
                remedy = "write its value, or remove it; an empty list is [], an empty mapping {}"
                self._report(node, f"{_named(path)} is empty", remedy)
                self._cut(path)

    def cut_misfits(self, errors: Sequence[ErrorDetails], stand_ins: Mapping[str, Value]) -> None:
        cuts: list[tuple[Step, ...]] = []
        for error in errors:
            path, missing = self._located(error)
            if not self._is_consequence(self._deepest(path), missing):
                self._report(self._deepest(path), *self._words(path, missing, error))
            if path:
                cuts.append(path)
            elif missing is not None:
                self._stand_in(missing, stand_ins)
        self._cut_all(cuts)

    def _is_consequence(self, node: Node, missing: str | None) -> bool:
        """Whether the value does not fit only because part of it was cut, which was reported already."""
        if missing is not None and (id(node), missing) in self.fitted.cut:
            return True
        return id(node) in self.fitted.harmed and (missing is None or not self.first)

    def _located(self, error: ErrorDetails) -> tuple[tuple[Step, ...], str | None]:
        """The path of an error in the tree, without pydantic's own tags; and the key that is missing there."""
        path: list[Step] = []
        node = self.fitted.node
        for step in error["loc"]:
            child = node.child(step)
            if child is not None:
                path.append(step)
                node = child
        missing = str(error["loc"][-1]) if error["type"] == "missing" else None
        return tuple(path), missing

    def _deepest(self, path: Sequence[Step]) -> Node:
        node = self.fitted.node
        for step in path:
            node = node.child(step) or node
        return node

    def _words(self, path: tuple[Step, ...], missing: str | None, error: ErrorDetails) -> tuple[str, str]:
        """What is wrong and what to do."""
        if missing is not None:
            return f"{_named(path) or 'the file'} lacks the key {missing}", f"add {missing}:"
        kind, name, node = error["type"], _named(path), self._deepest(path)
        context = error.get("ctx", {})
        if kind == MISFIT:
            return f"{name}: {context['what']}" if name else str(context["what"]), str(context["remedy"])
        if kind == "extra_forbidden":
            return self._unknown_key(path)
        if kind in {"literal_error", "enum"}:
            return f"{name} is {node.text or kind_of(node.value)!r}", f"use {context['expected']}"
        if kind == "string_type":
            return f"{name} is {kind_of(node.value)}, not text", _quoting(node)
        if kind in _WANTED:
            wanted, remedy = _WANTED[kind]
            return f"{name} is {kind_of(node.value)}, not {wanted}", remedy
        return _out_of_range(name, node, kind, context)

    def _unknown_key(self, path: tuple[Step, ...]) -> tuple[str, str]:
        schema = _schema_of(self.model)
        key, known = str(path[-1]), sorted(_keys_at(schema, schema, path[:-1]))
        close = get_close_matches(key, known, n=1)
        where = f" in {_named(path[:-1])}" if path[:-1] else ""
        remedy = f"did you mean {close[0]}?" if close else f"use one of: {', '.join(known)}"
        return f"unknown key {key!r}{where}", remedy

    def _report(self, node: Node, what: str, remedy: str) -> None:
        about_key = what.startswith("unknown key") or " lacks the key " in what
        place = node.place if about_key or not isinstance(node.value, str | int | float) else node.source
        if place not in self.fitted.refused:
            self.fitted.problems.append(Problem(place, what, remedy))

    def _cut_all(self, paths: Sequence[tuple[Step, ...]]) -> None:
        """Cut from the end of lists to their start, so that the other paths stay true."""
        for path in sorted(set(paths), key=_cutting_order, reverse=True):
            self._cut(path)

    def _cut(self, path: tuple[Step, ...]) -> None:
        node = self.fitted.node
        self.fitted.harmed.add(id(node))
        for step in path[:-1]:
            child = node.child(step)
            if child is None:
                return
            node = child
            self.fitted.harmed.add(id(node))
        last = path[-1]
        if isinstance(last, str):
            self.fitted.cut.add((id(node), last))
            node.entries.pop(last, None)
        elif last < len(node.items):
            del node.items[last]

    def _stand_in(self, key: str, stand_ins: Mapping[str, Value]) -> None:
        root = self.fitted.node
        self.fitted.cut.add((id(root), key))
        root.entries[key] = _node_of(stand_ins[key], root)


def _walk(node: Node, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Node]]:
    """Every node below, the last first, so that cutting one leaves the paths of those to come true."""
    for key, child in reversed(node.entries.items()):
        yield from _walk(child, (*path, key))
        yield (*path, key), child
    for index in range(len(node.items) - 1, -1, -1):
        yield from _walk(node.items[index], (*path, index))
        yield (*path, index), node.items[index]


def _cutting_order(path: tuple[Step, ...]) -> list[tuple[int, int, str]]:
    return [(1, step, "") if isinstance(step, int) else (0, 0, step) for step in path]


def _node_of(value: Value, near: Node) -> Node:
    if isinstance(value, Mapping):
        return Node(near.source, {key: _node_of(child, near) for key, child in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Node(near.source, [_node_of(child, near) for child in value])
    return Node(near.source, value, str(value))


def _named(path: Sequence[Step]) -> str:
    """``segments.hvac.publish[2]``: how an operator names a place in the file; items count from 1."""
    name = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in path)
    return name.removeprefix(".")


def _quoting(node: Node) -> str:
    if node.text and not isinstance(node.value, str):
        return f'write "{node.text}" in quotes'
    return "write one text"


def _out_of_range(name: str, node: Node, kind: str, context: Mapping[str, Any]) -> tuple[str, str]:
    if kind in {"too_short", "string_too_short"}:
        return f"{name} has fewer than {context['min_length']} entries", "write what is missing"
    bounds = {
        "greater_than_equal": ("ge", "at least"),
        "less_than_equal": ("le", "at most"),
        "greater_than": ("gt", "more than"),
    }
    if kind in bounds:
        key, words = bounds[kind]
        return f"{name} is {node.text}", f"write a number of {words} {context[key]}"
    return f"{name} does not fit here ({kind})", "compare it with the reference of this key"


@cache
def _schema_of(model: type[Keys]) -> JsonSchema:
    return json_schema(model)


def _keys_at(schema: Mapping[str, Any], root: Mapping[str, Any], path: Sequence[Step]) -> set[str]:
    """The keys that the JSON Schema knows at a path."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        return set().union(*(_keys_at(choice, root, path) for choice in choices))
    if not path:
        return set(schema.get("properties", ()))
    step = path[0]
    if isinstance(step, int):
        return _keys_at(schema.get("items", {}), root, path[1:])
    patterned: Mapping[str, Any] = next(iter(schema.get("patternProperties", {}).values()), {})
    return _keys_at(schema.get("properties", {}).get(step, patterned), root, path[1:])
