"""Why something was refused, and who must act on it.

Owns the stable reason codes and the one error family of the project. Children of the base
are split by who must act: the operator (configuration, files, commands), the peer (a device or
whoever pretends to be one), or us (a bug). Refuses to know anything else of the project.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Stable reason codes: in logs, events, metrics and ``policy explain``."""

    OK = "ok"
    OUTSIDE_SEGMENT = "outside-segment"
    NOT_GRANTED = "not-granted"
    DENIED_BY_RULE = "denied-by-rule"
    FILTER_TOO_WIDE = "filter-too-wide"
    INVALID_TOPIC = "invalid-topic"
    SYSTEM_TOPIC = "system-topic"
    NOT_SUBSCRIBED = "not-subscribed"
    NO_SEGMENT = "no-segment"
    CLIENT_ID_MISMATCH = "client-id-mismatch"
    WILL_NOT_GRANTED = "will-not-granted"
    CERTIFICATE_MISSING = "certificate-missing"
    CERTIFICATE_UNTRUSTED = "certificate-untrusted"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_REVOKED = "certificate-revoked"
    IDENTITY_INVALID = "identity-invalid"
    QUARANTINED = "quarantined"
    RATE_LIMIT = "rate-limit"
    PAYLOAD_TOO_LARGE = "payload-too-large"
    TOO_MANY_SUBSCRIPTIONS = "too-many-subscriptions"
    PROTOCOL_ERROR = "protocol-error"
    DENIAL_BURST = "denial-burst"
    TOPIC_SCAN = "topic-scan"
    NEW_ADDRESS = "new-address"
    CLONED_IDENTITY = "cloned-identity"
    UNUSUAL_RATE = "unusual-rate"
    UNUSUAL_PAYLOAD = "unusual-payload"
    GONE_SILENT = "gone-silent"
    CERTIFICATE_EXPIRING = "certificate-expiring"
    INVALID_CONFIGURATION = "invalid-configuration"
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True)
class Source:
    """A place in a file the operator wrote: 1-based line and column."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def as_json(self) -> dict[str, object]:
        """For programs: taken apart."""
        return {"file": self.file, "line": self.line, "column": self.column}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where, what, and what to do about it."""

    source: Source
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.source}: {self.what}; {self.remedy}"


class MqttsegError(Exception):
    """Base of every error this project raises on purpose. ``exit_code`` is the command line's."""

    exit_code = 1


class OperatorError(MqttsegError):
    """The operator asked for something that cannot be done; the message says what to do instead."""


class ConfigurationError(OperatorError):
    """A file of the operator is wrong. Carries every problem found in one run, in file order."""

    exit_code = 3

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class PeerError(MqttsegError):
    """A peer broke a rule; its connection ends and nobody else's does (rule 9).

    ``device`` is the id that its certificate names, where the chain holds and that much could be read: for the event
    only, for whoever raises this has refused to believe it.
    """

    def __init__(self, reason: Reason, detail: str = "", *, device: str | None = None) -> None:
        self.reason = reason
        self.detail = detail
        self.device = device
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


class ProtocolError(PeerError):
    """Bytes that MQTT 3.1.1 does not allow."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.PROTOCOL_ERROR, detail)


class InternalError(MqttsegError):
    """A bug of ours. It denies, and it is reported."""
