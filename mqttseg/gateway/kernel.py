"""The kernel's nftables, through nft(8): check, load, list.

The only module of the package that changes this host. Owns running nft and saying in the operator's words why it
failed. Reads and writes our own tables only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mqttseg.errors import OperatorError

TABLES = (("inet", "mqttseg"), ("bridge", "mqttseg"))
_SBIN = ("/usr/sbin", "/sbin")  # not on everybody's PATH
_TIMEOUT = 300.0
_COMMENT = re.compile(r'comment "mqttseg rev (\d+) plan ([0-9a-f]+)"')
_CONNTRACK = Path("/proc/net/nf_conntrack")
_MARK = re.compile(r" mark=(\d+)")


class NftError(OperatorError):
    """nft refused or failed; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The ruleset of ours that is loaded: its revision and the digest of the plan it came from."""

    revision: int
    digest: str


def check(ruleset: str) -> None:
    """Let nft check a ruleset against this kernel. NftError when it would not load."""
    _nft("-c", "-f", "-", text=ruleset)


def load(ruleset: str) -> None:
    """Load a ruleset, all of it or nothing. NftError when it does not load."""
    _nft("-f", "-", text=ruleset)


def loaded() -> Loaded | None:
    """What is loaded, or None when there is no table of ours."""
    text = _listing("inet", "mqttseg", "-t")
    if text is None:
        return None
    found = _COMMENT.search(text)
    return Loaded(int(found[1]), found[2]) if found else Loaded(0, "")


def snapshot() -> str:
    """A ruleset that brings back what is loaded now, without the counts."""
    lines = []
    for family, name in TABLES:
        lines += [f"table {family} {name}", f"delete table {family} {name}"]
        lines.append(_listing(family, name) or "")
    return "\n".join(line for line in lines if line) + "\n"


def listing() -> str:
    """Our tables as nft writes them, without the counts; empty when there are none."""
    return "".join(_listing(family, name) or "" for family, name in TABLES)


def canonical(ruleset: str) -> str:
    """A ruleset as nft would list it once loaded: loaded in an empty network namespace, and nowhere else."""
    script = "nft -f - && nft -s list ruleset"
    return _run(["unshare", "-n", "sh", "-c", script], ruleset)


def counters() -> dict[str, int]:
    """Packets by counter name, of the table of routed packets."""
    told = json.loads(_nft("-j", "list", "counters", "table", "inet", "mqttseg"))
    return {item["counter"]["name"]: int(item["counter"]["packets"]) for item in told["nftables"] if "counter" in item}


def elements(family: str, table: str, name: str) -> str:
    """A set with its elements, as nft's JSON."""
    return _nft("-j", "list", "set", family, table, name)


def has_table(family: str, name: str) -> bool:
    """Whether a table exists."""
    return _listing(family, name, "-t") is not None


def marks_in_use() -> frozenset[int]:
    """Revisions that some tracked flow still carries; empty where the kernel does not show its flows."""
    try:
        with _CONNTRACK.open() as flows:
            return frozenset(int(found[1]) >> 24 for line in flows if (found := _MARK.search(line)))
    except OSError:
        return frozenset()


def _listing(family: str, name: str, *options: str) -> str | None:
    try:
        return _nft("-s", *options, "list", "table", family, name)
    except NftError as error:
        if "No such file or directory" in str(error):
            return None
        raise


def _nft(*arguments: str, text: str | None = None) -> str:
    return _run(["nft", *arguments], text)


def _run(command: Sequence[str], text: str | None) -> str:
    path = os.pathsep.join((os.environ.get("PATH", ""), *_SBIN))
    program = shutil.which(command[0], path=path)
    if program is None:
        raise NftError(f"{command[0]} is not installed; install the package {_PACKAGES.get(command[0], command[0])}")
    environment = {**os.environ, "PATH": path, "LC_ALL": "C"}
    line = [program, *command[1:]]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; what it reads is a ruleset we made
            line, input=text, capture_output=True, text=True, check=False, timeout=_TIMEOUT, env=environment
        )
    except subprocess.TimeoutExpired:
        raise NftError(f"{command[0]} did not end within {_TIMEOUT:.0f} s; nothing was changed") from None
    if done.returncode:
        raise NftError(_why(command, done.stderr))
    return done.stdout


_PACKAGES = {"nft": "nftables", "unshare": "util-linux"}


def _why(command: Sequence[str], told: str) -> str:
    if "Operation not permitted" in told and os.geteuid() != 0:
        return "this needs root; run the same command with sudo"
    first = next((line for line in told.splitlines() if line.strip()), "it said nothing")
    return f"{command[0]}: {first.removeprefix('/dev/stdin:')}; nothing was changed"
