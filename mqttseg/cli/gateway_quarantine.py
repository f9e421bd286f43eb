"""The register of quarantines, taken over by the network: one register, both layers.

Owns finding out who is out now and where it is on the network. The tables are changed by root only; whoever is not
leaves it to the next ``mqttseg gateway sync``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mqttseg.cli.output import say, warn
from mqttseg.cli.site import compile_if_valid
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.gateway.quarantine import Excluded
    from mqttseg.policy.compiled import Compiled


def follow_register(site: Config, compiled: Compiled) -> None:
    """Put out of this host's network who is in the register, and nobody else. OperatorError when nft refuses."""
    from mqttseg.gateway import quarantine

    quarantine.follow(_excluded(site, compiled))


def follow_if_gateway(site: Config) -> bool:
    """After a change of the register: the same, where this host is the gateway. Whether the network follows at once.

    What goes wrong is a warning: the register is written, and the broker follows it in any case.
    """
    compiled = compile_if_valid(site)
    if compiled is None or compiled.policy.network is None:
        return False
    if os.geteuid() != 0:
        say("On the network it counts from the next `mqttseg gateway sync` at the gateway, which runs as root.")
        return False
    from mqttseg.gateway import quarantine

    try:
        if not quarantine.is_here():
            return False
        follow_register(site, compiled)
    except OperatorError as error:
        warn(f"the network does not follow: {error}; run `mqttseg gateway sync`")
        return False
    return True


def _excluded(site: Config, compiled: Compiled) -> Iterator[Excluded]:
    from ipaddress import ip_address

    from mqttseg.gateway.quarantine import Excluded
    from mqttseg.gateway.sync import LearnedAddresses
    from mqttseg.pki.quarantine import Register

    learned = LearnedAddresses(site.state / "gateway").read()
    now = datetime.now(UTC)
    for entry in Register(site.state).load().values():
        seconds = entry.left(now)
        device = compiled.policy.devices.get(entry.device)
        if seconds is not None and seconds <= 0:
            continue
        if device is None or not (device.mac or device.addresses or learned.get(entry.device)):
            warn(f"{entry.device} is in quarantine, and the inventory does not say where it is on the network")
            continue
        written = map(ip_address, device.addresses)
        yield Excluded(device.id, device.mac, tuple(dict.fromkeys([*written, *learned.get(device.id, ())])), seconds)
