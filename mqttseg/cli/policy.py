"""``mqttseg policy``: is it right, does it hold what it must, and why is this allowed or denied."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import fail, fail_with_problems, say, show, show_json, show_table, warn
from mqttseg.cli.policy_apply import apply
from mqttseg.cli.policy_diff import diff
from mqttseg.cli.policy_learn import learn, simulate
from mqttseg.cli.site import compile_site, find_site
from mqttseg.errors import ConfigurationError

if TYPE_CHECKING:
    from mqttseg.errors import Problem, Source
    from mqttseg.policy.check import Failure
    from mqttseg.policy.compiled import Compiled

DENIED = 4

app = typer.Typer(no_args_is_help=True)


@app.callback()
def policy() -> None:
    """$ mqttseg policy explain cam-1 publish hvac/all/off

    Check the policy, run its tests, and ask it why.
    """


@app.command(short_help="Check a policy and its tests, as the broker does before it takes it.")
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The policy; default: the site's.", show_default=False)
    ] = None,
    devices: Annotated[
        Path | None,
        typer.Option(
            "--devices", metavar="FILE", help="The inventory; default: devices.yaml beside FILE, if it is there."
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg policy check

    $ mqttseg policy check new-policy.yaml --devices configs/devices.yaml

    Check a policy and run its tests; warn of what is valid and probably not meant. Exits with 3 when it is not
    valid, after saying everything that is wrong with it, and with 4 when one of its tests fails.
    """
    from mqttseg.policy.check import run_tests

    try:
        compiled = _compiled(file, devices, config)
    except ConfigurationError as error:
        if as_json:
            show_json({"ok": False, "problems": [_problem(item) for item in error.problems]})
        raise typer.Exit(fail_with_problems(error)) from None
    failures, advice = run_tests(compiled), _advice(compiled)
    for item in advice:
        warn(str(item))
    if as_json:
        found = {"failures": [failure.as_json() for failure in failures], "advice": [_problem(item) for item in advice]}
        show_json({"ok": not failures, **summary(compiled), **found})
    elif not failures:
        show(f"{compiled.policy.source.file} is valid, and its tests hold: {counts(compiled)}")
    _report(failures)


@app.command("test", short_help="Run the policy's tests, one by one.")
def run_policy_tests(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """$ mqttseg policy test

    Run the tests that the policy itself holds, and show each. Exits with 4 when one fails.
    """
    from mqttseg.policy.check import run_tests

    compiled = compile_site(find_site(config))
    failures = run_tests(compiled)
    if as_json:
        tests = {"tests": summary(compiled)["tests"], "failures": [failure.as_json() for failure in failures]}
        show_json({"ok": not failures, **tests})
    else:
        failed = {failure.source for failure in failures}
        rows = [("failed" if source in failed else "ok", what, str(source)) for what, source in _tests(compiled)]
        if not rows:
            say("The policy holds no tests; write some under `tests:`, for what must never change unnoticed.")
        else:
            show_table(("result", "test", "where"), rows)
    _report(failures)


@app.command(short_help="Why a device may, or may not.")
def explain(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="The device.", show_default=False)],
    action: Annotated[
        Literal["publish", "subscribe", "receive"],
        typer.Argument(metavar="ACTION", help="publish, subscribe or receive.", show_default=False),
    ],
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", help="The topic; a filter to subscribe.", show_default=False)
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg policy explain cam-1 publish hvac/all/off

    $ mqttseg policy explain etl-1 subscribe 'hvac/+/telemetry/#' --json

    Say whether a device may do something, and which line of the policy decides. Exits with 4 when it may not.
    """
    from mqttseg.policy.check import explain as explain_decision
    from mqttseg.policy.model import Action

    explanation = explain_decision(compile_site(find_site(config)), device, Action(action), topic)
    if as_json:
        show_json(explanation.as_json())
    else:
        show(str(explanation))
    if not explanation.decision.passes:
        raise typer.Exit(DENIED)


app.command(short_help="What one policy changes over another: who gains and loses what.")(diff)
app.command(short_help="Put the policy in force in the running broker.")(apply)
app.command(short_help="Draw a policy from recorded traffic.")(learn)
app.command(short_help="Try a policy against recorded traffic: what would break, for whom.")(simulate)


@app.command(short_help="Print the JSON Schema of a file.")
def schema(
    which: Annotated[
        Literal["policy", "devices", "config"], typer.Argument(metavar="[FILE]", help="policy, devices or config.")
    ] = "policy",
) -> None:
    """$ mqttseg policy schema devices > configs/devices.schema.json

    Print the JSON Schema of policy.yaml, devices.yaml or mqttseg.yaml, for editors that complete and check.
    """
    from mqttseg.config import config_schema
    from mqttseg.policy.schema import devices_schema, policy_schema

    schemas = {"policy": policy_schema, "devices": devices_schema, "config": config_schema}
    print(json.dumps(schemas[which](), indent=2))


def summary(compiled: Compiled) -> dict[str, int]:
    """How much there is of everything."""
    policy = compiled.policy
    return {
        "segments": len(policy.segments),
        "conduits": len(policy.conduits),
        "devices": len(policy.devices),
        "tests": len(policy.expectations) + len(policy.isolations),
    }


def counts(compiled: Compiled) -> str:
    """The same in words."""
    return ", ".join(f"{count} {name[:-1] if count == 1 else name}" for name, count in summary(compiled).items())


def _compiled(file: Path | None, devices: Path | None, config: Path | None) -> Compiled:
    from mqttseg.policy.compiled import compile_policy
    from mqttseg.policy.load import load_policy

    if file is None:
        site = find_site(config)
        if devices is None:
            return compile_site(site)
        file = site.policy
    beside = file.parent / "devices.yaml"
    if devices is None and beside.exists():
        devices = beside
    return compile_policy(load_policy(file, devices), datetime.now(UTC))


def _advice(compiled: Compiled) -> list[Problem]:
    from mqttseg.policy.advice import advise, advise_of_text

    file = Path(compiled.policy.source.file)
    found = advise(compiled, datetime.now(UTC))
    if file.is_file():  # a pipe has nothing more to say
        found += advise_of_text(file.read_text(encoding="utf-8-sig"), str(file))
    return found


def _tests(compiled: Compiled) -> list[tuple[str, Source]]:
    """Every test in words, in file order."""
    policy = compiled.policy
    isolations = [(f"{', '.join(test.segments)} are isolated", test.source) for test in policy.isolations]
    expectations = [
        (f"{test.device} {'can' if test.can else 'cannot'} {test.action} {test.topic}", test.source)
        for test in policy.expectations
    ]
    return sorted([*isolations, *expectations], key=lambda item: (item[1].line, item[1].column))


def _report(failures: list[Failure]) -> None:
    for failure in failures:
        fail(str(failure), DENIED)
    if failures:
        raise typer.Exit(DENIED)


def _problem(problem: Problem) -> dict[str, object]:
    place = problem.source
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "what": problem.what,
        "remedy": problem.remedy,
    }
