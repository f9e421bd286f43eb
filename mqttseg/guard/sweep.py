"""What is done to every connection, one after the other, while everybody else has turns between (rule 7).

Owns the turns. Refuses to know what changed: decisions are by what is in force already, before a sweep begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

from mqttseg.errors import PeerError, Reason
from mqttseg.guard.connection import Connection
from mqttseg.pki.identity import Identity
from mqttseg.policy.model import Mode

TURN = 0.004
"""Seconds of work on all connections, after which everybody else has a turn of the loop."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a change of policy did: connections that were cut, and filters that were withdrawn."""

    connections: int
    subscriptions: int


async def settle_all(connections: Iterable[Connection]) -> Settled:
    """Cut who is in no segment any more, and withdraw what is subscribed and no longer allowed."""
    cut = withdrawn = 0
    async for connection in _in_turns(connections):
        rights = connection.rights
        if rights.placement is None and rights.site.policy.mode is not Mode.OBSERVE:
            cut += not connection.closed
            connection.cut(Reason.NO_SEGMENT, "the policy has no place for this device any more")
        else:
            withdrawn += connection.settle()
    return Settled(cut, withdrawn)


async def cut_who_fails(connections: Iterable[Connection], check: Callable[[Identity], None]) -> int:
    """Cut the devices for which ``check`` raises PeerError; returns how many connections."""
    cut = 0
    async for connection in _in_turns(connections):
        if connection.identity is not None:
            try:
                check(connection.identity)
            except PeerError as error:
                cut += not connection.closed
                connection.cut(error.reason, error.detail)
    return cut


async def tell_all(connections: Iterable[Connection]) -> None:
    """Have every connection tell what passed."""
    async for connection in _in_turns(connections):
        if connection.monitor is not None:
            connection.monitor.harvest()


async def certificate_ends(connections: Iterable[Connection]) -> list[tuple[str, datetime]]:
    """The devices that are connected, and when the certificates they came with expire."""
    return [
        (connection.identity.device_id, connection.identity.certificate.not_valid_after_utc)
        async for connection in _in_turns(connections)
        if connection.identity is not None and not connection.closed
    ]


async def _in_turns(connections: Iterable[Connection]) -> AsyncIterator[Connection]:
    """Those whose device is known. ``connections`` must be safe against changes meanwhile."""
    end = perf_counter() + TURN
    for connection in connections:
        if connection.identity is not None:
            yield connection
            if perf_counter() > end:
                await asyncio.sleep(0)
                end = perf_counter() + TURN
