"""The shape of a topic: what stays the same when a device does the same thing again.

``tele/thermo-7/2026-11-22/reading`` of thermo-7 is ``tele/${device}/+/reading``. A shape, its ``${device}`` replaced
by the id, is a filter that matches every topic folded into it (and contains every filter): that is the law here.
Pure. Refuses to know which topics are allowed, and other devices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile

DEVICE = "${device}"

TOPICS_KEPT = 1024
"""Topics of one device whose shape is remembered; then it starts over."""

_DIGIT = re.compile("[0-9]")
_VARIABLE = re.compile(
    r"""
    -?[0-9]+(?:[.,:_-][0-9]+)*                            # a number, a version, an IPv4 address, a date
    | 0[xX][0-9A-Fa-f]+
    | [0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}   # a UUID
    | [0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5,7}              # a MAC address, an EUI-64
    | (?=[A-Fa-f]*[0-9])[0-9A-Fa-f]{8,}                      # hexadecimal that cannot be a word
    | [0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ][0-9:.,]+(?:Z|-[0-9:]+)?   # a moment
    | (?=[A-Z]*[0-9])[0-9A-HJKMNP-TV-Z]{26}                  # a ULID
    """,
    re.VERBOSE,
)


def shape_of(topic: str, device: str) -> str:
    """The shape of a topic or filter that ``device`` used.

    The first level of a ``$``-topic stays, since no wildcard matches it [MQTT-4.7.2-1]; one that begins with ``${``
    is nobody's to use.
    """
    levels = topic.split("/")
    kept = levels[:1] if topic.startswith("$") else []
    return "/".join(kept + [_generalised(level, device) for level in levels[len(kept) :]])


def filter_of(shape: str, device: str) -> str:
    """The filter that a shape is for one device."""
    return shape.replace(DEVICE, device)


def _generalised(level: str, device: str) -> str:
    if level == device:
        return DEVICE
    return "+" if "${" in level or _VARIABLE.fullmatch(level) else level


def _loose(shape: str) -> str:
    """Every level with a digit in it may differ: ``thermo-7``, ``floor2``."""
    levels = shape.split("/")
    kept = levels[:1] if shape.startswith("$") and levels[0] != DEVICE else []
    rest = ("+" if _DIGIT.search(level) else level for level in levels[len(kept) :])
    return "/".join([*kept, *rest])


def _first_two(shape: str) -> str:
    return _beginning(shape, 2)


def _first(shape: str) -> str:
    return _beginning(shape, 1)


def _beginning(shape: str, count: int) -> str:
    levels = takewhile("#".__ne__, shape.split("/")[:count])
    return "/".join([*levels, "#"])


def _everything(shape: str) -> str:
    """``#`` does not match ``$``-topics [MQTT-4.7.2-1]; ``${device}`` is no such level."""
    return _first(shape) if shape.startswith("$") and not shape.startswith(DEVICE) else "#"


_RUNGS: Sequence[tuple[int, Callable[[str], str]]] = (
    (64, str),
    (128, _loose),
    (160, _first_two),
    (176, _first),
)
"""How coarse a new shape is, by how many there are already: bounded, whatever a device makes up."""

MOST_SHAPES = _RUNGS[-1][0] + 2
"""Shapes that one device has in one direction at the most: the last two are ``#`` and ``$SYS/#``."""


class Shapes:
    """The shapes of one device in one direction: so many and no more, then coarser ones."""

    def __init__(self, device: str, known: Iterable[str] = ()) -> None:
        self._device = device
        self._known = set(known)
        self._of_topic: dict[str, str] = {}

    def fold(self, topic: str) -> str:
        """The shape that a topic (or filter) counts towards."""
        shape = self._of_topic.get(topic)
        if shape is None:
            shape = self._find(shape_of(topic, self._device))
            if len(self._of_topic) >= TOPICS_KEPT:
                self._of_topic.clear()
            self._of_topic[topic] = shape
            self._known.add(shape)
        return shape

    def _find(self, fine: str) -> str:
        for most, coarsen in _RUNGS:
            shape = coarsen(fine)
            if shape in self._known or len(self._known) < most:
                return shape
        return _everything(fine)
