"""Words that two patterns of characters have in common.

Owns the search for an example text (a device id, a topic level) that two globs both match. Refuses to know
what the text stands for. A pattern is a sequence of tokens: a character, ``FIRST`` (one character that an id
may begin with), ``ANY`` (one id character) or ``RUN`` (any run of id characters); the last three never stand for
characters that no device id has.

Theory: the pairs (how far into a, how far into b) are the states of an automaton for the common words. Sets of
pairs make it deterministic, so each word comes once; the distance of each pair to both ends prunes every way
that leads nowhere, so the next word is never far. Words that other globs match can be left out: how far each of those
globs has come is kept beside the pairs, and a way on which one of them matches all that may follow is left at once.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence

LONGEST_ID = 64
FIRST, ANY, RUN = "first", "any", "run"  # longer than one character, so never taken for a literal
Tokens = tuple[str, ...]
_FIRST = "1" + string.ascii_lowercase + "023456789" + string.ascii_uppercase
_REST = "-._:"
_STANDS_FOR = {FIRST: frozenset(_FIRST), ANY: frozenset(_FIRST + _REST), RUN: frozenset(_FIRST + _REST)}
_LOOKS = 5_000  # beginnings of words to look at when others take words away: the rest may be theirs altogether
_Pair = tuple[int, int]
_State = tuple[int, frozenset[_Pair], frozenset[_Pair]]


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


def common_ids(a: str, b: str, others: Sequence[str] = ()) -> Iterator[str]:
    """Legal device ids that both globs match and none of the others does, short ones early: all, or very many."""
    taken = _Taken(others)
    for one in id_tokens(a):
        for other in id_tokens(b):
            yield from _words(_Search(one, other), LONGEST_ID, taken)


def ids_of(glob: str, others: Sequence[str] = ()) -> Iterator[str]:
    """Legal device ids that the glob matches and none of the others does, short ones early: all, or very many."""
    taken = _Taken(others)
    for tokens in id_tokens(glob):
        yield from _words(_Search(tokens, (RUN,)), LONGEST_ID, taken)


def words(a: Tokens, b: Tokens, longest: int) -> Iterator[str]:
    """Every text of at most ``longest`` characters that both patterns match, each once, short ones early."""
    yield from _words(_Search(a, b), longest, _Taken(()))


def _words(search: _Search, longest: int, taken: _Taken) -> Iterator[str]:
    found = looks = 0
    barren: set[_State] = set()  # nothing follows from here
    start: _State = (0, search.closed({(0, 0)}), taken.start)
    waiting = [(start, iter([("", start[1])]), 0)]  # whence, the ways on, and how much was found before
    while waiting and looks < _LOOKS:
        (_, _, before), options, found_before = waiting[-1]
        word, pairs = next(options, (None, start[1]))
        if word is None:
            state, _, _ = waiting.pop()
            barren.update([state] if found == found_before else ())
            continue
        state = (len(word), pairs, taken.after(before, word[-1:]))
        looks += bool(state[2])
        if taken.forever(state[2]) or state in barren:
            continue
        waiting.append((state, search.extensions(word, pairs, longest), found))
        if search.end in pairs and not taken.now(state[2]):
            found += 1
            yield word


class _Taken:
    """Globs whose words are left out, and how far a word has come in each: (which glob, how far into it)."""

    def __init__(self, globs: Sequence[str]) -> None:
        self.tokens = [tuple({"*": RUN, "?": ANY}.get(c, c) for c in glob) for glob in globs]
        self.start = self._closed({(which, 0) for which in range(len(globs))})

    def after(self, places: frozenset[_Pair], character: str) -> frozenset[_Pair]:
        if not character:
            return places
        reached = set()
        for which, at in places:
            tokens = self.tokens[which]
            if at < len(tokens) and _takes(tokens[at], character):
                reached.add((which, at + (tokens[at] != RUN)))
        return self._closed(reached)

    def now(self, places: frozenset[_Pair]) -> bool:
        return any(at == len(self.tokens[which]) for which, at in places)

    def forever(self, places: frozenset[_Pair]) -> bool:
        return any(at + 1 == len(self.tokens[which]) and self.tokens[which][at] == RUN for which, at in places)

    def _closed(self, places: set[_Pair]) -> frozenset[_Pair]:
        """Add the places reached by letting runs be empty."""
        reached = list(places)
        for which, at in reached:  # which grows on the way
            if self.tokens[which][at : at + 1] == (RUN,):
                reached.append((which, at + 1))
        return frozenset(reached)


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
