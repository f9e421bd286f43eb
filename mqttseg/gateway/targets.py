"""The targets that a plan can be written for.

Owns their names, and which renderer is whose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from mqttseg.errors import OperatorError
from mqttseg.gateway.expressible import without_ports
from mqttseg.gateway.iptables.script import render_iptables
from mqttseg.gateway.mikrotik import render_mikrotik
from mqttseg.gateway.mud.files import render_mud
from mqttseg.gateway.mud.validate import validate
from mqttseg.gateway.nftables.render import FIRST_REVISION, render_nftables
from mqttseg.gateway.openwrt import render_openwrt
from mqttseg.gateway.plan import Plan
from mqttseg.gateway.vendors.generate import VENDORS, render_vendor

Files: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator can say about a rendering.

    ``pinned_elsewhere``: the switch pins devices to ports and addresses, so that a target that cannot may leave it out.
    """

    revision: int = FIRST_REVISION
    pinned_elsewhere: bool = False
    mud_url: str = ""  # the https URL of the directory that MUD files will be served from
    now: datetime | None = None  # for what says when it was made


Renderer: TypeAlias = Callable[[Plan, Options], Files]


def _mud(plan: Plan, options: Options) -> Files:
    if not options.mud_url.startswith("https://") or options.now is None:
        raise OperatorError("say where the MUD files will be served from: --mud-url https://HOST/DIRECTORY/")
    files = render_mud(plan, options.mud_url.rstrip("/") + "/", options.now)
    validate(files)
    return files


def _vendor(vendor: str) -> Renderer:
    return lambda plan, options: render_vendor(plan, vendor, pinned_elsewhere=options.pinned_elsewhere)


_RENDERERS: Mapping[str, Renderer] = {
    "nftables": lambda plan, options: {"mqttseg.nft": render_nftables(plan, options.revision)},
    "iptables": lambda plan, options: {"mqttseg-iptables.sh": render_iptables(_routed(plan, options))},
    "mikrotik": lambda plan, options: {"mqttseg.rsc": render_mikrotik(_routed(plan, options))},
    "openwrt": lambda plan, options: {"mqttseg.nft": render_openwrt(plan, options.revision)},
    "mud": _mud,
    **{f"aerleon:{vendor}": _vendor(vendor) for vendor in VENDORS},
}


def targets() -> tuple[str, ...]:
    """All names that ``render`` takes."""
    return tuple(_RENDERERS)


def render(plan: Plan, target: str, options: Options) -> Files:
    """Texts by file name. ``target`` is one of ``targets()``.

    Raises ConfigurationError for what the target cannot express, OperatorError if it needs an extra that is missing.
    """
    return _RENDERERS[target](plan, options)


def _routed(plan: Plan, options: Options) -> Plan:
    return without_ports(plan) if options.pinned_elsewhere else plan
