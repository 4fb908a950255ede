"""Who has no token, or sends more than is taken, is told so before the body of the request is read: nothing of it is kept."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oddpixel.errors import UsageError

from .clients import Clients

WITH_BODY = ("POST", "PUT", "PATCH")
AROUND = 2**21  # bytes of a form beside its file
SILENT_SECONDS = 30.0  # that a body may stand still, and that it may take beyond what its bytes allow
SLOWEST = 10_000  # bytes a second
NO_TOKEN = "a token is needed: Authorization: Bearer TOKEN"
TOO_SLOW = "the body of the request came too slowly; nothing was accepted, send it again"
NO_PROVIDER = "who issues tokens cannot be reached; come back later"


@dataclass
class Door:
    """An ASGI application in front of another.

    Arguments:
        most_bytes: of one file.
    """

    app: ASGIApp
    clients: Clients
    most_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass the request on and count what comes."""
        if scope["type"] != "http" or scope["method"] not in WITH_BODY:
            return await self.app(scope, receive, send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if (refused := await self._refused(headers)) is not None:
            return await refused(scope, receive, send)
        return await self.app(scope, self._counted(receive), send)

    async def _refused(self, headers: dict[bytes, str]) -> JSONResponse | None:
        try:
            client = await asyncio.to_thread(self.clients.named, headers.get(b"authorization"))
        except UsageError:
            return JSONResponse({"detail": NO_PROVIDER}, 503)
        if client is None:
            return JSONResponse({"detail": NO_TOKEN}, 401, {"www-authenticate": "Bearer", "connection": "close"})
        length = headers.get(b"content-length", "")
        if length.isdecimal() and int(length) > self.most_bytes + AROUND:
            return JSONResponse({"detail": self._too_large(), "type": "TooLarge"}, 413, {"connection": "close"})
        return None

    def _counted(self, receive: Receive) -> Receive:
        count, started, is_whole = 0, time.monotonic(), False

        async def counted() -> Message:
            nonlocal count, is_whole
            if is_whole:  # what comes now is that the client leaves
                return await receive()
            try:
                message: Any = await asyncio.wait_for(receive(), SILENT_SECONDS)
            except TimeoutError as error:
                raise HTTPException(408, TOO_SLOW, {"connection": "close"}) from error
            count += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if time.monotonic() - started > SILENT_SECONDS + count / SLOWEST:
                raise HTTPException(408, TOO_SLOW, {"connection": "close"})
            if count > self.most_bytes + AROUND:
                raise HTTPException(413, self._too_large())
            return dict(message)

        return counted

    def _too_large(self) -> str:
        return f"the request is larger than a file of {self.most_bytes} bytes, which is the most that is taken"
