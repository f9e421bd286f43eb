"""The part of the API that tells what happened and what passed, as the broker has kept it.

Owns what may be asked, and how much at once. Refuses to know where it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query
from pydantic import AwareDatetime, BaseModel, Field

from mqttseg.control.failures import fails
from mqttseg.control.operations import Operations
from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.observe.flows import Direction, Flow
from mqttseg.observe.queries import EventQuery, FlowQuery, Recorded

MOST: Final = 1000
"""Events or flows in one answer."""

DEVICE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"
_NAME: Final = r"^[^\x00-\x1f\x7f-\x9f]{1,200}$"
_LAST: Final = (1 << 63) - 1  # SQLite's greatest number

_Device = Annotated[str | None, Query(pattern=DEVICE_PATTERN, description="Of this device.")]
_Segment = Annotated[str | None, Query(pattern=_NAME, description="Of this segment's devices.")]
_Since = Annotated[AwareDatetime | None, Query(description="From this moment on, with its time zone.")]
_Until = Annotated[AwareDatetime | None, Query(description="Before this moment, with its time zone.")]


class Events(BaseModel):
    """Events, the oldest first; ``more``: ask again with ``after`` the last number of these."""

    events: Sequence[Recorded]
    more: bool


class Flows(BaseModel):
    """Flows, by device, direction and shape; ``more``: there are others, ask for fewer at once."""

    flows: Sequence[Flow]
    more: bool = Field(description="There are more than `limit`.")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What events and flows are asked for by."""

    device: _Device = None
    segment: _Segment = None
    since: _Since = None
    until: _Until = None
    limit: Annotated[int, Query(ge=1, le=MOST)] = MOST


def add_history(api: FastAPI, operations: Operations) -> None:
    """Add the paths."""

    @api.get("/v1/events", responses=fails(409), operation_id="events")
    async def events(
        asked: Annotated[_Asked, Depends()],
        kind: Kind | None = None,
        reason: Reason | None = None,
        denied: Annotated[bool, Query(description="Only what was not allowed.")] = False,
        after: Annotated[int | None, Query(ge=0, le=_LAST, description="Only events with a greater number.")] = None,
    ) -> Events:
        """The latest events that were kept and are as asked for; with `after`, the first ones after that number."""
        query = EventQuery(
            asked.device, asked.segment, kind, reason, denied, asked.since, asked.until, after, asked.limit + 1
        )
        found = await operations.events(query)
        more = len(found) > asked.limit
        return Events(events=found[: asked.limit] if after is not None else found[-asked.limit :], more=more)

    @api.get("/v1/flows", responses=fails(409), operation_id="flows")
    async def flows(asked: Annotated[_Asked, Depends()], direction: Direction | None = None) -> Flows:
        """The flows that were kept and are as asked for; `since` and `until` are about when they were last seen."""
        query = FlowQuery(asked.device, asked.segment, direction, asked.since, asked.until, asked.limit + 1)
        found = await operations.flows(query)
        return Flows(flows=found[: asked.limit], more=len(found) > asked.limit)
