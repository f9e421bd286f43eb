"""What changes when one policy takes the place of another: who gains and loses what, and which settings differ.

Owns the answer: every right that some device gains or loses, with a witness topic that decide.py judges differently
under the two policies; devices that change places; settings. A gain is reported for a right exactly when some topic in
it is newly allowed; where roles are written alike, no topic is looked at. What devices may subscribe to is what they
may receive, filter by filter, so one change speaks of both. Refuses to know how topics are compared (surplus.py), who
is compared with whom (cohorts.py), and what a running broker does about it.

The one limit is that of cover.py: levels with different texts around a ``${device}`` are compared by examples.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from mqttseg.policy.changes import Difference, Move, RightChange, SettingChange
from mqttseg.policy.cohorts import Cohort, Cohorts, JointMembership
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.decide import Decision, decide
from mqttseg.policy.facts import facts
from mqttseg.policy.model import Action, Rule
from mqttseg.policy.pattern import Pattern, Template, cut_level
from mqttseg.policy.shared_terms import SharedTerms
from mqttseg.policy.surplus import Holding, surplus
from mqttseg.policy.trie import Asker

__all__ = ["Difference", "Move", "RightChange", "SettingChange", "difference"]


def difference(old: Compiled, new: Compiled, devices: Iterable[str] = ()) -> Difference:
    """What changes from ``old`` to ``new``. ``devices``: ids that exist, beside those that the policies name."""
    cohorts = Cohorts(old.membership, new.membership, devices)
    rights = sorted(_RightsSearch(old, new, cohorts).changes(), key=_in_file_order)
    moves = (Move(i, c.before, c.after) for c in cohorts if c.before != c.after for i in c.named)
    return Difference(tuple(rights), tuple(moves), tuple(_settings(old, new)))


def _in_file_order(change: RightChange) -> tuple[int, int, bool]:
    return change.rule.source.line, change.rule.source.column, change.gained


@dataclass(frozen=True, slots=True)
class _Probes:
    """Devices that stand for a cohort: ``special`` ids that some rule may treat apart, and ``usual`` for all others."""

    usual: str | None
    special: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        yield from self.special if self.usual is None else (self.usual, *self.special)


@dataclass(frozen=True, slots=True)
class _Finding:
    """A right that holds a topic in one policy only, for each of the probes in ``topics``."""

    cohort: Cohort
    action: Action
    gained: bool
    rule: Rule
    topics: Mapping[str, str]
    probes: _Probes

    @property
    def example(self) -> tuple[str, str]:
        """A device and a topic; the usual device if it is one of them."""
        return next(iter(self.topics.items()))

    def change(self, refusal: Decision) -> RightChange:
        """The same for the whole cohort."""
        everyone = self.probes.usual in self.topics
        but = tuple(i for i in self.probes.special if i not in self.topics) if everyone else ()
        device_id, topic = self.example
        return RightChange(
            gained=self.gained,
            action=self.action,
            before=self.cohort.before,
            after=self.cohort.after,
            everyone=everyone,
            devices=tuple(i for i in self.cohort.named if i not in but) if everyone else tuple(self.topics),
            but=but,
            device=device_id,
            topic=topic,
            rule=self.rule,
            refusal=refusal,
        )


class _RightsSearch:
    """One question: which rights does anybody gain or lose?"""

    def __init__(self, old: Compiled, new: Compiled, cohorts: Cohorts) -> None:
        self.old, self.new, self.cohorts = old, new, cohorts
        self.joint = JointMembership(cohorts)
        self.before = SharedTerms(old, self.joint, new=False)
        self.after = SharedTerms(new, self.joint, new=True)

    def changes(self) -> Iterator[RightChange]:
        for cohort in self.cohorts:
            for action in (Action.PUBLISH, Action.RECEIVE):
                before = self.before.holding(cohort.before, action)
                after = self.after.holding(cohort.after, action)
                if not before.is_like(after):
                    yield from self._between(cohort, action, before, after)

    def _between(self, cohort: Cohort, action: Action, before: Holding, after: Holding) -> Iterator[RightChange]:
        probes = self._probes(cohort, before, after)
        found: dict[tuple[bool, Rule], dict[str, str]] = defaultdict(dict)  # a topic for each device
        for device_id in probes:
            asker = Asker(device_id, self.joint)
            for gained, more, less in ((True, after, before), (False, before, after)):
                for rule, topic in surplus(more, less, asker):
                    found[gained, rule][device_id] = topic
        for (gained, rule), topics in found.items():
            yield from self._shown(_Finding(cohort, action, gained, rule, topics, probes))

    def _shown(self, finding: _Finding) -> Iterator[RightChange]:
        """The finding as a change, if the broker itself would decide so."""
        has, lacks = (self.new, self.old) if finding.gained else (self.old, self.new)
        device_id, topic = finding.example
        refusal = decide(lacks.rights(device_id), finding.action, topic)
        if not refusal.allowed and decide(has.rights(device_id), finding.action, topic).allowed:
            yield finding.change(refusal)

    def _probes(self, cohort: Cohort, before: Holding, after: Holding) -> _Probes:
        """Rights in which no ``${device}`` stands are the same for all. Else an id matters only if a rule spells it:
        a changed rule, or any rule when a changed one has ``${device}``."""
        patterns = {pattern for side in (before, after) for union in side.unions for pattern in union}
        shapes = {template.parts for template in _templates(patterns) if template.segment is None}
        if not shapes:
            return _Probes(next(self._members(cohort), None), ())
        changed = before.changed(after)
        looked = patterns if any(True for _ in _templates(changed)) else changed
        texts = {level for pattern in looked for level in pattern if isinstance(level, str)}
        cuts = (cut_level(tuple(map(len, shape)), text) for shape in (("", ""), *shapes) for text in texts)
        pair = cohort.before, cohort.after
        special = {cut[1] for cut in cuts if cut is not None and self.cohorts.pair_of(cut[1]) == pair}
        return _Probes(next((i for i in self._members(cohort) if i not in special), None), tuple(sorted(special)))

    def _members(self, cohort: Cohort) -> Iterator[str]:
        strangers = self.cohorts.strangers(cohort.before, cohort.after)
        return chain(cohort.named, chain.from_iterable(strangers))


def _templates(patterns: Iterable[Pattern]) -> Iterator[Template]:
    return (level for level in chain.from_iterable(patterns) if isinstance(level, Template))


def _settings(old: Compiled, new: Compiled) -> Iterator[SettingChange]:
    before = {(fact.about, fact.key): fact for fact in facts(old.policy)}
    after = {(fact.about, fact.key): fact for fact in facts(new.policy)}
    modes = (str(old.policy.mode), str(new.policy.mode))
    whole = {key[0] for key in before.keys() ^ after.keys() if not key[1]}  # things that are new or gone as a whole
    for key in dict.fromkeys((*after, *before)):
        one, other = before.get(key), after.get(key)
        values = (one.value if one else None, other.value if other else None)
        if values[0] == values[1] or (key[1] and key[0] in whole):
            continue
        if key[1] == "mode" and values == modes and key[0].startswith("segment "):
            continue  # it follows the policy's
        yield SettingChange(one, other)
