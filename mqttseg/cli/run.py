"""``mqttseg run``: the broker, and its log."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.options import ConfigOption
from mqttseg.cli.site import find_site
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    import socket
    from contextlib import AbstractContextManager

    from mqttseg.control.operations import Operations

_EVENTS = "mqttseg.events"
_SAID_BY_THE_COMMAND = "mqttseg.broker.plugin"  # why it cannot start, which under a stock amqtt nobody else says
_LOUD = ("amqtt", "transitions", "asyncio", "passlib")


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
    set_up_logging()
    from mqttseg.broker.run import serve  # here: amqtt takes half a second that no other command should wait
    from mqttseg.control.endpoint import listening

    with listening(site.state) as bound:  # before anything else: a second broker of this site must not come up at all
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


def set_up_logging() -> None:
    """Log to stderr: lines for a person on a terminal, JSON lines off it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LineFormatter() if sys.stderr.isatty() else _JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_SAID_BY_THE_COMMAND).disabled = True


class _LineFormatter(logging.Formatter):
    """Time, level if it is one to notice, text."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(mark)s%(message)s%(unmark)s", datefmt="%H:%M:%S")
        self._colors = {} if os.environ.get("NO_COLOR") else {logging.WARNING: "33", logging.ERROR: "31"}

    def format(self, record: logging.LogRecord) -> str:
        color = self._colors.get(min(record.levelno, logging.ERROR))
        record.mark, record.unmark = (f"\x1b[{color}m", "\x1b[0m") if color else ("", "")
        return super().format(record)


class _JsonFormatter(logging.Formatter):
    """One object a line. An event is one already: its fields stand beside those of every line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {"time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")}
        fields |= {"level": record.levelname.lower(), "logger": record.name}
        if record.name == _EVENTS:
            return json.dumps(fields | json.loads(record.getMessage()))
        fields["message"] = record.getMessage()
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)
