"""Rolls an unconfirmed ruleset back when its time is over.

A process of its own, in a session of its own: neither the end of the command that started it, by SIGKILL or otherwise,
nor the terminal that closes, reaches it. It waits, takes the lock, and loads the snapshot if nobody has confirmed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from mqttseg.gateway.trial import Trials


def start(folder: Path, token: str) -> None:
    """Start the timer of a trial, detached. Returns once it runs."""
    command = [sys.executable, "-m", "mqttseg.gateway.timer", str(folder), token]
    process = subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    if process.stdout is None or not process.stdout.readline():
        raise RuntimeError("the timer that would roll back did not start")
    process.stdout.close()


def main(folder: str, token: str) -> None:
    """Wait for the deadline, then roll back unless confirmed."""
    trials = Trials(Path(folder))
    pending = trials.pending()
    print("waiting", flush=True)
    while pending is not None and pending.token == token:
        left = pending.deadline - time.time()
        if left <= 0:
            trials.roll_back(token=token)
            return
        time.sleep(min(left, 1.0))  # a clock that is set is noticed
        pending = trials.pending()


if __name__ == "__main__":
    main(*sys.argv[1:])
