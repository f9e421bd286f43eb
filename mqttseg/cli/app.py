"""The command tree, and how every command ends: its exit code, and errors without a traceback.

Exit codes: 0 done, 1 failed, 2 usage, 3 invalid configuration or policy, 4 denied or a policy test failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from mqttseg import __version__
from mqttseg.cli import ca, demo, device, events, gateway, init, policy, run, status
from mqttseg.cli.map import map_site
from mqttseg.cli.options import ConfigOption, JsonOption, NoColorOption
from mqttseg.cli.output import fail, fail_with_problems, say
from mqttseg.cli.top import top
from mqttseg.cli.usage import in_our_words
from mqttseg.errors import ConfigurationError, MqttsegError

# typer brings its own copy of click or uses the installed one, by its version: either way this is click's UsageError
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

INTERRUPTED = 130
USAGE = 2

app = typer.Typer(
    name="mqttseg",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
)
app.command(short_help="Make a new site: files, authority, certificates.")(init.init)
app.command(short_help="Run the broker.")(run.run)
app.command(short_help="See it work: a throw-away site with real devices.")(demo.demo)
app.command(short_help="See whether the site is in order and the broker is up.")(status.status)
app.command(short_help="See what happened: denials, comings and goings, what was done.")(events.events)
app.command(short_help="See who talks about what.")(events.flows)
app.command("top", short_help="Watch the running broker on one screen.")(top)
app.command("map", short_help="See the site as a picture, and what does not fit the policy.")(map_site)
app.add_typer(ca.app, name="ca", short_help="The certificate authority.")
app.add_typer(device.app, name="device", short_help="Device certificates.")
app.add_typer(policy.app, name="policy", short_help="Check, test and question the policy.")
app.add_typer(gateway.app, name="gateway", short_help="The same policy as the network's rules.")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"mqttseg {__version__}")
        raise typer.Exit


@app.callback()
def root(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    no_color: NoColorOption = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """$ mqttseg init site && cd site && mqttseg run

    MQTT devices in segments: each proves who it is with a certificate, and talks only inside its segment, or
    through conduits that you wrote down.
    """


def run_command(argv: Sequence[str] | None) -> int:
    """Run a command and turn however it ends into an exit code."""
    try:
        code = get_command(app).main(argv, prog_name="mqttseg", standalone_mode=False)
    except ConfigurationError as error:
        return fail_with_problems(error)
    except MqttsegError as error:
        return fail(str(error), error.exit_code)
    except _UsageError as error:
        return _refuse_usage(error)
    except typer.Abort:
        return fail("nothing was entered; nothing was changed", INTERRUPTED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return fail(f"{error.filename or 'the system'}: {error.strerror or error}; nothing more was done", 1)
    return code if isinstance(code, int) else 0


def _refuse_usage(error: Exception) -> int:
    message = getattr(error, "format_message", error.__str__)()
    context = getattr(error, "ctx", None)
    if type(error).__name__.startswith("NoArgsIsHelp"):  # nothing is wrong but that nothing was asked: here is the help
        say(message)
        return USAGE
    command = context.command_path if context is not None else "mqttseg"
    return fail(f"{in_our_words(message)}; see `{command} --help`", USAGE)
