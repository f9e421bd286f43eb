"""Loading a plan on this host without ever leaving a gap, or the operator outside.

Owns the order: check, snapshot, timer, load, probe, wait for confirmation. Whatever fails leaves what was loaded
before.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mqttseg.errors import OperatorError
from mqttseg.gateway import kernel, quarantine, timer
from mqttseg.gateway.nftables.render import FIRST_REVISION, LAST_REVISION, plan_digest, render_nftables
from mqttseg.gateway.plan import Plan
from mqttseg.gateway.trial import Pending, Trials

_PROBE_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did. ``pending`` None: it is kept already."""

    revision: int
    pending: Pending | None
    broker_answers: bool


def apply(plan: Plan, trials: Trials, *, confirm_within: float) -> Applied:
    """Load a plan. Unless confirmed within so many seconds it is rolled back; 0 keeps it at once.

    OperatorError when another trial waits, when nft refuses, or when the broker answered before and no longer does:
    then the ruleset before is loaded again.
    """
    loaded = kernel.loaded()  # first: who may not ask may not load either, and nothing is written yet
    with trials.lock():
        if (waiting := trials.pending()) is not None:
            left = max(0, round(waiting.deadline - time.time()))
            raise OperatorError(
                f"revision {waiting.revision} waits for confirmation, {left} s more; confirm it or roll it back first"
            )
        return _apply(plan, trials, next_revision(loaded), confirm_within)


def _apply(plan: Plan, trials: Trials, revision: int, confirm_within: float) -> Applied:
    ruleset = render_nftables(plan, revision)
    kernel.check(ruleset)
    answered = broker_answers(plan)
    pending = Pending(secrets.token_hex(8), revision, time.time() + (confirm_within or _PROBE_TIMEOUT * 30))
    snapshot = kernel.snapshot()
    trials.begin(pending, snapshot, ruleset)
    timer.start(trials.folder, pending.token)  # also when we are killed between here and the confirmation
    try:
        quarantine.ensure()
        kernel.load(ruleset)
    except OperatorError:
        trials.forget()  # nft loads all of it or nothing
        raise
    answers = broker_answers(plan)
    if answered and not answers:
        kernel.load(snapshot)
        trials.forget()
        raise OperatorError("the broker answered before and no longer does, so the ruleset before was loaded again")
    if confirm_within:
        return Applied(revision, pending, answers)
    trials.keep()
    trials.forget()
    return Applied(revision, None, answers)


def next_revision(loaded: kernel.Loaded | None, in_use: Callable[[], frozenset[int]] = kernel.marks_in_use) -> int:
    """A revision that no flow carries, so that every flow is judged again; after 255 they begin anew."""
    if loaded is None:
        return FIRST_REVISION
    taken = in_use() | {loaded.revision}
    following = (loaded.revision % LAST_REVISION + 1 + step for step in range(LAST_REVISION))
    candidates = [(n - 1) % LAST_REVISION + 1 for n in following]
    return next((n for n in candidates if n not in taken), candidates[0])


def is_current(plan: Plan, loaded: kernel.Loaded | None) -> bool:
    """Whether the loaded ruleset came from this plan."""
    return loaded is not None and loaded.digest == plan_digest(plan)


def broker_answers(plan: Plan) -> bool:
    """Whether any of the broker's addresses takes a connection from this host."""
    return any(_answers(address, port) for address, port in _brokers(plan))


def _brokers(plan: Plan) -> Iterator[tuple[str, int]]:
    for group in plan.groups[:1]:
        for reach in group.reaches:
            if reach.name == "broker" and reach.to is not None:
                yield str(reach.to.network_address), reach.port


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=_PROBE_TIMEOUT):
            return True
    except OSError:
        return False
