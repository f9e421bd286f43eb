"""What a request may cost: its body has a size and a time (rule 8), and whoever exceeds them gets an answer.

Pure ASGI: the body is taken in whole before anything looks at it, so that nothing behind ever waits for a peer.
"""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY = 64 << 10
"""Bytes. The largest request there is has some hundred."""

SECONDS = 5.0


class _TooLarge(Exception):  # noqa: N818  # answered, not an error of ours
    """More than BODY."""


class Patience:
    """Hands a request on once it is there as a whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(SECONDS):
                messages = await self._whole(receive)
        except TimeoutError:
            await _refuse(408, f"the request did not come within {SECONDS:g} s")(scope, receive, send)
        except _TooLarge:
            await _refuse(413, f"the request has more than {BODY} bytes")(scope, receive, send)
        else:
            await self._app(scope, _replay(messages, receive), send)

    async def _whole(self, receive: Receive) -> list[Message]:
        messages: list[Message] = []
        size = 0
        while not messages or messages[-1].get("more_body"):
            message = await receive()
            size += len(message.get("body", b""))
            if size > BODY:
                raise _TooLarge
            messages.append(message)
        return messages


def _replay(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def again() -> Message:
        return next(waiting, None) or await receive()

    return again


def _refuse(status: int, message: str) -> JSONResponse:
    failure = {"code": "invalid-request", "message": message, "problems": []}
    return JSONResponse(failure, status, headers={"Connection": "close"})
