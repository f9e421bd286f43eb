"""The model driven on walks with chosen odds: long enough to build up the states that a crash can spoil.

hypothesis finds the short counterexample; this finds that there is one.
"""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from tests.model.machine import BrokerMachine
from tests.model.reference_rights import DEVICES, FILTERS, TOPICS

ONE_DEVICE = frozenset({"drop", "finish", "leave", "stop_reading", "kill_while_connecting"})
"""Moves that need nothing but a device."""


class Walk:
    """One walk."""

    odds: ClassVar[dict[str, int]] = {
        "publish": 24, "publish_row": 8, "read_all": 25, "finish": 3, "commit": 10, "half_commit": 6, "kill": 5,
        "come_back": 10, "subscribe": 6, "change_policy": 12, "settle": 3, "unsubscribe": 2, "drop": 4,
        "leave": 1, "connect": 8, "stop_reading": 6, "kill_while_connecting": 1, "read": 5,
    }  # fmt: skip

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.machine = BrokerMachine()

    def run(self, steps: int) -> None:
        """Walk, and settle at the end."""
        try:
            self.machine.begin(self.random.randrange(3))
            for what in self.random.choices(list(self.odds), list(self.odds.values()), k=steps):
                getattr(self.machine, what)(**self._arguments(what))
        finally:
            self.machine.teardown()

    def _arguments(self, what: str) -> dict[str, Any]:
        choose = self.random.choice
        device, topic, qos, yes = choose(DEVICES), choose(TOPICS), choose((0, 1, 2)), choose((True, False))
        retain, cut = choose((False, False, True)), choose((None,) * 9 + tuple(range(12)))
        match what:
            case "publish":
                empty = choose((False, False, True))
                return {"device": device, "topic": topic, "qos": qos, "retain": retain, "empty": empty, "cut": cut}
            case "publish_row":
                return {"device": device, "topic": topic, "qos": choose((1, 1, 2)), "count": choose((2, 4, 6))}
            case "subscribe":
                return {"device": device, "topic_filter": choose(FILTERS), "qos": qos}
            case "unsubscribe":
                return {"device": device, "topic_filter": choose(FILTERS)}
            case "connect":
                return {
                    "device": device,
                    "clean": yes,
                    "will": choose((None, (topic, qos, retain), (topic, qos, retain))),
                }
            case "read":
                return {"device": device, "count": choose((1, 2, 3)), "cut": cut}
            case "read_all":
                return {"count": choose((1, 2, 4))}
            case "half_commit":
                return {"end": choose(("committed", "committed", "failed", "killed"))}
            case "change_policy":
                return {"what": choose(("conduit", "deny", "mute", "home")), "home": choose(("s", "s", "t", ""))}
        return {"device": device} if what in ONE_DEVICE else {}
