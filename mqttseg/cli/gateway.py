"""``mqttseg gateway``: the same policy as the network's rules."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import show_json, show_table, warn
from mqttseg.cli.site import compile_site, find_site

if TYPE_CHECKING:
    from mqttseg.gateway.plan import Group, Plan, Reach

app = typer.Typer(no_args_is_help=True)

RevisionOption = Annotated[
    int, typer.Option("--revision", metavar="N", min=1, max=255, help="Marks the flows that this ruleset lets through.")
]


@app.callback()
def gateway() -> None:
    """$ mqttseg gateway plan

    The network's half of the policy, for the gateway that devices sit behind.
    """


@app.command(short_help="Who may reach what on the network.")
def plan(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """$ mqttseg gateway plan

    Show what every segment's devices may reach on the network, and which devices get nothing and why.
    """
    planned = _plan(config)
    if as_json:
        show_json(_as_json(planned))
        return
    rows = [(g.name, str(len(g.devices)), *_reach(r)) for g in planned.groups for r in g.reaches]
    show_table(("group", "devices", "reaches", "port", "as", "from"), rows)
    for item in planned.unbound:
        warn(f"{item.device} ({item.segment}) gets nothing: {item.why} ({item.source})")


@app.command(short_help="Write the rules for a target.")
def render(
    target: Annotated[Literal["nftables"], typer.Argument(metavar="[TARGET]", help="nftables.")] = "nftables",
    revision: RevisionOption = 1,
    config: ConfigOption = None,
) -> None:
    """$ mqttseg gateway render

    Write the rules for a target on stdout, for `sudo nft -f -`; say on stderr which devices get nothing.
    """
    from mqttseg.gateway.nftables.render import render_nftables

    planned = _plan(config)
    for item in planned.unbound:
        warn(f"{item.device} ({item.segment}) gets nothing: {item.why} ({item.source})")
    print({"nftables": render_nftables}[target](planned, revision), end="")


def _plan(config: Path | None) -> Plan:
    from mqttseg.gateway.planning import plan_network

    return plan_network(compile_site(find_site(config)))


def _reach(reach: Reach) -> tuple[str, str, str, str]:
    to = "the gateway" if reach.to is None else str(reach.to)
    return to, f"{reach.transport}/{reach.port}", reach.name, str(reach.source)


def _as_json(planned: Plan) -> dict[str, object]:
    return {
        "interfaces": list(planned.interfaces),
        "admin": list(map(str, planned.admin)),
        "valid_until": planned.valid_until and planned.valid_until.astimezone(UTC).isoformat(),
        "groups": [_group_as_json(group) for group in planned.groups],
        "unbound": [
            {"device": u.device, "segment": u.segment, "why": u.why, "learned": u.learned, "source": str(u.source)}
            for u in planned.unbound
        ],
    }


def _group_as_json(group: Group) -> dict[str, object]:
    return {
        "segment": group.segment,
        "role": group.role or None,
        "mode": "observe" if group.observe else "enforce",
        "devices": [
            {
                "device": d.device,
                "interface": d.interface,
                "port": d.port,
                "mac": d.mac,
                "addresses": list(map(str, d.addresses)),
            }
            for d in group.devices
        ],
        "reaches": [
            {
                "to": str(r.to) if r.to else None,
                "transport": r.transport,
                "port": r.port,
                "as": r.name,
                "observed": r.observed,
                "source": str(r.source),
            }
            for r in group.reaches
        ],
    }
