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
        headers = dict(scope["headers"])
        key = (scope["path"], headers.get(b"accept-encoding", b""))
        if key in self.known:
            for message in self.known[key]:
                await send(dict(message))
            return None
        messages: list[Message] = []

        async def noted(message: Message) -> None:
            messages.append(dict(message))
            await send(message)

        await self.inner(scope, receive, noted)
        partial = b"range" in headers or b"if-none-match" in headers or b"if-modified-since" in headers
        if _is_whole(messages) and not partial and self._bytes() + _length(messages) <= LARGEST:
            self.known[key] = messages
        return None

    def _bytes(self) -> int:
        return sum(_length(messages) for messages in self.known.values())


def _is_whole(messages: list[Message]) -> bool:
    """A visitor may go away in the middle: then the last message is not the end, or nothing came after the start."""
    if len(messages) < 2 or messages[0].get("status") != 200 or messages[-1]["type"] != "http.response.body":
        return False
    declared = dict(messages[0].get("headers", [])).get(b"content-length")
    return not messages[-1].get("more_body") and (declared is None or int(declared) == _length(messages))


def _length(messages: list[Message]) -> int:
    return sum(len(message.get("body", b"")) for message in messages)
