"""Streamlit's own scripts and styles out of memory: a first visit asks for some eighty of them, and each costs its route
several milliseconds (first grid, medians of 14 visits each: 2.0 s with, 2.2 s without). Their names hold their hashes, so what
was answered once is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .access import Application, Message, Receive, Scope, Send

PREFIX = "/static/"
LARGEST = 64_000_000  # bytes, in all


@dataclass(frozen=True)
class StaticCache:
    """The ASGI layer around `inner` that keeps whole answers to plain requests."""

    inner: Application
    known: dict[tuple[str, bytes], list[Message]] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a static file from memory, or pass it on and keep the whole answer."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(PREFIX):
            return await self.inner(scope, receive, send)
        asked = dict(scope["headers"])
        key = (scope["path"], asked.get(b"accept-encoding", b""))
        if key in self.known:
            for message in self.known[key]:
                await send(dict(message))
            return None
        said: list[Message] = []

        async def noted(message: Message) -> None:
            said.append(dict(message))
            await send(message)

        await self.inner(scope, receive, noted)
        partial = b"range" in asked or b"if-none-match" in asked or b"if-modified-since" in asked
        if _is_whole(said) and not partial and self._bytes() + _length(said) <= LARGEST:
            self.known[key] = said
        return None

    def _bytes(self) -> int:
        return sum(_length(said) for said in self.known.values())


def _is_whole(said: list[Message]) -> bool:
    """A visitor may go away in the middle: then the last message is not the end, or nothing came after the start."""
    if len(said) < 2 or said[0].get("status") != 200 or said[-1]["type"] != "http.response.body":
        return False
    declared = dict(said[0].get("headers", [])).get(b"content-length")
    return not said[-1].get("more_body") and (declared is None or int(declared) == _length(said))


def _length(said: list[Message]) -> int:
    return sum(len(message.get("body", b"")) for message in said)
