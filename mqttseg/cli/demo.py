"""``mqttseg demo``: the arguments of the demo."""

from __future__ import annotations

from typing import Annotated

import typer

from mqttseg.cli.options import NoColorOption


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Exit by itself: with 0 when all went as the policy says, else with 1.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=0, max=65535, help="Default: 8883, or a free one when it is taken."),
    ] = None,
    no_color: NoColorOption = False,
) -> None:
    """$ mqttseg demo

    $ mqttseg demo --once

    Make a throw-away site, start the broker, and let real devices try what they may and what they may not. Then it
    stays up to be tried by hand; Ctrl-C ends it and removes everything.
    """
    from mqttseg.demo.run import run_demo  # here: paho and amqtt

    raise typer.Exit(run_demo(once=once, port=port))
