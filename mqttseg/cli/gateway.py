"""``mqttseg gateway``: the same policy as the network's rules."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.gateway_quarantine import follow_register
from mqttseg.cli.gateway_sync import sync
from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import say, show, show_json, show_table, warn
from mqttseg.cli.site import compile_site, find_site
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mqttseg.gateway.drift import Drift
    from mqttseg.gateway.plan import Group, Plan, Reach
    from mqttseg.gateway.trial import Trials

DRIFTED = 4

app = typer.Typer(no_args_is_help=True)

RevisionOption = Annotated[
    int, typer.Option("--revision", metavar="N", min=1, max=255, help="Marks the flows that this ruleset lets through.")
]
app.command(short_help="Learn the addresses that the inventory leaves open.")(sync)


def _known_target(name: str) -> str:
    from mqttseg.gateway.targets import targets

    if name not in targets():
        raise typer.BadParameter(f"{name} is no target; use one of: {', '.join(targets())}")
    return name


TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="[TARGET]",
        help="nftables, iptables, openwrt, mikrotik, mud, or aerleon:VENDOR.",
        callback=_known_target,
    ),
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
    warn_of_unbound(planned)


@app.command(short_help="Write the rules for a target.")
def render(
    target: TargetArgument = "nftables",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write files there instead of to stdout.")
    ] = None,
    pinned_elsewhere: Annotated[
        bool,
        typer.Option("--pinned-elsewhere", help="The switch pins devices to ports and addresses; leave that out."),
    ] = False,
    mud_url: Annotated[
        str, typer.Option("--mud-url", metavar="URL", help="Where MUD files will be served from: an https directory.")
    ] = "",
    revision: RevisionOption = 1,
    config: ConfigOption = None,
) -> None:
    """$ mqttseg gateway render

    Write the rules for a target on stdout, for `sudo nft -f -`; say on stderr which devices get nothing. What a target
    cannot express is an error that names the line of the policy. docs/how-to/other-firewalls.md has the targets.
    """
    if target == "mud" and out is None:
        raise typer.BadParameter("MUD files are one for each model: say where with --out DIR", param_hint="--out")
    from mqttseg.gateway.targets import Options
    from mqttseg.gateway.targets import render as rendered

    planned = _plan(config)
    options = Options(revision=revision, pinned_elsewhere=pinned_elsewhere, mud_url=mud_url, now=datetime.now(UTC))
    files = rendered(planned, target, options)
    warn_of_unbound(planned)
    if planned.valid_until:
        warn(f"a conduit ends at {planned.valid_until.astimezone(UTC).isoformat()}: render again then")
    if out is not None:
        _write(files, out)
    else:
        print("".join(files.values()), end="")


def _write(files: Mapping[str, str], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
            show(str(folder / name))
    except OSError as error:
        raise OperatorError(f"{error.filename}: {error.strerror}; choose another directory with --out") from error


@app.command(short_help="Whether the kernel would take the rules.")
def check(config: ConfigOption = None) -> None:
    """$ mqttseg gateway check

    Let nft check the rules against this host's kernel, and the inventory against its interfaces. Changes nothing.
    """
    from mqttseg.gateway import kernel
    from mqttseg.gateway.apply import next_revision
    from mqttseg.gateway.nftables.render import render_nftables

    planned = _plan(config)
    warn_of_unbound(planned)
    kernel.check(render_nftables(planned, next_revision(kernel.loaded())))
    show("nft takes the rules")


@app.command(short_help="Load the rules, for as long as somebody confirms them.")
def apply(
    confirm: Annotated[
        int,
        typer.Option(
            "--confirm", metavar="SECONDS", min=0, help="Roll back unless confirmed within this time; 0: keep at once."
        ),
    ] = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg gateway apply --confirm 60

    Load the rules on this host in one step. Unless `mqttseg gateway confirm` follows in time, what was loaded before
    comes back by itself, also when this command is killed or the terminal closes. Who is in quarantine is out before.
    """
    from mqttseg.gateway.apply import apply as load_plan

    planned = _plan(config)
    warn_of_unbound(planned)
    if dry_run:
        _show_differences(_drift(planned), as_json=as_json)
        return
    follow_register(find_site(config), compile_site(find_site(config)))
    done = load_plan(planned, _trials(config), confirm_within=confirm)
    if not done.broker_answers:
        warn("the broker does not answer this host; it did not before, either")
    if as_json:
        deadline = done.pending and done.pending.deadline
        show_json({"revision": done.revision, "confirm_by": deadline, "broker_answers": done.broker_answers})
    elif done.pending:
        show(f"revision {done.revision} is loaded; keep it with `mqttseg gateway confirm` within {confirm} s")
    else:
        show(f"revision {done.revision} is loaded and kept")


@app.command(short_help="Keep the rules that were applied.")
def confirm(config: ConfigOption = None) -> None:
    """$ mqttseg gateway confirm

    Keep what `gateway apply` loaded. Exits with 1 when nothing waits, because it was rolled back already.
    """
    pending = _trials(config).confirm()
    show(f"revision {pending.revision} is kept")


@app.command(short_help="Go back to the rules before the last apply.")
def rollback(config: ConfigOption = None) -> None:
    """$ mqttseg gateway rollback

    Load what was loaded before the last `gateway apply`, confirmed or not.
    """
    _trials(config).roll_back()
    show("the rules before the last apply are loaded again")


@app.command(short_help="What is loaded, and what it dropped.")
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """$ mqttseg gateway status

    Show what is loaded, whether it is the policy's, who waits for a confirmation, and what was dropped.
    """
    from mqttseg.gateway import kernel, quarantine
    from mqttseg.gateway.apply import is_current

    planned, loaded, pending = _plan(config), kernel.loaded(), _trials(config).pending()
    counts = kernel.counters() if loaded else {}
    if as_json:
        show_json(
            {
                "loaded": loaded and {"revision": loaded.revision, "plan": loaded.digest},
                "current": is_current(planned, loaded),
                "confirm_by": pending and pending.deadline,
                "dropped": counts,
                "quarantine": {name: sorted(held) for name, held in quarantine.held().items()},
                "unbound": [item.device for item in planned.unbound],
            }
        )
        return
    warn_of_unbound(planned)
    if loaded is None:
        show("nothing of ours is loaded; `mqttseg gateway apply` loads it")
        return
    fits = "from this policy" if is_current(planned, loaded) else "not from this policy: apply it, or see gateway drift"
    show(f"revision {loaded.revision} is loaded, {fits}")
    if pending:
        show(f"it waits for `mqttseg gateway confirm`, {max(0, round(pending.deadline - time.time()))} s more")
    show_table(("dropped or recorded", "packets"), [(name, str(count)) for name, count in counts.items() if count])


@app.command(short_help="How what is loaded differs from the policy.")
def drift(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """$ mqttseg gateway drift

    Compare what is loaded with what the policy says, line by line. Exits with 4 when they differ.
    """
    found = _drift(_plan(config))
    _show_differences(found, as_json=as_json)
    if found:
        raise typer.Exit(DRIFTED)


def _drift(planned: Plan) -> list[Drift]:
    from mqttseg.gateway import kernel
    from mqttseg.gateway.drift import differences
    from mqttseg.gateway.nftables.render import render_nftables

    loaded = kernel.loaded()
    revision = loaded.revision if loaded and loaded.revision else 1
    return differences(kernel.canonical(render_nftables(planned, revision)), kernel.listing())


def _show_differences(found: list[Drift], *, as_json: bool) -> None:
    if as_json:
        show_json([{"where": d.where, "line": d.line, "missing": d.missing} for d in found])
    elif not found:
        show("what is loaded is what the policy says")
    else:
        say("- is in the policy and not loaded, + is loaded and not in the policy")
        for item in found:
            show(str(item))


def warn_of_unbound(planned: Plan) -> None:
    """Say which devices get nothing."""
    for item in planned.unbound:
        warn(f"{item.device} ({item.segment}) gets nothing: {item.why} ({item.source})")


def _trials(config: Path | None) -> Trials:
    from mqttseg.gateway.trial import Trials

    return Trials(find_site(config).state / "gateway")


def _plan(config: Path | None) -> Plan:
    from mqttseg.gateway.planning import plan_network
    from mqttseg.gateway.sync import LearnedAddresses

    site = find_site(config)
    return plan_network(compile_site(site), LearnedAddresses(site.state / "gateway").read())


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
