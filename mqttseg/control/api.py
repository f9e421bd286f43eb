"""The API: paths, and what they take and give. Versioned by its first level, ``/v1``.

Owns the translation between HTTP and ``Operations``. Refuses to decide anything, and to know how it is served.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from mqttseg import __version__
from mqttseg.control.failures import add_error_answers, fails
from mqttseg.control.history import DEVICE_PATTERN, add_history
from mqttseg.control.operations import Operations
from mqttseg.control.patience import Patience
from mqttseg.errors import MqttsegError
from mqttseg.observe.snapshot import BrokerStatus, Done, SessionStatus
from mqttseg.pki.quarantine import LONGEST, LONGEST_WHY, Quarantine

MOST = 1000
"""Sessions in one answer."""

_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"

DeviceId = Annotated[str, Path(alias="device", pattern=DEVICE_PATTERN, description="A device id.")]
Why = Annotated[
    str, Field(default="", max_length=LONGEST_WHY, pattern=_LINE, description="The operator's reason: one line.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Apply(_Body):
    """What to do with the site's files as they are now."""

    dry_run: bool = Field(default=False, description="Only say what would change.")


class PutOut(_Body):
    """For how long, and why."""

    seconds: float | None = Field(
        default=None, gt=0, le=LONGEST.total_seconds(), description="For so long; null: until it is released."
    )
    why: Why


class Revoked(_Body):
    """Whose certificates were just revoked, for the audit trail."""

    device: str | None = Field(default=None, pattern=DEVICE_PATTERN)
    why: Why


class Sessions(BaseModel):
    """Some sessions; ``more``: ask again with ``after`` the last client id of these."""

    sessions: Sequence[SessionStatus]
    more: bool


class Applied(BaseModel):
    """What applying the policy did, or would do."""

    model_config = ConfigDict(from_attributes=True)

    revision: int
    changes: Sequence[str]
    connections: int
    subscriptions: int


class DeviceNow(BaseModel):
    """One device: its quarantine, if it is out, and its sessions."""

    device: str
    quarantine: Quarantine | None
    sessions: Sequence[SessionStatus]


class Outcome(BaseModel):
    """A quarantine that began or ended, and what that did."""

    quarantine: Quarantine
    done: Done


class Quarantines(BaseModel):
    """The devices that are out."""

    quarantines: Sequence[Quarantine]


def create_api(operations: Operations) -> FastAPI:  # a table of paths: each is a few lines
    """The API of one broker."""
    api = FastAPI(
        title="mqttseg control API",
        version=__version__,
        description="The running broker's local API, on the Unix socket `control.sock` in its state directory.",
        docs_url=None,  # would load scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        separate_input_output_schemas=False,
    )
    api.add_middleware(Patience)
    add_error_answers(api)

    @api.get("/v1/status", responses=fails(), operation_id="status")
    async def status() -> BrokerStatus:
        """How the broker is doing."""
        return await operations.status()

    @api.get("/v1/sessions", responses=fails(), operation_id="sessions")
    async def sessions(
        after: Annotated[str, Query(max_length=400, description="Only client ids after this one.")] = "",
        limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    ) -> Sessions:
        """The sessions that the broker keeps, in order of their client ids."""
        found = await operations.sessions(after, limit + 1)
        return Sessions(sessions=found[:limit], more=len(found) > limit)

    @api.get("/v1/devices/{device}", responses=fails(), operation_id="device")
    async def device(device_id: DeviceId) -> DeviceNow:
        """One device, known or not: its sessions, and whether it is out."""
        out = next((entry for entry in await operations.quarantined() if entry.device == device_id), None)
        return DeviceNow(device=device_id, quarantine=out, sessions=await operations.sessions_of(device_id))

    @api.get("/v1/quarantines", responses=fails(), operation_id="quarantines")
    async def quarantines() -> Quarantines:
        """The devices that are out."""
        return Quarantines(quarantines=await operations.quarantined())

    @api.put("/v1/devices/{device}/quarantine", responses=fails(409), operation_id="quarantine")
    async def quarantine(request: Request, device_id: DeviceId, terms: PutOut) -> Outcome:
        """Put a device out, known or not: at once, over restarts, until it is released or the time is over."""
        entry, done = await operations.quarantine(device_id, terms.seconds, by=_who(request), why=terms.why)
        return Outcome(quarantine=entry, done=done)

    @api.delete("/v1/devices/{device}/quarantine", responses=fails(404, 409), operation_id="release")
    async def release(
        request: Request,
        device_id: DeviceId,
        why: Annotated[str, Query(max_length=LONGEST_WHY, pattern=_LINE, description="The operator's reason.")] = "",
    ) -> Outcome:
        """Let a device in again."""
        released = await operations.release(device_id, by=_who(request), why=why)
        if released is None:
            raise HTTPException(404, f"{device_id} is not in quarantine")
        return Outcome(quarantine=released[0], done=released[1])

    @api.post("/v1/policy/apply", responses=fails(409), operation_id="apply")
    async def apply(request: Request, terms: Apply) -> Applied:
        """Load the policy, the inventory, the trust bundle and the revocations again; check them; put them in force."""
        return Applied.model_validate(await operations.apply_policy(by=_who(request), dry_run=terms.dry_run))

    @api.post("/v1/revocations/refresh", responses=fails(409), operation_id="refresh_revocations")
    async def refresh_revocations(request: Request, revoked: Revoked) -> Done:
        """Read the revocation list now, and cut whom it names."""
        return await operations.refresh_revocations(revoked.device, by=_who(request), why=revoked.why)

    add_history(api, operations)
    return api


def describe() -> dict[str, Any]:
    """The OpenAPI description of the API."""
    return create_api(_Nobody()).openapi()


class _Nobody:
    """Stands where a broker does while the API is only described."""

    def __getattr__(self, name: str) -> Any:
        raise MqttsegError("no broker is behind this description")


def _who(request: Request) -> str:
    """The user at the other end, by the word of the kernel (see server.py)."""
    return "unknown" if request.client is None else request.client.host
