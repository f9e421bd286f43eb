"""``mqttseg top``: a running broker on one screen, live on a terminal and once off it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import show_json
from mqttseg.cli.site import find_site

if TYPE_CHECKING:
    from mqttseg.cli.screen import Look
    from mqttseg.config import Config
    from mqttseg.control.client import Client

FIRST_RATE = 1.0
"""Seconds between the two looks that a rate needs, where nobody waits for a third."""

OFF_TERMINAL = 120
"""Columns where nobody says how many there are."""

_EVENTS = 50


def top(
    interval: Annotated[
        float, typer.Option("--interval", "-n", metavar="SECONDS", min=0.2, max=3600, help="Between two looks.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once; so it is where there is no terminal.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg top

    $ mqttseg top --once

    Watch a running broker: devices connected in each segment, messages per second, what was denied and why, the
    busiest devices, the latest events, who is in quarantine, which certificates expire next. Leave it with q or Ctrl-C.
    Exits with 1 when no broker of this site runs here.
    """
    from mqttseg.control.client import Client

    site = find_site(config)
    with Client(site.state) as client:
        if once or as_json or not (sys.stdout.isatty() and sys.stdin.isatty()):
            _show_once(site, client, as_json=as_json)
        else:
            _watch(site, client, interval)


def _show_once(site: Config, client: Client, *, as_json: bool) -> None:
    from rich.console import Console

    from mqttseg.cli.screen import look_json, screen

    before = _look(site, client)
    time.sleep(FIRST_RATE)
    now = _look(site, client)
    if as_json:
        show_json(look_json(before, now))
        return
    columns = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else OFF_TERMINAL
    console = Console(width=columns)
    console.print(screen(before, now, console.width, None))


def _watch(site: Config, client: Client, interval: float) -> None:
    from rich.console import Console
    from rich.live import Live

    from mqttseg.cli.screen import screen

    console = Console()
    before = now = _look(site, client)
    wait = min(FIRST_RATE, interval)
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(screen(before, now, console.width, console.height), refresh=True)
            if pressed(wait):
                return
            wait = interval
            before, now = now, _look(site, client)


def _look(site: Config, client: Client) -> Look:
    from mqttseg.cli.screen import Look
    from mqttseg.errors import OperatorError
    from mqttseg.observe.queries import EventQuery, read_events

    status, out = client.status(), client.quarantines().quarantines
    try:
        events = read_events(site.event_store, EventQuery(limit=_EVENTS))
    except OperatorError:  # the rest is worth seeing without them
        events = []
    return Look(status, tuple(out), tuple(events), time.monotonic())


@contextmanager
def _keys() -> Iterator[Pressed]:
    """Reads keys as they are pressed, unseen; the terminal is as it was at the end."""
    import termios
    import tty

    terminal = sys.stdin.fileno()
    settings = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield Pressed(terminal)
    except KeyboardInterrupt:  # a way to leave like any
        return
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, settings)


class Pressed:
    """Whether q was pressed within so many seconds."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal

    def __call__(self, seconds: float) -> bool:
        import select

        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._terminal], [], [], left)
            if ready:
                keys = os.read(self._terminal, 64)
                if not keys or set(keys) & set(b"qQ\x03\x04"):
                    return True
        return False
