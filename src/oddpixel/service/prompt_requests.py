"""Connections that say nothing, or hardly anything, are ended: a thousand of them would otherwise be all that is served.

A connection has a time for the first byte of a request to the last of its headers. Bodies are timed by `door`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEADERS_SECONDS = 15.0


class PromptRequests(AutoHTTPProtocol):  # type: ignore[misc,valid-type] # uvicorn chooses it by what is installed
    """Uvicorn's own protocol, with an end to waiting for headers."""

    silent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait on, until there is a request."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self.silent is not None:
            self.silent.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and self.silent is not None:
            self.silent.cancel()
            self.silent = None
        elif not is_answering and self.silent is None:
            self.silent = self.loop.call_later(HEADERS_SECONDS, self._end)

    def _end(self) -> None:
        self.silent = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
