"""How errors look in the API: one shape for all of them, with a stable code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from mqttseg.errors import ConfigurationError, MqttsegError, OperatorError, Problem


class Place(BaseModel):
    """One thing wrong in a file, and what to do about it."""

    file: str
    line: int
    column: int
    what: str
    remedy: str


class Failure(BaseModel):
    """Why a request came to nothing. ``code`` is stable; nothing was changed unless the message says so."""

    code: Literal["invalid-request", "not-found", "refused", "invalid-configuration", "not-ready", "internal-error"]
    message: str
    problems: list[Place] = Field(default_factory=list)


def fails(*codes: int) -> dict[int | str, dict[str, Any]]:
    """How requests fail, for the description."""
    always = (400, 408, 413, 422, 500, 503)
    return {code: {"model": Failure, "description": _FAILURES[code]} for code in sorted({*always, *codes})}


_FAILURES = {
    400: "The request is no HTTP that can be read.",
    404: "There is no such thing.",
    408: "The request did not come in time.",
    409: "It cannot be done as things are; the message says what to do.",
    413: "The request is too large.",
    422: "The request is not what this path takes.",
    500: "A fault of the broker's.",
    503: "The broker is starting or stopping.",
}


def add_error_answers(api: FastAPI) -> None:
    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return _answer(422, "invalid-request", f"{place}: {first['msg']}")

    @api.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        code = "not-found" if error.status_code == 404 else "invalid-request"
        return _answer(error.status_code, code, str(error.detail), headers=error.headers)

    @api.exception_handler(OperatorError)
    async def refused(_: Request, error: OperatorError) -> JSONResponse:
        if isinstance(error, ConfigurationError):
            return _answer(409, "invalid-configuration", str(error), problems=error.problems)
        return _answer(409, "refused", str(error))

    @api.exception_handler(MqttsegError)
    async def not_ready(_: Request, error: MqttsegError) -> JSONResponse:
        return _answer(503, "not-ready", str(error))

    @api.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> JSONResponse:
        return _answer(500, "internal-error", "see the log of the broker")


def _answer(
    status: int, code: Any, message: str, problems: Sequence[Problem] = (), headers: Any = None
) -> JSONResponse:
    places = [
        Place(file=p.source.file, line=p.source.line, column=p.source.column, what=p.what, remedy=p.remedy)
        for p in problems
    ]
    failure = Failure(code=code, message=message, problems=places)
    return JSONResponse(failure.model_dump(), status, headers)
