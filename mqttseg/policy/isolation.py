"""Proof that no message can flow between segments, or the flow that refutes it.

Owns the search over rights. Since no topic has two owners, a message crosses segments only where a conduit gives a
right on foreign topics; so it is enough to look at conduits: who may publish what a conduit lets someone receive, and
who may receive what a conduit lets someone publish. That is exact over all topics, and its cost grows with the
conduits, not with the pairs of segments. A flow found there is then shown between two devices that could be enrolled
today, by the same decisions that the broker makes. Conduits on trial count as open, since they let messages pass.
Refuses to know tests (check.py), and what a device does with a message it was allowed to receive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice, product

from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.cover import Budget, gap, meets
from mqttseg.policy.decide import decide
from mqttseg.policy.model import Action, Conduit, Mode, Role, Rule
from mqttseg.policy.pattern import Pattern, Template, cut_level, example, namespace_pattern, parse_pattern
from mqttseg.policy.rights import Rights
from mqttseg.policy.trie import Asker, Node

_STEPS = 10_000_000  # for one question; an operator waits for the answer, no device does
_TRIES = 1_000  # ids of a glob to look at for one that no rule names
_EXAMPLES = 32  # devices of a role to show a flow with; of a role, they differ only in their ids


@dataclass(frozen=True, slots=True)
class Leak:
    """A message that can flow: ``sender`` of ``origin`` may publish ``topic``, ``receiver`` of ``target`` gets it.

    ``sends`` and ``receives`` are the rules that allow it; ``conduits`` names those that the rules belong to. A leak
    without devices and rules is one that could be neither shown nor excluded: it is no proof of isolation.
    """

    topic: str
    origin: str
    target: str
    conduits: tuple[str, ...]
    sender: str | None = None
    receiver: str | None = None
    sends: Rule | None = None
    receives: Rule | None = None

    def __str__(self) -> str:
        via = f"through the conduit {' and '.join(self.conduits)}"
        if self.sends is None or self.receives is None:
            return f"{self.origin} may reach {self.target} on {self.topic} {via}"
        return (
            f"{self.sender} ({self.origin}) reaches {self.receiver} ({self.target}) on {self.topic} {via}: "
            f"publish by {self.sends.source}, receive by {self.receives.source}"
        )


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A right that a conduit gives on foreign topics."""

    segment: str
    role: str | None  # None: every role
    pattern: Pattern
    conduit: Conduit


@dataclass(frozen=True, slots=True)
class _Flow:
    """Topics that some role of one segment may publish and some role of another receive, before denies."""

    origin: str
    sending: Role
    target: str
    receiving: Role
    topics: Pattern
    conduits: tuple[str, ...]


def isolation(compiled: Compiled, segments: Iterable[str]) -> list[Leak]:
    """Ways in which a message can flow between two of the segments: the first found per direction and conduit."""
    return list(_Search(_with_trials_open(compiled), frozenset(segments)).leaks())


def _with_trials_open(compiled: Compiled) -> Compiled:
    policy = compiled.policy
    if not any(conduit.mode is Mode.OBSERVE for conduit in policy.conduits.values()):
        return compiled
    in_force = {n: c for n, c in policy.conduits.items() if any(compiled.conduit_of(t) for t in c.topics)}
    opened = {name: replace(conduit, mode=Mode.ENFORCE) for name, conduit in in_force.items()}
    return compile_policy(replace(policy, conduits=opened), datetime.min.replace(tzinfo=UTC))


class _Search:
    """One question: which messages flow between these segments?"""

    def __init__(self, compiled: Compiled, segments: frozenset[str]) -> None:
        self.compiled = compiled
        self.segments = segments
        self.nobody = Asker("", compiled.membership)
        self.writers: dict[str, list[_Crossing]] = defaultdict(list)  # by the owner of the topics
        self.readers: dict[str, list[_Crossing]] = defaultdict(list)
        self.own: dict[tuple[str, str, Action], Node[Rule]] = {}
        for conduit in compiled.policy.conduits.values():
            for topic in conduit.topics:
                self._cross(conduit, topic)

    def leaks(self) -> Iterator[Leak]:
        found: set[tuple[str, str, tuple[str, ...]]] = set()
        for flow in self._flows():
            key = (flow.origin, flow.target, flow.conduits)
            if key not in found and (leak := self._shown(flow)):
                found.add(key)
                yield leak

    def _cross(self, conduit: Conduit, topic: Rule) -> None:
        owner = self.compiled.topic_owner(conduit, topic) if self.compiled.conduit_of(topic) else None
        if owner is None:
            return
        receives = owner == conduit.origin.segment
        end = conduit.target if receives else conduit.origin
        pattern = parse_pattern(topic.filter, owner=owner, device=owner)
        if end.segment in self.segments:
            (self.readers if receives else self.writers)[owner].append(
                _Crossing(end.segment, end.role, pattern, conduit)
            )

    def _flows(self) -> Iterator[_Flow]:
        for owner, readers in self.readers.items():
            for reader in readers:
                yield from self._from_owner(owner, reader)
                for writer in self.writers.get(owner, ()):
                    yield from self._across(writer, reader)
        for owner, writers in self.writers.items():
            for writer in writers:
                yield from self._to_owner(owner, writer)

    def _from_owner(self, owner: str, reader: _Crossing) -> Iterator[_Flow]:
        for sending in self._roles(owner, None) if owner in self.segments else ():
            for topics in self._common(owner, sending, Action.PUBLISH, reader):
                for receiving in self._roles(reader.segment, reader.role):
                    yield _Flow(owner, sending, reader.segment, receiving, topics, (reader.conduit.name,))

    def _to_owner(self, owner: str, writer: _Crossing) -> Iterator[_Flow]:
        for receiving in self._roles(owner, None) if owner in self.segments else ():
            for topics in self._common(owner, receiving, Action.RECEIVE, writer):
                for sending in self._roles(writer.segment, writer.role):
                    yield _Flow(writer.segment, sending, owner, receiving, topics, (writer.conduit.name,))

    def _across(self, writer: _Crossing, reader: _Crossing) -> Iterator[_Flow]:
        """Two segments that meet on a third one's topics."""
        if writer.segment == reader.segment:
            return
        met: Node[str] = Node()
        met.add(reader.pattern, reader.conduit.name)
        conduits = (writer.conduit.name, reader.conduit.name)
        for topics, _ in meets([met], writer.pattern, self.nobody, Budget(_STEPS)):
            roles = product(self._roles(writer.segment, writer.role), self._roles(reader.segment, reader.role))
            for sending, receiving in roles:
                yield _Flow(writer.segment, sending, reader.segment, receiving, topics, conduits)

    def _roles(self, segment: str, role: str | None) -> list[Role]:
        found = self.compiled.policy.segments[segment]
        return [found.base, *found.roles.values()] if role is None else [found.roles[role]]

    def _common(self, owner: str, role: Role, action: Action, crossing: _Crossing) -> Iterator[Pattern]:
        own = self._own_rights(owner, role, action)
        for topics, _ in meets([own], crossing.pattern, self.nobody, Budget(_STEPS)):
            yield topics

    def _own_rights(self, segment: str, role: Role, action: Action) -> Node[Rule]:
        """A role's grants inside its own namespace, ``${device}`` standing for any member."""
        key = segment, role.name, action
        if key not in self.own:
            self.own[key] = Node()
            if role.publish is None and role.subscribe is None:
                for rule in self.compiled.policy.segments[segment].namespace:
                    self.own[key].add(namespace_pattern(rule.filter, owner=segment), rule)
            for rule in (role.publish if action is Action.PUBLISH else role.subscribe) or ():
                self.own[key].add(parse_pattern(rule.filter, owner=segment, device=segment), rule)
        return self.own[key]

    def _shown(self, flow: _Flow) -> Leak | None:
        """The flow between two devices, after denies. None when no devices can make it."""
        senders = self._devices(flow, flow.origin, flow.sending)
        receivers = self._devices(flow, flow.target, flow.receiving)
        for sender, receiver in product(senders, receivers):
            leak = self._between(flow, self.compiled.rights(sender), self.compiled.rights(receiver))
            if leak is not None:
                return leak
        if max(len(senders), len(receivers)) < _EXAMPLES:
            return None
        return Leak(example(flow.topics, self.compiled.membership), flow.origin, flow.target, flow.conduits)

    def _devices(self, flow: _Flow, segment: str, role: Role) -> list[str]:
        """Devices that stand for all of a role: those that rules name, those that the policy lists, and of each glob
        one that no rule names. Any other device has the rights of that last one, but for its id."""
        texts = self._texts(flow)
        shapes = {("", ""), *(level.parts for level in flow.topics if isinstance(level, Template)), *_shapes(role)}
        cuts = (cut_level(tuple(map(len, shape)), text) for shape in shapes for text in texts)
        named = [cut[1] for cut in cuts if cut is not None and self._plays(cut[1], segment, role)]
        examples = islice(self.compiled.membership.examples(segment, role.name), _EXAMPLES)
        return list(dict.fromkeys((*named, *self._unnamed(segment, role, texts), *examples)))

    def _unnamed(self, segment: str, role: Role, texts: frozenset[str]) -> Iterator[str]:
        for ids in self.compiled.membership.by_globs(segment, role.name):
            fresh = (i for i in islice(ids, _TRIES) if not any(i in text for text in texts))
            yield from islice(fresh, 1)

    def _texts(self, flow: _Flow) -> frozenset[str]:
        """The plain levels of all rules that have a say in a flow."""
        ends = ((flow.origin, flow.sending), (flow.target, flow.receiving))
        rules = [rule for segment, role in ends for rule in (*self._segment_rules(segment), *_rules(role))]
        patterns = (parse_pattern(rule.filter, owner="") for rule in rules)
        return frozenset(level for p in (*patterns, flow.topics) for level in p if isinstance(level, str) and level)

    def _segment_rules(self, name: str) -> tuple[Rule, ...]:
        segment = self.compiled.policy.segments[name]
        return (*segment.namespace, *segment.deny)

    def _plays(self, device_id: str, segment: str, role: Role) -> bool:
        placement = self.compiled.placement(device_id)
        return placement is not None and (placement.segment.name, placement.role.name) == (segment, role.name)

    def _between(self, flow: _Flow, sender: Rights, receiver: Rights) -> Leak | None:
        for topic in self._topics_between(flow.topics, sender, receiver):
            sent = decide(sender, Action.PUBLISH, topic)
            received = decide(receiver, Action.RECEIVE, topic)
            if sent.allowed and received.allowed:
                ids = (sender.device_id, receiver.device_id)
                return Leak(topic, flow.origin, flow.target, flow.conduits, *ids, sent.rule, received.rule)
        return None

    def _topics_between(self, topics: Pattern, sender: Rights, receiver: Rights) -> Iterator[str]:
        """One topic, if there is one, of each overlap of the two devices' grants that no deny takes away."""
        budget = Budget(_STEPS)
        for sent, _, _ in sender.reaching(Action.PUBLISH, topics, budget):
            for common, _, _ in receiver.reaching(Action.RECEIVE, sent, budget):
                denied: Node[Rule] = Node()
                for part, rule in (*sender.denials(common, budget), *receiver.denials(common, budget)):
                    denied.add(part, rule)
                if (topic := gap([denied], common, self.nobody, budget)) is not None:
                    yield topic


def _rules(role: Role) -> tuple[Rule, ...]:
    return (*(role.publish or ()), *(role.subscribe or ()), *role.deny)


def _shapes(role: Role) -> Iterator[tuple[str, ...]]:
    """The texts around ``${device}`` in the role's own rules."""
    for rule in _rules(role):
        for level in parse_pattern(rule.filter, owner=""):
            if isinstance(level, Template):
                yield level.parts
