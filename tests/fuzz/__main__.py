"""Run every fuzzer for a while: `make fuzz`, or `python -m tests.fuzz [SECONDS]`; FUZZ_SECONDS does the same (60)."""

from __future__ import annotations

import os
import subprocess
import sys

FUZZERS = ("tests.fuzz.fuzz_wire", "tests.fuzz.fuzz_guard")


def main() -> int:
    """Run each for as long as asked; the first that finds something ends the run, and libFuzzer keeps its input."""
    seconds = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("FUZZ_SECONDS", "60"))
    for fuzzer in FUZZERS:
        print(f"{fuzzer} for {seconds} s", file=sys.stderr, flush=True)
        done = subprocess.run([sys.executable, "-m", fuzzer, f"-max_total_time={seconds}"], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
