"""Words that two patterns of characters have in common.

Owns the search for an example text (a device id, a topic level) that two globs both match. Refuses to know
what the text stands for. A pattern is a sequence of tokens: a character, ``FIRST`` (one character that an id
may begin with), ``ANY`` (one id character) or ``RUN`` (any run of id characters); the last three never stand for
characters that no device id has.

Theory: the pairs (how far into a, how far into b) are the states of an automaton for the common words. Sets of
pairs make it deterministic, so each word comes once; the distance of each pair to both ends prunes every way
that leads nowhere, so the next word is never far.
"""

from __future__ import annotations

import string
from collections.abc import Iterator

LONGEST_ID = 64
FIRST, ANY, RUN = "first", "any", "run"  # longer than one character, so never taken for a literal
Tokens = tuple[str, ...]
_FIRST = "1" + string.ascii_lowercase + "023456789" + string.ascii_uppercase
_REST = "-._:"
_STANDS_FOR = {FIRST: frozenset(_FIRST), ANY: frozenset(_FIRST + _REST), RUN: frozenset(_FIRST + _REST)}
_Pair = tuple[int, int]


def id_tokens(glob: str) -> list[Tokens]:
    """A glob as tokens, more than one sequence where a leading ``*`` may be empty: legal ids, save for their length."""
    found: list[Tokens] = []
    rest = tuple({"*": RUN, "?": ANY}.get(c, c) for c in glob)
    while rest and rest[0] == RUN:
        found.append((FIRST, *rest))
        rest = rest[1:]
    if rest and (rest[0] == ANY or rest[0] in _STANDS_FOR[FIRST]):
        found.append((FIRST if rest[0] == ANY else rest[0], *rest[1:]))
    return found


def common_ids(a: str, b: str) -> Iterator[str]:
    """Every legal device id that both globs match, short ones early."""
    for one in id_tokens(a):
        for other in id_tokens(b):
            yield from words(one, other, LONGEST_ID)


def words(a: Tokens, b: Tokens, longest: int) -> Iterator[str]:
    """Every text of at most ``longest`` characters that both patterns match, each once, short ones early."""
    search = _Search(a, b)
    stack = [iter([("", search.closed({(0, 0)}))])]
    while stack:
        word, pairs = next(stack[-1], (None, frozenset[_Pair]()))
        if word is None:
            stack.pop()
            continue
        if search.end in pairs:
            yield word
        stack.append(search.extensions(word, pairs, longest))


class _Search:
    def __init__(self, a: Tokens, b: Tokens) -> None:
        self.a, self.b = a, b
        self.end = (len(a), len(b))
        texts = dict.fromkeys(token for token in (*a, *b) if len(token) == 1)
        first = [c for c in _FIRST if c not in texts]
        rest = [c for c in _REST if c not in texts]
        self.alike = [[text] for text in texts] + [group for group in (first, rest) if group]
        self.distances = self._distances()

    def extensions(self, word: str, pairs: frozenset[_Pair], longest: int) -> Iterator[tuple[str, frozenset[_Pair]]]:
        """The word with each next character that still leads to an end in time, the shortest way first."""
        options = []
        for characters in self.alike:  # no token tells them apart
            reached = self._step(pairs, characters[0])
            nearest = min((self.distances[pair] for pair in reached if pair in self.distances), default=longest)
            if len(word) + 1 + nearest <= longest:
                options.append((nearest, characters, reached))
        options.sort(key=lambda option: option[0])
        return ((word + c, reached) for _, characters, reached in options for c in characters)

    def closed(self, pairs: set[_Pair]) -> frozenset[_Pair]:
        """Add the pairs reached by letting a run be empty."""
        reached, waiting = set(pairs), list(pairs)
        while waiting:
            new = {pair for pair, cost in self._moves(*waiting.pop()) if cost == 0} - reached
            reached |= new
            waiting.extend(new)
        return frozenset(reached)

    def _distances(self) -> dict[_Pair, int]:
        """How many characters each pair needs at least to both ends; absent: there is no way."""
        todo = {self.end: 0}
        for i in range(len(self.a), -1, -1):
            for j in range(len(self.b), -1, -1):
                ways = [todo[pair] + cost for pair, cost in self._moves(i, j) if pair in todo]
                if ways:
                    todo[i, j] = min(ways)
        return todo

    def _moves(self, i: int, j: int) -> Iterator[tuple[_Pair, int]]:
        a, b = self.a, self.b
        if i < len(a) and a[i] == RUN:
            yield (i + 1, j), 0
        if j < len(b) and b[j] == RUN:
            yield (i, j + 1), 0
        if i < len(a) and j < len(b) and _share_a_character(a[i], b[j]):
            yield (i + (a[i] != RUN), j + (b[j] != RUN)), 1

    def _step(self, pairs: frozenset[_Pair], character: str) -> frozenset[_Pair]:
        a, b = self.a, self.b
        return self.closed(
            {
                (i + (a[i] != RUN), j + (b[j] != RUN))
                for i, j in pairs
                if i < len(a) and j < len(b) and _takes(a[i], character) and _takes(b[j], character)
            }
        )


def _share_a_character(one: str, other: str) -> bool:
    return not _STANDS_FOR.get(one, frozenset(one)).isdisjoint(_STANDS_FOR.get(other, frozenset(other)))


def _takes(token: str, character: str) -> bool:
    return token == character if len(token) == 1 else character in _STANDS_FOR[token]
