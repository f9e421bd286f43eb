"""What detection finds in a simulated week of 200 devices, and what it finds that is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import process_time

from benchmarks.figures import Figure, Report
from benchmarks.fleet import Attack, Fleet
from mqttseg.errors import Reason
from mqttseg.observe.detect.detector import Detection, Detector
from mqttseg.observe.detect.settings import Settings

SEEDS = (101, 202, 303)
"""Not the one on which the defaults were chosen, which is 1."""

GRACE = 3600.0
"""Seconds after an attack in which its detection still counts: silence is only noticed late."""

RULES = (
    Reason.DENIAL_BURST,
    Reason.TOPIC_SCAN,
    Reason.CLONED_IDENTITY,
    Reason.NEW_ADDRESS,
    Reason.UNUSUAL_RATE,
    Reason.UNUSUAL_PAYLOAD,
    Reason.GONE_SILENT,
)

HOW = (
    "200 devices, two days to learn and a week with 8 attacks of each kind, beside firmware updates, DHCP, a power "
    "cut, maintenance, roaming and devices that are set up wrongly; default thresholds, seeds that they were not "
    "chosen on. Recall: the attacks that the rule made for them found. Precision: the rule's detections on a device "
    "under attack, of any kind, of all of its detections."
)


@dataclass(slots=True)
class Score:
    """Detections and attacks of one kind, and how many of them belong together."""

    right: Counter[Reason] = field(default_factory=Counter)
    wrong: Counter[Reason] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    rules: dict[str, Reason] = field(default_factory=dict)
    off: int = 0
    """Of the silences that are no attack: how many devices were in fact switched off, for maintenance."""
    seconds: float = 0.0

    def precision(self, rule: Reason) -> float:
        """Of the rule's detections, the share that is right."""
        return self.right[rule] / max(1, self.right[rule] + self.wrong[rule])

    def recall(self, rule: Reason) -> float:
        """Of the attacks that the rule is for, the share that it found."""
        names = [name for name, of in self.rules.items() if of is rule]
        found = sum(self.found[name] for name in names)
        return found / max(1, found + sum(self.missed[name] for name in names))


def run() -> Report:
    """Measure."""
    total = Score()
    for seed in SEEDS:
        score(Fleet(seed), total)
    figures = [figure for rule in RULES for figure in _figures(total, rule)]
    figures += [_kind(total, name) for name in total.rules]
    wrong = total.wrong.total() / len(SEEDS)
    figures.append(Figure("detections of a week that were wrong, all rules", wrong, ""))
    figures.append(Figure("of these, silent devices that were switched off", total.off / len(SEEDS), ""))
    figures.append(Figure("CPU of the rules for a week of 200 devices", total.seconds / len(SEEDS), "s"))
    return Report("detect", "Detection in a simulated week", figures, HOW)


def _figures(total: Score, rule: Reason) -> Sequence[Figure]:
    right, wrong = total.right[rule], total.wrong[rule]
    note = f"{right} right, {wrong} wrong"
    return (
        Figure(f"{rule}: recall", total.recall(rule), ""),
        Figure(f"{rule}: precision", total.precision(rule), "", note=note),
    )


def _kind(total: Score, name: str) -> Figure:
    found, missed = total.found[name], total.missed[name]
    return Figure(f"found: {name}", found / (found + missed), "", note=f"{found} of {found + missed}")


def score(fleet: Fleet, total: Score, settings: Settings | None = None) -> None:
    """Play a fleet, and add what came of it. What is detected while the detector still learns counts, too."""
    detections = list(_played(fleet, Detector(settings or Settings()), total))
    for attack in fleet.attacks:
        total.rules[attack.name] = attack.rule
        hit = any(_is_of(d, attack) and d.rule is attack.rule for d in detections)
        (total.found if hit else total.missed)[attack.name] += 1
    for detection in detections:
        if any(_is_of(detection, attack) for attack in fleet.attacks):
            total.right[detection.rule] += 1
        elif detection.device is not None:
            total.wrong[detection.rule] += 1
            off = detection.rule is Reason.GONE_SILENT and fleet.of(detection.device).is_off(detection.at)
            total.off += off


def _played(fleet: Fleet, detector: Detector, total: Score) -> Sequence[Detection]:
    detections: list[Detection] = []
    for number, step in enumerate(fleet.steps()):
        start = process_time()
        for event in step.events:
            detections += detector.see(event, step.now)
        detections += detector.hear(step.traffic, step.now)
        if number % 2:
            detections += detector.pass_time(step.now)
        total.seconds += process_time() - start
    return detections


def _is_of(detection: Detection, attack: Attack) -> bool:
    return detection.device == attack.device and attack.begin <= detection.at <= attack.end + GRACE
