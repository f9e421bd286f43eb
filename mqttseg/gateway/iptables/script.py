"""A shell script that loads the rules.

Owns the order of loading, which leaves no gap: new sets under new names, a trial of all rules that changes nothing,
then all chains of ours in one iptables-restore transaction for each IP version, then the jumps to them if they are not
there, then what is left of the plan before. Touches nothing but chains and sets whose names begin with mqttseg, and
those jumps.
"""

from __future__ import annotations

import hashlib

from mqttseg.gateway import expressible
from mqttseg.gateway.iptables.rules import ENTRIES, rules
from mqttseg.gateway.iptables.sets import DIGEST, Sets
from mqttseg.gateway.plan import Plan

_TOOLS = {4: "iptables", 6: "ip6tables"}


def render_iptables(plan: Plan) -> str:
    """The script, for ``sh`` as root. Raises ConfigurationError if the plan pins devices to ports."""
    expressible.refuse(expressible.ports(plan, "iptables"))
    sets = {version: Sets.of(plan, version) for version in _TOOLS}
    lines = _head()
    for version, tool in _TOOLS.items():
        lines += [f"{tool}_rules() {{ cat <<'END'", rules(plan, sets[version]) + "END", "}"]
    lines += _load_sets(sets)
    for flags in ("--test --noflush --wait", "--noflush --wait"):
        lines += [f"{tool}_rules | {tool}-restore {flags}" for tool in _TOOLS.values()]
    for tool in _TOOLS.values():
        lines += [f"hook {tool} {hook} {chain}" for hook, chain in ENTRIES.items()]
    lines += [f"clean {tool}" for tool in _TOOLS.values()]
    lines.append(_CLEAN_SETS)
    text = "\n".join(lines) + "\n"
    return text.replace(DIGEST, hashlib.sha256(text.encode()).hexdigest()[:8])


def _head() -> list[str]:
    return [
        "#!/bin/sh",
        f"# Made by `mqttseg gateway render iptables` from plan {DIGEST}. Change the policy, not this file.",
        "set -eu",
        "for tool in ipset iptables iptables-restore ip6tables ip6tables-restore; do",
        '  command -v "$tool" >/dev/null || { echo "$tool is missing: nothing was changed" >&2; exit 1; }',
        "done",
        _FUNCTIONS,
    ]


def _load_sets(sets: dict[int, Sets]) -> list[str]:
    return ["ipset -exist restore <<'END'", *(line for one in sets.values() for line in one.lines), "END"]


_FUNCTIONS = f"""\
hook() {{
  "$1" -w -C "$2" -j "$3" 2>/dev/null || "$1" -w -I "$2" 1 -j "$3"
}}
clean() {{
  stale=$("$1" -w -S | sed -n 's/^-N \\(mqttseg-[0-9a-f]\\{{8\\}}-.*\\)$/\\1/p' | grep -v '^mqttseg-{DIGEST}-' || true)
  for chain in $stale; do "$1" -w -F "$chain"; done
  for chain in $stale; do "$1" -w -X "$chain"; done
}}"""
_CLEAN_SETS = f"""\
for name in $(ipset list -n | grep '^mqttseg-' | grep -v '^mqttseg-{DIGEST}-' || true); do
  ipset destroy "$name"
done"""
