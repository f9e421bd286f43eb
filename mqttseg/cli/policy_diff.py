"""``mqttseg policy diff``: what one policy changes over another."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.options import JsonOption
from mqttseg.cli.output import say, show, show_json

if TYPE_CHECKING:
    from mqttseg.policy.compiled import Compiled

DIFFERENT = 1


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The policy as it is or was.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The policy to compare with it.", show_default=False)],
    devices: Annotated[
        Path | None,
        typer.Option(
            "--devices",
            metavar="FILE",
            help="The inventory for both; default: devices.yaml beside each, if it is there.",
        ),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 when anything changes, as diff does.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg policy diff configs/policy.yaml new-policy.yaml

    $ mqttseg policy diff old.yaml new.yaml --json --exit-code

    Show what changes when NEW takes the place of OLD: who gains (+) and loses (-) which topics, each with one as an
    example, which devices move (>), and which settings differ (~). Compared is what the policies mean, not how they
    are written. Exits with 0 in either case, and with 3 when one of the two is not valid.
    """
    from mqttseg.policy.difference import difference

    found = difference(_compiled(old, devices), _compiled(new, devices))
    if as_json:
        show_json(found.as_json())
    for line in () if as_json else found.lines():
        show(line)
    if found.empty:
        say(f"{old} and {new} mean the same")
    elif exit_code:
        raise typer.Exit(DIFFERENT)


def _compiled(file: Path, devices: Path | None) -> Compiled:
    from mqttseg.policy.compiled import compile_policy
    from mqttseg.policy.load import load_policy

    beside = file.parent / "devices.yaml"
    if devices is None and beside.exists():
        devices = beside
    return compile_policy(load_policy(file, devices), datetime.now(UTC))
