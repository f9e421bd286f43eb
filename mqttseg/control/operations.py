"""What a running broker can be asked: the interface between the API and whatever it operates.

Every method may be called from any thread's event loop, and raises OperatorError for what cannot be done. ``by`` is
who asked: a name of this machine's users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mqttseg.observe.flows import Flow
from mqttseg.observe.queries import EventQuery, FlowQuery, Recorded
from mqttseg.observe.snapshot import BrokerStatus, Done, SessionStatus
from mqttseg.pki.quarantine import Quarantine


class Application(Protocol):
    """What applying a policy did, or would do."""

    @property
    def revision(self) -> int:
        """Of the policy that is in force now."""

    @property
    def changes(self) -> Sequence[str]:
        """Who gains or loses what, a line each."""

    @property
    def connections(self) -> int:
        """Connections that were cut, for their devices are in no segment any more."""

    @property
    def subscriptions(self) -> int:
        """Subscriptions that were withdrawn."""


class Operations(Protocol):
    """A running broker, as its operator sees it."""

    async def status(self) -> BrokerStatus:
        """How it is doing."""

    async def sessions(self, after: str, limit: int) -> Sequence[SessionStatus]:
        """The first sessions whose client id comes after this one, in order."""

    async def sessions_of(self, device: str) -> Sequence[SessionStatus]:
        """All sessions of one device."""

    async def apply_policy(self, *, by: str, dry_run: bool) -> Application:
        """Load the site's files and put them in force. ConfigurationError: something is wrong, nothing changed."""

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        """What was kept of what happened, the oldest first."""

    async def flows(self, query: FlowQuery) -> Sequence[Flow]:
        """What was kept of what passed, by device, direction and shape."""

    async def quarantined(self) -> Sequence[Quarantine]:
        """The devices that are out, in order."""

    async def quarantine(self, device: str, seconds: float | None, *, by: str, why: str) -> tuple[Quarantine, Done]:
        """Put a device out, at once and over restarts."""

    async def release(self, device: str, *, by: str, why: str) -> tuple[Quarantine, Done] | None:
        """Let a device in again. None: it was not out."""

    async def refresh_revocations(self, device: str | None, *, by: str, why: str) -> Done:
        """Read the revocation list now. ``device``: whose certificates were just revoked, for the audit trail."""
