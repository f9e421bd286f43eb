"""What the model's policy means, as plain sets, and the same policy in our language.

Owns a policy with switches that a test may throw, and who may do what under it, worked out by listing topics.
Refuses to know how mqttseg decides: it is what mqttseg is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

DEVICES = ("p", "q", "r")
OBSERVER = "o"
TOPICS = ("s/1", "s/2", "t/1")
WITNESSES = {"s", "s/1", "s/2", "s/x", "s/1/x", "t", "t/1", "t/x", "x", "x/1"}
"""Topics of every kind that the filters below tell apart."""
MATCHED = {
    "s/#": {"s", "s/1", "s/2", "s/x", "s/1/x"},
    "s/+": {"s/1", "s/2", "s/x"},
    "s/1": {"s/1"},
    "t/#": {"t", "t/1", "t/x"},
    "+/1": {"s/1", "t/1", "x/1"},
    "#": WITNESSES,
}
FILTERS = tuple(MATCHED)


@dataclass(frozen=True, slots=True)
class Switches:
    """How the policy stands. p is always in segment s, r in t; t takes filters that are too wide, and narrows them."""

    conduit: bool = True
    """t may receive s/1."""
    deny: bool = False
    """Nobody in s may use s/2."""
    mute: bool = False
    """p may publish on s/2 only."""
    home: str = "s"
    """The segment of q; empty for none."""

    def place(self, device: str) -> str:
        """The segment of a device; empty for none."""
        return {"p": "s", "q": self.home, "r": "t", OBSERVER: "w"}[device]

    def may_publish(self, device: str, topic: str) -> bool:
        """Whether the device may publish there."""
        if device == "p" and self.mute and topic != "s/2":
            return False
        return topic in self._own(self.place(device))

    def may_receive(self, device: str, topic: str) -> bool:
        """Whether the device may receive from there."""
        return topic in self._receivable(device)

    def may_subscribe(self, device: str, topic_filter: str) -> bool:
        """Whether the filter is accepted: contained in what may be received, or, in t, touching it."""
        matched, receivable = MATCHED[topic_filter], self._receivable(device)
        return bool(matched & receivable) if self.place(device) == "t" else matched <= receivable

    def _receivable(self, device: str) -> set[str]:
        shared = {"s/1"} if self.conduit and self.place(device) == "t" else set()
        return self._own(self.place(device)) | shared

    def _own(self, segment: str) -> set[str]:
        if not segment:
            return set()
        denied = {"s/2"} if self.deny else set()
        return {topic for topic in WITNESSES if topic.split("/")[0] == segment} - denied

    @lru_cache  # noqa: B019  # there are 24 of them
    def text(self) -> str:
        """The policy, as an operator would write it."""
        members = {segment: [d for d in DEVICES if self.place(d) == segment] for segment in "st"}
        muted = 'roles: {listener: {members: [p], publish: ["s/2"], subscribe: ["s/#"]}}'
        if self.mute:
            members["s"].remove("p")
        conduits = ["  s-watched: {from: s, to: w, topics: ['s/#']}", "  t-watched: {from: t, to: w, topics: ['t/#']}"]
        if self.conduit:
            conduits.append("  shared: {from: s, to: t, topics: ['s/1']}")
        lines = [
            "version: 1",
            "trust_domain: plant7.example",
            "segments:",
            "  s:",
            f"    members: {members['s']}",
            *(["    deny: ['s/2']"] if self.deny else []),
            *([f"    {muted}"] if self.mute else []),
            "  t:",
            f"    members: {members['t']}",
            "    subscriptions: narrow",
            "  w:",
            f"    members: [{OBSERVER}]",
            "conduits:",
            *conduits,
        ]
        return "\n".join(lines) + "\n"
