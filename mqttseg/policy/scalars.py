"""What an unquoted word in YAML is: text, a number, a boolean, or nothing.

Owns the reading of scalars. It follows the YAML 1.2 core schema, because that is what editors check against the
shipped JSON Schemas: only ``true`` and ``false`` are booleans (``on``, ``off``, ``yes`` and ``no`` are text), dates and
``12:30:00`` are text. Numbers that readers of YAML disagree about (``010``, ``0x1f``, ``1_000``) are for the caller to
refuse. Nothing changes its type to fit: a device id written ``12`` is a number until the operator quotes it. Refuses to
know positions, files and keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_BEGINS_NUMBER = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,3})?")
_AMBIGUOUS = re.compile(r"[-+]?(0[0-9_]+|0[xX][0-9a-fA-F_]+|0[oObB][0-7_]+|[0-9]+_[0-9_]*|[0-9]{19,})")


def is_ambiguous(text: str) -> bool:
    """True for an unquoted number whose value depends on who reads it: octal, hexadecimal, grouped, very long."""
    return text[:1] in _BEGINS_NUMBER and _AMBIGUOUS.fullmatch(text) is not None


def resolve(text: str) -> Scalar:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _BEGINS_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def kind_of(value: object) -> str:
    """What an operator calls a value of this type."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, Mapping) else "a list"
