"""``mqttseg run``: the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.options import ConfigOption
from mqttseg.cli.site import find_site
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    import socket
    from contextlib import AbstractContextManager

    from mqttseg.control.operations import Operations


def run(
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen", metavar="mqtts://HOST:PORT", help="Where to listen, instead of what the configuration says."
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """$ mqttseg run

    $ mqttseg run --listen mqtts://127.0.0.1:8883

    Run the broker until SIGTERM or Ctrl-C. SIGHUP reloads the policy: a bad one changes nothing. When it accepts
    connections it says `mqttseg ready` and where, on stderr.
    """
    site = find_site(config)
    _check_addresses(listen or [])
    from mqttseg.broker.run import serve  # here: amqtt takes half a second that no other command should wait
    from mqttseg.cli.logs import logging_to_stderr
    from mqttseg.control.endpoint import listening

    with (
        logging_to_stderr(),
        listening(site.state) as bound,
    ):  # before anything else: a second broker of this site must not come up at all
        serve(site.path, listen or [], operated=lambda operations, _: _serve_control(operations, bound))


def _serve_control(operations: Operations, bound: socket.socket) -> AbstractContextManager[None]:
    from mqttseg.control.api import create_api
    from mqttseg.control.server import serving

    return serving(create_api(operations), bound)


def _check_addresses(listen: list[str]) -> None:
    from mqttseg.config import parse_endpoint

    for text in listen:
        try:
            parse_endpoint(text)
        except OperatorError as error:
            raise typer.BadParameter(str(error), param_hint="--listen") from None
