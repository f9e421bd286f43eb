"""``mqttseg device import``: what is known elsewhere, into devices.yaml."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import say, show, show_json, warn
from mqttseg.cli.site import compile_site, find_site, near
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.gateway.inventory import Import

Format = Literal["leases", "neighbours", "nmap", "csv"]


def import_devices(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file; - is stdin.", show_default=False)],
    kind: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="dnsmasq's leases, `ip -j neigh`, `nmap -oX -` or CSV; default: as the content looks.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg device import inventory.csv

    $ mqttseg device import /var/lib/misc/dnsmasq.leases --dry-run

    Fill in devices.yaml, keeping its comments and whatever somebody wrote. From leases, neighbours and scans, entries
    whose MAC address was seen get their addresses, and unknown devices are listed, never added. From a CSV file of your
    own, whose first line names its columns (device, mac, addresses, interface, port, ...), new devices are added too.
    """
    from mqttseg.pki import files

    site = find_site(config)
    compile_site(site)  # what is wrong already is not ours to edit
    path = site.devices or site.policy.with_name("devices.yaml")
    found = _read(file, kind, path)
    if found.changed:
        _check(site, found.text, path)
        if not dry_run:
            mode = path.stat().st_mode & 0o777 if path.exists() else files.PUBLIC
            files.replace(path, found.text.encode(), mode)
    _tell(found, near(path), as_json=as_json, dry_run=dry_run)


def _read(file: Path, kind: Format | None, inventory: Path) -> Import:
    from mqttseg.gateway.inventory import import_list, import_sightings, read_list
    from mqttseg.gateway.sightings import read_leases, read_neighbours, read_nmap

    origin = "stdin" if str(file) == "-" else str(file)
    text = _text(file)
    kind = kind or _looks_like(text)
    present = inventory.read_text() if inventory.exists() else "version: 1\ndevices: {}\n"
    if kind == "csv":
        return import_list(present, read_list(text, origin))
    readers: dict[str, Callable[[str, str], object]] = {"leases": read_leases, "nmap": read_nmap}
    return import_sightings(present, readers.get(kind, read_neighbours)(text, origin))  # type: ignore[arg-type]  # all of them give sightings


def _text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except UnicodeDecodeError as error:
        raise OperatorError(f"{file}: not a text in UTF-8; give leases, `ip -j neigh`, nmap's XML or CSV") from error
    except OSError as error:
        raise OperatorError(f"{file}: {error.strerror}") from error


def _looks_like(text: str) -> Format:
    start = text.lstrip("\ufeff \n\t")[:1]
    if start == "<":
        return "nmap"
    if start == "[":
        return "neighbours"
    return "leases" if start.isdigit() else "csv"


def _check(site: Config, text: str, path: Path) -> None:
    """ConfigurationError when the file as it would be is not valid."""
    from mqttseg.policy.document import parse_document, read_document
    from mqttseg.policy.load import policy_of

    policy_of(read_document(near(site.policy)), parse_document(text, str(near(path))))


def _tell(found: Import, path: Path, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        parts = {"added": found.added, "filled": found.filled, "kept": found.kept, "unknown": found.unknown}
        show_json({"changed": found.changed and not dry_run, **parts})
        return
    for line in found.added:
        show(f"added {line}")
    for line in found.filled:
        show(f"filled in {line}")
    for line in found.kept:
        warn(f"kept as written: {line}")
    for line in found.unknown:
        say(f"unknown: {line}")
    if not found.changed:
        show("nothing to fill in")
    else:
        show(f"{path} {'would change' if dry_run else 'is changed'}")
