"""``mqttseg map``: who is in which segment, what passes between segments, and what of it does not fit the policy."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mqttseg.cli.events import SinceOption, moment
from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import say, show, show_json, show_table
from mqttseg.cli.site import compile_site, find_site, near, open_authority
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.map.site_map import SiteMap, Sources

Format = Literal["table", "dot", "mermaid", "html", "json"]
_BY_SUFFIX: dict[str, Format] = {
    ".html": "html",
    ".htm": "html",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".json": "json",
}
_SHOWN = 20


def map_site(
    form: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="What to make; default: by the name of FILE, else a table."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write it; default: stdout.")
    ] = None,
    segment: Annotated[
        str | None, typer.Option("--segment", metavar="NAME", help="Only this segment, and what crosses its border.")
    ] = None,
    since: SinceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg map

    $ mqttseg map -o site.html --since 7d

    $ mqttseg map --format dot

    Draw the site: segments, devices, conduits and what was seen to pass. It lists the devices that were seen and are
    not enrolled here, those enrolled and never seen, flows that no policy line allows, and policy lines that no
    flow uses. The HTML file shows it as a graph to click through, and needs no network.
    """
    from mqttseg.map.site_map import make_map, within

    wanted = form or ("json" if as_json else _BY_SUFFIX.get(out.suffix.lower(), "table") if out else "table")
    site = find_site(config)
    since_at = moment(since, "--since")
    compiled = compile_site(site)
    if segment is not None and segment not in compiled.policy.segments:
        raise typer.BadParameter(f"the policy has no segment {segment!r}", param_hint="--segment")
    made = make_map(compiled, _sources(site, since_at), datetime.now(UTC), since_at)
    _put(wanted, made if segment is None else within(made, segment), out)


def _put(form: Format, site: SiteMap, out: Path | None) -> None:
    if out is None and form == "table":
        _show_tables(site)
    elif out is None and form == "json":
        from mqttseg.map.site_map import as_json

        show_json(as_json(site))
    elif out is None:
        print(_text(form, site), end="")
    else:
        _write(out, _text(form, site))
        say(f"The map is in {out}.")


def _text(form: Format, site: SiteMap) -> str:
    import json

    from mqttseg.map.graphs import dot_text, mermaid_text
    from mqttseg.map.page import page_text
    from mqttseg.map.site_map import as_json

    match form:
        case "dot":
            return dot_text(site)
        case "mermaid":
            return mermaid_text(site)
        case "html":
            return page_text(site)
        case "json":
            return json.dumps(as_json(site), indent=2) + "\n"
    raise typer.BadParameter("a table is for the terminal; write -o FILE.html, .dot, .mmd or .json", param_hint="--out")


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for its owner's eyes only: it tells who is where, and how to reach it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror or error}; name a file that can be written") from error


def _sources(site: Config, since: datetime | None) -> Sources:
    """What was recorded, if anything was yet, and who is enrolled, as far as that can be read."""
    from mqttseg.map.site_map import Sources
    from mqttseg.observe.queries import FlowQuery, read_activity, read_flows

    flows, activity = [], []
    if site.event_store.exists():
        flows = list(read_flows(site.event_store, FlowQuery(since=since)))
        activity = read_activity(site.event_store, since)
    else:
        say(f"Nothing was recorded yet in {near(site.event_store)}; a running broker does that.")
    return Sources(flows, activity, _enrolled(site))


def _enrolled(site: Config) -> set[str] | None:
    """The devices with a certificate that is neither revoked nor expired; None without the authority's records."""
    from mqttseg.pki.records import Status

    try:
        now = datetime.now(UTC)
        return {record.name for record in open_authority(site).list() if record.status(now) is Status.VALID}
    except OperatorError as error:
        say(f"Who is enrolled is not known here: {error}")
        return None


def _show_tables(site: SiteMap) -> None:
    heads = ("segment", "mode", "devices", "seen", "denied", "published", "received")
    show_table(heads, [_zone_row(site, zone.name, zone.mode) for zone in site.zones] + _nowhere(site))
    if site.lines:
        print()
        show_table(
            ("conduit", "from", "to", "messages", "devices"),
            [
                (
                    line.conduit or "none: not allowed",
                    *(end or "no segment" for end in line.ends),
                    *_used(line.count, line.devices),
                )
                for line in site.lines
            ],
        )
    _show_findings(site)


def _used(count: int, devices: int) -> tuple[str, str]:
    return (str(count), str(devices)) if count else ("unused", "")


def _zone_row(site: SiteMap, name: str, mode: str) -> tuple[str, ...]:
    dots = [dot for dot in site.dots if (dot.segment or "") == name]
    seen = sum(dot.last_seen is not None for dot in dots)
    sums = (sum(dot.denied for dot in dots), sum(dot.published for dot in dots), sum(dot.received for dot in dots))
    return (name or "no segment", mode, str(len(dots)), str(seen), *map(str, sums))


def _nowhere(site: SiteMap) -> list[tuple[str, ...]]:
    return [_zone_row(site, "", "")] if any(dot.segment is None for dot in site.dots) else []


def _show_findings(site: SiteMap) -> None:
    _show_list("Seen, and not enrolled here", [dot.id for dot in site.strangers])
    _show_list("Enrolled, and never seen", [dot.id for dot in site.silent])
    _show_list(
        "Flows that no policy line allows",
        [f"{t.flow.device} {t.flow.direction} {t.flow.shape} ({t.reason})" for t in site.uncovered],
    )
    notes = [f"{u.where}: {u.direction} {u.rule}" for u in site.unused]
    _show_list("Policy lines that no flow uses", notes)


def _show_list(title: str, rows: list[str]) -> None:
    if not rows:
        return
    print()
    show(f"{title} ({len(rows)}):")
    for row in rows[:_SHOWN]:
        show("  " + row.replace("\n", "\\n"))
    if len(rows) > _SHOWN:
        show(f"  and {len(rows) - _SHOWN} more: mqttseg map --json")
