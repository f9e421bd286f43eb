"""Takes the turns: brokers started side by side, each measured alone, A B A B, round after round."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.brokers.process import Broker, Kind
from benchmarks.compare.devices import DEVICES
from benchmarks.compare.turns import Case, Clock, Found, Results, Scenario, Turn
from benchmarks.figures import machine
from benchmarks.site import WORK, Certificates, Segmentation, Site

Say = Callable[[str], None]


class Comparison:
    """One scenario with the brokers that were chosen. Sites and brokers last as long as the block."""

    def __init__(self, scenario: Scenario, kinds: Sequence[Kind], clock: Clock, say: Say) -> None:
        self._scenario, self._clock, self._say = scenario, clock, say
        self._kinds = kinds
        self._left_out: dict[str, dict[str, str]] = {case.name: {} for case in scenario.cases}
        self._certificates = Certificates.of(WORK / "certs", DEVICES)
        self._sites: list[tuple[Segmentation, Site]] = []
        self._running: dict[tuple[int, str], Broker] = {}

    def run(self, rounds: int) -> Results:
        """All turns."""
        with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
            self._stack, self._root = stack, Path(directory)
            turns = list(self._turns(rounds))
        scenario = self._scenario
        return Results(
            scenario=scenario.name,
            title=scenario.title,
            machine=machine(),
            brokers={kind.name: kind.about for kind in self._kinds},
            cases={case.name: (case.about, case.unit) for case in scenario.cases},
            left_out=self._left_out,
            turns=turns,
        )

    def _turns(self, rounds: int) -> Iterator[Turn]:
        for number in range(rounds):
            for case in self._scenario.cases:
                for kind in self._kinds:
                    if not self._reason(case, kind) and (found := self._turn(case, kind)):
                        self._say(f"{number + 1}/{rounds} {case.name} {kind.name}: {_told(found, case.unit)}")
                        yield Turn(case.name, kind.name, number, found)

    def _reason(self, case: Case, kind: Kind) -> str:
        """Why the broker does not take the case; kept for the table."""
        left_out = self._left_out[case.name]
        if kind.name in self._scenario.without or (case.only and kind.name not in case.only):
            return "not asked"
        reason = left_out.get(kind.name) or kind.missing() or case.cannot.get(kind.name, "")
        if not reason and case.qos > kind.qos:
            reason = f"it takes no QoS {case.qos}"
        if reason:
            left_out[kind.name] = reason
        return reason

    def _turn(self, case: Case, kind: Kind) -> Found | None:
        """One turn; a broker that fails at it is left out of the case from then on, with what happened."""
        try:
            site = self._site(case.segmentation)
            if self._scenario.fresh:
                with kind.start(site) as broker:
                    return case.measure(site, broker, self._clock)
            return case.measure(site, self._broker(site, kind), self._clock)
        except (RuntimeError, OSError) as error:  # of this broker: the others go on
            print(f"{case.name}, {kind.name}: {error}", file=sys.stderr)
            self._left_out[case.name][kind.name] = f"failed: {str(error).splitlines()[0][:100]}"
            return None

    def _site(self, segmentation: Segmentation) -> Site:
        for known, site in self._sites:
            if known is segmentation or known == segmentation:
                return site
        site = Site(self._root / f"site-{len(self._sites)}", segmentation, self._certificates)
        self._sites.append((segmentation, site))
        return site

    def _broker(self, site: Site, kind: Kind) -> Broker:
        key = (id(site), kind.name)
        if key not in self._running:
            self._running[key] = self._stack.enter_context(kind.start(site))
        return self._running[key]


def _told(found: Found, unit: str) -> str:
    text = f"{found.value:,.1f} {unit}"
    if (outcome := found.outcome) is None:
        return text
    shares = " ".join(f"{share:.0%}" for share in outcome.generator)
    text += f"; broker {outcome.broker_cpu:.0%}, {outcome.broker_us:.1f} us each; generator {shares}"
    return text + (f"; {outcome.faults}" if outcome.faults else "")
