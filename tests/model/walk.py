"""The model driven on walks with chosen odds: long enough to build up the states that a crash can spoil.

hypothesis finds the short counterexample; this finds that there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from random import Random
from typing import Any

from tests.model.machine import BrokerMachine
from tests.model.reference_rights import DEVICES, FILTERS, TOPICS

ODDS = {
    "publish": 24, "publish_row": 8, "read_all": 25, "finish": 3, "commit": 10, "half_commit": 8, "kill": 5,
    "come_back": 10, "subscribe": 6, "change_policy": 12, "settle": 3, "unsubscribe": 2, "drop": 4,
    "leave": 1, "connect": 8, "overwhelm": 4, "stop_reading": 3, "kill_while_connecting": 1, "read": 5,
}  # fmt: skip

QOS = (0, 1, 2)
CUTS = (*(None,) * 9, *range(12))
SELDOM = (False, False, True)
DEVICE = {"device": DEVICES}

ARGUMENTS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "publish": {**DEVICE, "topic": TOPICS, "qos": QOS, "retain": SELDOM, "empty": SELDOM, "cut": CUTS},
    "publish_row": {**DEVICE, "topic": TOPICS, "qos": (1, 1, 2), "count": (2, 4, 6)},
    "overwhelm": {**DEVICE, "topic": TOPICS, "qos": (1, 2)},
    "subscribe": {**DEVICE, "topic_filter": FILTERS, "qos": QOS},
    "unsubscribe": {**DEVICE, "topic_filter": FILTERS},
    "connect": {**DEVICE, "clean": (False, True), "will": (*(None,) * 13, *product(TOPICS, QOS, SELDOM))},
    "read": {**DEVICE, "count": (1, 2, 3), "cut": CUTS},
    "read_all": {"count": (1, 2, 4)},
    "settle": {"anew": (False, True)},
    "half_commit": {"end": ("committed", "committed", "failed", "killed")},
    "change_policy": {"what": ("conduit", "deny", "mute", "home"), "home": ("s", "s", "t", "")},
    **dict.fromkeys(("drop", "finish", "leave", "stop_reading", "kill_while_connecting"), DEVICE),
}
"""Move -> what it takes, and from what that is chosen."""


class Walk:
    """One walk."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.machine = BrokerMachine()

    def run(self, steps: int) -> None:
        """Walk, and settle at the end."""
        try:
            self.machine.begin(self.random.randrange(3))
            for what in self.random.choices(list(ODDS), list(ODDS.values()), k=steps):
                choices = ARGUMENTS.get(what, {})
                getattr(self.machine, what)(**{name: self.random.choice(values) for name, values in choices.items()})
        finally:
            self.machine.teardown()
