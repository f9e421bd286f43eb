"""The command line: parse, call, print.

Owns arguments, exit codes and what is shown. Refuses to decide anything, and to know how anything is done: every
command is a few calls to the packages below. Start at ``app.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from mqttseg.cli.app import run_command

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mqttseg`` with these arguments (default: the process's own); returns the exit code, never raises."""
    return run_command(argv)
