"""``mqttseg policy learn`` and ``simulate``: what recorded traffic says about policies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import say, show_json, show_table, warn
from mqttseg.cli.site import compile_site, find_site, near
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.learn.draft import Denied, Draft
    from mqttseg.learn.replay import Replayed
    from mqttseg.observe.flows import Flow

DENIED = 4
_MOST_WARNINGS = 20
_MOST_EVENTS = 100_000  # denials to look at


def _period(text: str | None) -> timedelta | None:
    from mqttseg.policy.fields import parse_duration

    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = None
    if not isinstance(seconds, int | float):
        raise typer.BadParameter("write a number with its unit: 30m, 1h or 7d")
    return timedelta(seconds=seconds)


SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="AGE", help="Only what was seen in this last time: 30m, 1h, 7d.", show_default=False
    ),
]


def learn(
    since: SinceOption = None,
    min_devices: Annotated[
        int, typer.Option("--min-devices", metavar="N", min=1, help="Learn what at least so many devices of a role do.")
    ] = 1,
    min_count: Annotated[
        int, typer.Option("--min-count", metavar="N", min=1, help="Learn what was done at least so many times.")
    ] = 3,
    observed: Annotated[
        bool, typer.Option("--observed", help="Learn also what passed only because of observe mode, and mark it.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg policy learn --since 7d --min-devices 2 > learnt.yaml

    $ mqttseg policy learn --observed > learnt.yaml && mqttseg policy diff configs/policy.yaml learnt.yaml

    Print the least policy that allows the traffic that was recorded, with the segments and members of the policy now in
    force. Each line has a comment that says what it rests on. What passed only because of observe mode is put beside it
    as a comment; what was refused is never learnt. A proposal: nothing is changed.
    """
    site = find_site(config)
    made = _draft(site, _period(since), (min_devices, min_count), observed)
    if as_json:
        show_json(_told(made))
    else:
        print(made.text, end="")
    for warning in made.warnings[:_MOST_WARNINGS]:
        warn(warning)
    if len(made.warnings) > _MOST_WARNINGS:
        warn(f"and {len(made.warnings) - _MOST_WARNINGS:,} more like these; --json has them all")


def simulate(
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="The policy to try.", show_default=False)],
    devices: Annotated[
        Path | None,
        typer.Option(
            "--devices", metavar="FILE", help="The inventory; default: devices.yaml beside POLICY, else the site's."
        ),
    ] = None,
    since: SinceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg policy simulate new-policy.yaml

    $ mqttseg policy simulate new-policy.yaml --since 7d --json

    Try a policy against the traffic that was recorded: what would break, for whom and why. Exits with 4 when something
    would, and with 3 when the policy is not valid. Nothing is changed.
    """
    from mqttseg.learn.replay import Outcome, replay
    from mqttseg.policy.compiled import compile_policy
    from mqttseg.policy.load import load_policy

    site = find_site(config)
    beside = policy.parent / "devices.yaml"
    inventory = devices or (beside if beside.exists() else site.devices and near(site.devices))
    candidate = compile_policy(load_policy(policy, inventory), datetime.now(UTC))
    replayed = list(replay(candidate, _flows(site, _period(since))))
    affected = [one for one in replayed if one.outcome is not Outcome.ALLOWED]
    if as_json:
        show_json({"flows": len(replayed), "affected": [one.as_json() for one in affected]})
    else:
        _show(replayed, affected)
    if any(one.outcome in (Outcome.BREAKS, Outcome.IN_PART) for one in affected):
        raise typer.Exit(DENIED)


def _show(replayed: list[Replayed], affected: list[Replayed]) -> None:
    if affected:
        ranked = sorted(affected, key=lambda one: (one.outcome, -one.flow.count))
        heads = ("outcome", "device", "segment", "direction", "topic", "times", "last seen", "why")
        show_table(heads, [_row(one) for one in ranked])
    devices = {one.flow.device for one in affected}
    say(f"{len(affected):,} of {len(replayed):,} recorded flows would not pass as allowed; devices: {len(devices):,}")


def _row(one: Replayed) -> tuple[str, ...]:
    flow = one.flow
    last = f"{flow.last_seen:%Y-%m-%d %H:%M}"
    where = one.segment or "-"
    return str(one.outcome), flow.device, where, str(flow.direction), flow.shape, f"{flow.count}", last, one.why


def _draft(site: Config, since: timedelta | None, support: tuple[int, int], observed: bool) -> Draft:
    from mqttseg.learn.draft import Frame, draft
    from mqttseg.learn.evidence import Support
    from mqttseg.policy.document import read_document

    inventory = read_document(near(site.devices)) if site.devices else None
    frame = Frame(compile_site(site), site.policy.read_text(encoding="utf-8-sig"), inventory)
    flows = _flows(site, since)
    if not flows:
        raise OperatorError("no traffic was recorded in this time; run the broker, or give a longer --since")
    return draft(frame, flows, _denials(site, since), Support(*support), datetime.now(UTC), learn_observed=observed)


def _flows(site: Config, since: timedelta | None) -> list[Flow]:
    from mqttseg.observe.queries import FlowQuery, read_flows

    start = None if since is None else datetime.now(UTC) - since
    return list(read_flows(site.event_store, FlowQuery(since=start)))


def _denials(site: Config, since: timedelta | None) -> list[Denied]:
    """Refused attempts, added up."""
    from mqttseg.learn.draft import Denied
    from mqttseg.observe.events import Kind
    from mqttseg.observe.queries import EventQuery, read_events
    from mqttseg.policy.model import Action

    start = None if since is None else datetime.now(UTC) - since
    counts: dict[tuple[str, str, str, str], int] = {}
    for recorded in read_events(site.event_store, EventQuery(kind=Kind.DENY, since=start, limit=_MOST_EVENTS)):
        event = recorded.event
        if event.observed or not event.device or event.topic is None or event.action not in set(Action):
            continue
        key = event.device, str(event.action), event.topic, str(event.reason)
        counts[key] = counts.get(key, 0) + event.count
    return [
        Denied(device, Action(action), topic, reason, count)
        for (device, action, topic, reason), count in counts.items()
    ]


def _told(made: Draft) -> dict[str, object]:
    lines = [
        {
            "place": learnt.line.place.as_json(),
            "filter": learnt.line.filter,
            "active": learnt.active,
            "devices": sorted(learnt.evidence.devices),
            "count": learnt.evidence.count,
            "observed": learnt.evidence.observed,
            "first_seen": learnt.evidence.first_seen.isoformat(),
            "last_seen": learnt.evidence.last_seen.isoformat(),
        }
        for found in made.proposal.places.values()
        for learnt in found
    ]
    left_out = [
        {"device": one.flow.device, "direction": str(one.flow.direction), "example": one.flow.example, "why": one.why}
        for one in made.proposal.left_out
    ]
    return {"policy": made.text, "lines": lines, "left_out": left_out, "warnings": list(made.warnings)}
