"""``mqttseg policy apply``: the site's files, put in force in the running broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import say, show, show_json
from mqttseg.cli.site import find_site, near

if TYPE_CHECKING:
    from mqttseg.control.api import Applied


def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg policy apply --dry-run

    $ mqttseg policy apply

    Put the policy, the inventory, the trust bundle and the revocation list in force in the running broker, and say who
    gains (+) and loses (-) what, with an example. Rights change at once, for live sessions too; what is subscribed and
    not allowed any more is withdrawn, devices in no segment are cut, and nobody else notices. Exits with 3 when a
    file is not valid or a test of the policy fails, and with 1 when no broker runs; then nothing was changed.
    """
    from mqttseg.control.client import Client

    site = find_site(config)
    with Client(site.state) as broker:
        applied = broker.apply_policy(dry_run=dry_run)
    if as_json:
        show_json(applied.model_dump() | {"dry_run": dry_run})
        return
    for line in applied.changes:
        show(line)
    say(_outcome(applied, str(near(site.policy)), dry_run))


def _outcome(applied: Applied, policy: str, dry_run: bool) -> str:
    if dry_run:
        return "Nothing was changed." if applied.changes else f"{policy} would change nothing for anybody."
    cut, withdrawn = applied.connections, applied.subscriptions
    effects = [f"{cut} connections cut"] * bool(cut) + [f"{withdrawn} subscriptions withdrawn"] * bool(withdrawn)
    return f"{policy} is in force, revision {applied.revision}" + "".join(f"; {effect}" for effect in effects)
