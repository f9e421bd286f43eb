"""The demo from start to Ctrl-C."""

from __future__ import annotations

import shlex
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from rich.console import Console
from rich.text import Text

from mqttseg.clients import mosquitto_pub, mosquitto_sub, paho_pub, paho_sub
from mqttseg.demo.attempt import reason_of
from mqttseg.demo.broker import DemoBroker, Event, running_broker
from mqttseg.demo.scenario import Scenario
from mqttseg.demo.site import HOST, DemoSite, throw_away_site
from mqttseg.demo.table import AttemptTable

DEFAULT_PORT = 8883
_SURPRISED = 1


def run_demo(*, once: bool, port: int | None) -> int:
    """Run the demo; returns the exit code. ``port`` None: the usual one, or a free one when it is taken."""
    console = Console(highlight=False)
    try:
        with _ended_by_signals(), throw_away_site() as site:
            return _run(console, site, once, [DEFAULT_PORT, 0] if port is None else [port])
    except KeyboardInterrupt:
        console.print("\nThe broker is stopped, and everything is removed.")
        return 0


def _run(console: Console, site: DemoSite, once: bool, ports: Sequence[int]) -> int:
    with _broker_on_any(site, ports) as broker:
        console.print(_introduction(site, broker), soft_wrap=True)
        with closing(Scenario(site, broker)) as scenario:
            scenario.connect()
            console.print(f"Connected over mutual TLS: {', '.join(scenario.devices)}", soft_wrap=True)
            surprises = _play(console, scenario)
        if not once:
            _stay_up(console, site, broker)
    return _SURPRISED if surprises else 0


@contextmanager
def _broker_on_any(site: DemoSite, ports: Sequence[int]) -> Iterator[DemoBroker]:
    """The broker on the first of these ports that it can have. OperatorError when it can have none."""
    with ExitStack() as stack:
        for port in ports:
            broker = stack.enter_context(running_broker(site, port))
            if broker.is_up() or port == ports[-1]:
                break
        yield broker


def _introduction(site: DemoSite, broker: DemoBroker) -> Text:
    policy = site.compiled.policy
    flows = ", ".join(f"{c.name}: {c.origin} to {c.target}" for c in policy.conduits.values())
    text = f"A throw-away site in {site.root}, its broker on mqtts://{HOST}:{broker.port}\n"
    return Text(f"{text}Segments: {', '.join(policy.segments)}. Conduits, one way: {flows}")


def _play(console: Console, scenario: Scenario) -> int:
    """Everything that is tried; returns how often it went otherwise than the policy says."""
    with AttemptTable(console) as table:
        for attempt in scenario.attempts():
            table.begin(attempt)
            table.end(attempt, attempt.make())
    went = f"{table.total - table.surprises} of {table.total} went as the policy says."
    console.print(Text(went, style="bold red" if table.surprises else "bold green"))
    return table.surprises


def _stay_up(console: Console, site: DemoSite, broker: DemoBroker) -> None:
    console.print()
    for title, command in _commands(site, broker.port):
        console.print(Text(title, style="bold"))
        console.print(Text(f"  {command}"), soft_wrap=True)  # unbroken, to be copied
    console.print("\nWhat the broker reports comes here. Ctrl-C ends the demo and removes everything.")
    for event in broker.follow(broker.mark()):
        if event["kind"] != "disconnect":
            console.print(_report(event), soft_wrap=True)
    console.print("The broker has ended.")


def _commands(site: DemoSite, port: int) -> Iterator[tuple[str, str]]:
    has_clients = shutil.which("mosquitto_pub") is not None
    publish, subscribe = (mosquitto_pub, mosquitto_sub) if has_clients else (paho_pub, paho_sub)
    thermo, etl, cam = (site.credentials(device_id, port) for device_id in ("thermo-1", "etl-1", "cam-1"))
    yield "Listen as etl-1, in a second terminal:", subscribe(etl, "hvac/+/telemetry/#")
    yield "Publish as thermo-1, through the conduit:", publish(thermo, "hvac/thermo-1/telemetry/temp", "22.0")
    foreign = "hvac/thermo-1/cmd/off"  # not a topic of the scenario, whose repeated events the broker would only count
    yield "Publish as cam-1 into a segment that is not its own:", publish(cam, foreign, "now")
    tries = {
        "Ask why:": ("policy", "explain", "cam-1", "publish", foreign),
        "See what happened:": ("events", "--denied"),
        "Put cam-1 out, at once and until it is released:": ("device", "quarantine", "cam-1", "--why", "I try it"),
        "Watch:": ("top",),
    }
    for title, words in tries.items():
        yield title, shlex.join(site.command(*words))


def _report(event: Event) -> Text:
    who = event.get("device") or event.get("address") or "broker"
    did = " ".join(str(event[key]) for key in ("action", "topic") if event.get(key))
    text = Text(f"{str(event['time'])[11:19]} {event['kind']:<10} {who:<10} {did}".rstrip())
    if event["reason"] != "ok":
        text.append(f"  {reason_of(event)}", "red")
    return text


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that is closed, end the demo as Ctrl-C does: with everything removed."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
