"""A proposal as policy YAML, with a comment on each line that says what it rests on.

Owns the layout. What is not learnt (members, limits, denies, the gateway's half) is taken over from the policy.
Refuses to choose lines (proposal.py) and to judge the result (draft.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import yaml

from mqttseg.learn.evidence import Evidence
from mqttseg.learn.proposal import Crossing, Learnt, Proposal, Right
from mqttseg.learn.yaml_text import comment, entries, quoted, read_mapping, written
from mqttseg.policy.model import Conduit, End, Policy

_RIGHTS = {"publish", "subscribe", "roles"}
_ELSEWHERE = {"segments", "conduits", "tests"}
_KEPT_OF_CONDUIT = ("description", "until", "network")
_MOMENT = "%Y-%m-%d %H:%M"
_LONGEST_NAME = 32


def write_rights(proposal: Proposal, policy: Policy, text: str) -> Iterator[str]:
    """The lines of the policy but for its tests. ``text``: the file that ``policy`` was read from."""
    root = read_mapping(text)
    for key, node in root.items():
        if key not in _ELSEWHERE:
            yield from written(key, node, 0)
    yield ""
    yield "segments:"
    for name, segment in entries(root["segments"]).items():
        yield from _segment(proposal, name, segment)
    yield from _conduits(proposal, policy, entries(root.get("conduits")))


def _segment(proposal: Proposal, name: str, node: yaml.Node) -> Iterator[str]:
    yield f"  {name}:"
    yield from _role(proposal, name, "", node, 4)
    roles = entries(entries(node).get("roles"))
    if roles:
        yield "    roles:"
    for role, one in roles.items():
        yield f"      {role}:"
        yield from _role(proposal, name, role, one, 8)


def _role(proposal: Proposal, segment: str, role: str, node: yaml.Node, indent: int) -> Iterator[str]:
    for key, value in entries(node).items():
        if key not in _RIGHTS:
            yield from written(key, value, indent)
    for key in ("publish", "subscribe"):
        yield from _list(key, proposal.places.get(Right(segment, role, key == "publish"), ()), indent)


def _list(key: str, lines: Sequence[Learnt], indent: int, *, whole: bool = False) -> Iterator[str]:
    """An empty list says that nothing is granted; a key left out would grant the whole namespace. ``whole``: also with
    the lines that do not hold, for what becomes a comment as a whole."""
    space = " " * indent
    active = any(learnt.active for learnt in lines)
    yield f"{space}{key}:" if active or whole else f"{space}{key}: []"
    for learnt in lines:
        off = "" if learnt.active or whole else "# "
        yield f"{space}  {off}- {quoted(learnt.line.filter)}  # {_rests_on(learnt)}"


def _rests_on(learnt: Learnt) -> str:
    evidence = learnt.evidence
    mark = ""
    if not learnt.active:
        mark = "LET THROUGH BY OBSERVE MODE ONLY, take it in by hand: "
    elif evidence.observed:
        mark = f"{evidence.observed:,} of them let through by observe mode only: "
    return f"{mark}{_devices(evidence)}, {evidence.count:,} times, {_when(evidence)}"


def _devices(evidence: Evidence) -> str:
    first = sorted(evidence.devices)[:3]
    more = len(evidence.devices) - len(first)
    return ", ".join(first) + (f" and {more:,} more devices" if more else "")


def _when(evidence: Evidence) -> str:
    return f"{evidence.first_seen:{_MOMENT}} to {evidence.last_seen:{_MOMENT}}"


def _conduits(proposal: Proposal, policy: Policy, nodes: Mapping[str, yaml.Node]) -> Iterator[str]:
    found: dict[tuple[End, End], list[Learnt]] = defaultdict(list)
    for place, lines in proposal.places.items():
        if isinstance(place, Crossing):
            found[place.origin, place.target] += lines
    names = _names(policy, list(found))
    yield ""
    if any(learnt.active for lines in found.values() for learnt in lines):
        yield "conduits:"
    for ends in sorted(found, key=lambda ends: names[ends]):
        yield from _conduit(names[ends], ends, nodes.get(names[ends]), found[ends])
    gone = [name for name in policy.conduits if name not in names.values()]
    if gone:
        yield from comment([f"Nothing was seen in these conduits, and they are left out: {', '.join(gone)}"])


def _conduit(name: str, ends: tuple[End, End], node: yaml.Node | None, lines: Sequence[Learnt]) -> Iterator[str]:
    kept = [(key, value) for key, value in entries(node).items() if key in _KEPT_OF_CONDUIT]
    whole = [f"  {name}:", f"    from: {ends[0]}", f"    to: {ends[1]}"]
    whole += [line for key, value in kept for line in written(key, value, 4)]
    active = any(learnt.active for learnt in lines)
    whole += _list("topics", lines, 4, whole=not active)
    yield from (line if active else f"# {line}" for line in whole)


def _names(policy: Policy, ends: Sequence[tuple[End, End]]) -> dict[tuple[End, End], str]:
    """That of a conduit of the policy between the same ends, or one that no other has."""
    names: dict[tuple[End, End], str] = {}
    known: Mapping[tuple[End, End], Conduit] = {
        (c.origin, c.target): c for c in reversed(list(policy.conduits.values()))
    }
    for pair in ends:
        wanted = "-to-".join(str(end).replace("/", "-") for end in pair)
        taken = {*names.values(), *policy.conduits}
        plain = wanted if len(wanted) <= _LONGEST_NAME and wanted not in taken else ""
        fresh = (f"learnt-{number}" for number in range(1, len(taken) + 2))
        names[pair] = known[pair].name if pair in known else plain or next(n for n in fresh if n not in taken)
    return names
