"""A small simulated site: what detection finds must not get worse."""

from __future__ import annotations

from benchmarks.detect import RULES, Score, score
from benchmarks.fleet import Fleet
from mqttseg.errors import Reason

FLOOR = {Reason.TOPIC_SCAN: 0.6, Reason.NEW_ADDRESS: 0.6, Reason.GONE_SILENT: 0.3}
"""Recall, where a rule cannot find everything: a slow scan, a thief in the same network, silence at the weekend."""


def test_attacks_are_found_and_ordinary_life_is_left_alone() -> None:
    total = Score()
    score(Fleet(7, devices=48, days=5, each=3), total)
    for rule in RULES:
        assert total.recall(rule) >= FLOOR.get(rule, 0.9), rule
    assert total.wrong.total() - total.off <= 12
    for rule in (Reason.DENIAL_BURST, Reason.TOPIC_SCAN, Reason.UNUSUAL_RATE):
        assert total.precision(rule) >= 0.8, rule
    assert total.precision(Reason.UNUSUAL_PAYLOAD) >= 0.6
