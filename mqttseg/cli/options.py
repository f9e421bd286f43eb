"""Options that several commands share. Those of the root count for every command below it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer


def _or_root(context: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    return value or context.find_root().params.get(param.name or "")


def _drop_color(wanted: bool) -> None:
    if wanted:
        os.environ["NO_COLOR"] = "1"


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        callback=_or_root,
        help="mqttseg.yaml of the site; else $MQTTSEG_CONFIG, ./configs/mqttseg.yaml, /etc/mqttseg/mqttseg.yaml, "
        "/etc/mqttseg/configs/mqttseg.yaml.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", callback=_or_root, help="Print JSON.")]
NoColorOption = Annotated[
    bool, typer.Option("--no-color", callback=_drop_color, help="Plain text; so does NO_COLOR in the environment.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where to put the files; default: certs/devices.")
]
DaysOption = Annotated[
    int | None, typer.Option("--days", metavar="N", min=1, help="Days until it expires; default: 365.")
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Holds the passphrase of the authority's key, where there is one; else it is asked for.",
    ),
]
DeviceArgument = Annotated[str, typer.Argument(metavar="ID", help="The device.", show_default=False)]
