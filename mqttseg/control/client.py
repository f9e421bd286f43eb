"""The client of the API, for commands: what the broker says as values, what it refuses as our errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from mqttseg.control.api import Applied, DeviceNow, Outcome, Quarantines, Sessions
from mqttseg.control.endpoint import socket_path
from mqttseg.control.failures import Failure
from mqttseg.control.history import Events, Flows
from mqttseg.errors import ConfigurationError, OperatorError, Problem, Source
from mqttseg.observe.snapshot import BrokerStatus, Done

TIMEOUT = 60.0
"""Seconds for an answer: a large policy takes a while to check."""

_Value = TypeVar("_Value")


class NoBrokerError(OperatorError):
    """No broker of this site is running here."""


class Client:
    """A connection to the broker of a state directory. Methods raise what the broker would have raised.

    ``NoBrokerError`` when none is running; OperatorError when it does not let us in, or cannot do it.
    """

    def __init__(self, state: Path) -> None:
        try:
            self._path = socket_path(state)
        except OperatorError as error:  # then none can listen there either
            raise NoBrokerError(str(error)) from error
        transport = httpx.HTTPTransport(uds=str(self._path))
        self._http = httpx.Client(transport=transport, base_url="http://broker", timeout=TIMEOUT, trust_env=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def status(self) -> BrokerStatus:
        """How it is doing."""
        return self._ask("GET", "/v1/status", BrokerStatus)

    def sessions(self, after: str = "", limit: int = 1000) -> Sessions:
        """Some sessions, in order of their client ids."""
        return self._ask("GET", "/v1/sessions", Sessions, params={"after": after, "limit": limit})

    def device(self, device: str) -> DeviceNow:
        """One device."""
        return self._ask("GET", f"/v1/devices/{device}", DeviceNow)

    def events(self, **asked: str | int | bool) -> Events:
        """What happened, asked for by the parameters of ``/v1/events``."""
        return self._ask("GET", "/v1/events", Events, params=asked)

    def flows(self, **asked: str | int) -> Flows:
        """What passed, asked for by the parameters of ``/v1/flows``."""
        return self._ask("GET", "/v1/flows", Flows, params=asked)

    def quarantines(self) -> Quarantines:
        """The devices that are out."""
        return self._ask("GET", "/v1/quarantines", Quarantines)

    def quarantine(self, device: str, seconds: float | None, why: str) -> Outcome:
        """Put a device out."""
        return self._ask("PUT", f"/v1/devices/{device}/quarantine", Outcome, json={"seconds": seconds, "why": why})

    def release(self, device: str, why: str) -> Outcome:
        """Let a device in again."""
        return self._ask("DELETE", f"/v1/devices/{device}/quarantine", Outcome, params={"why": why})

    def apply_policy(self, *, dry_run: bool = False) -> Applied:
        """Put the site's files in force. ConfigurationError: something is wrong, nothing changed."""
        return self._ask("POST", "/v1/policy/apply", Applied, json={"dry_run": dry_run})

    def refresh_revocations(self, device: str | None, why: str) -> Done:
        """Have it read the revocation list now, in which the device's certificates are."""
        return self._ask("POST", "/v1/revocations/refresh", Done, json={"device": device, "why": why})

    def _ask(self, method: str, path: str, kind: type[_Value], **content: Any) -> _Value:
        with self._failures():
            answer = self._http.request(method, path, **content)
        if answer.is_success:
            return TypeAdapter(kind).validate_json(answer.content)
        raise _error(answer)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise self._unreachable(error) from error
        except httpx.HTTPError as error:
            raise OperatorError(
                f"{self._path}: the broker did not answer: {str(error) or type(error).__name__}"
            ) from error

    def _unreachable(self, error: httpx.ConnectError) -> OperatorError:
        if "Permission denied" in str(error):
            return OperatorError(f"{self._path}: the broker runs as another user; run this as that user, or as root")
        return NoBrokerError(f"no broker of this site is running here ({self._path}); start it with `mqttseg run`")


def _error(answer: httpx.Response) -> OperatorError:
    """What the broker refused, as the error that a command without a broker would have met."""
    try:
        failure = Failure.model_validate_json(answer.content)
    except ValueError:
        return OperatorError(f"the broker answered with status {answer.status_code}, and nothing that can be read")
    if failure.code == "invalid-configuration":
        return ConfigurationError(
            Problem(Source(place.file, place.line, place.column), place.what, place.remedy)
            for place in failure.problems
        )
    return OperatorError(failure.message)
