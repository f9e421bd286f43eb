"""A whole nftables file for a plan.

Owns the transaction: every table of ours is made, deleted and made again, so that the file loads the same whether
there was one before, and no packet ever meets half of it. Same plan, same bytes, but for the revision.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from mqttseg.gateway.nftables.identities import Identities, identities_by_holder
from mqttseg.gateway.nftables.inet import inet_table
from mqttseg.gateway.nftables.link import link_table
from mqttseg.gateway.nftables.text import Table
from mqttseg.gateway.plan import Plan

FIRST_REVISION = 1
LAST_REVISION = 255  # eight bits of the ct mark; 0 is the mark of a flow that nobody judged


def render_nftables(plan: Plan, revision: int = FIRST_REVISION) -> str:
    """The file for ``nft -f``. ``revision`` is 1 to 255, unlike that of the ruleset it replaces."""
    if not FIRST_REVISION <= revision <= LAST_REVISION:
        raise ValueError(f"revision {revision} is outside {FIRST_REVISION} to {LAST_REVISION}")
    identities = identities_by_holder(plan)
    digest = _digest(plan, identities) if not _has_learned(plan) else plan_digest(plan)
    return _text(_tables(plan, identities, revision, f"mqttseg rev {revision} plan {digest}"), digest)


def plan_digest(plan: Plan) -> str:
    """Twelve hex digits that say which policy and inventory a ruleset came from, whatever its revision.

    Devices whose addresses are learned do not count: they come and go while the ruleset stays.
    """
    written = [replace(g, devices=tuple(d for d in g.devices if not d.learned)) for g in plan.groups]
    known = replace(plan, groups=tuple(written))
    return _digest(known, identities_by_holder(known))


def _has_learned(plan: Plan) -> bool:
    return any(device.learned for _, device in plan.devices())


def _digest(plan: Plan, identities: Identities) -> str:
    text = _text(_tables(plan, identities, FIRST_REVISION, ""), "")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _tables(plan: Plan, identities: Identities, revision: int, comment: str) -> list[Table]:
    return [inet_table(plan, identities, revision, comment), *link_table(plan, identities, comment)]


def _text(tables: list[Table], digest: str) -> str:
    # the bridge table goes even when this plan needs none: an older one may have had it
    lines = [
        "#!/usr/sbin/nft -f",
        f"# Made by `mqttseg gateway render` from plan {digest}. Change the policy, not this file.",
    ]
    for family in ("inet", "bridge"):
        lines += [f"table {family} mqttseg", f"delete table {family} mqttseg"]
    for table in tables:
        lines += table.lines()
    return "\n".join(lines) + "\n"
