"""Who may ask anything at all: one ASGI layer around every route, websockets included.

With a token, each request carries it: as `Authorization: Bearer`, or as a cookie that `?token=` was exchanged for once (HttpOnly,
SameSite, signed; the token itself is never stored in the browser). Without a token only loopback names are answered, so that
a page elsewhere cannot reach a dashboard at home by rebinding its own name. What changes anything needs a ticket besides, signed
here and handed out by the pages: it says who decides, and no other site can know it.

Sources: OWASP Cross-Site Request Forgery Prevention Cheat Sheet; RFC 6750 (bearer tokens); RFC 6265 (cookies).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "oddpixel"
SECONDS_VALID = 12 * 3600
LOOPBACK = {"localhost", "127.0.0.1", "[::1]", "::1"}
HEALTH = "/oddpixel/health"
# Streamlit's pages need inline styles and scripts, and workers from blobs; nothing else may be loaded, sent to or framed by.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Signer:
    """Signed statements that expire: cookies and tickets."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def sign(self, purpose: str, claims: dict[str, Any], seconds: float = SECONDS_VALID) -> str:
        """A signed statement for one purpose, valid for so many seconds, as URL-safe text."""
        content = json.dumps(claims | {"for": purpose, "until": time.time() + seconds}, sort_keys=True).encode()
        return f"{_text(content)}.{_text(self._mac(content))}"

    def read(self, purpose: str, signed: str) -> dict[str, Any] | None:
        """The statement, or None where it is forged, made for another purpose, or expired."""
        try:
            content, mac = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in signed.split("."))
        except ValueError:
            return None
        if not hmac.compare_digest(mac, self._mac(content)):
            return None
        claims: dict[str, Any] = json.loads(content)
        return claims if claims["for"] == purpose and claims["until"] > time.time() else None

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self.key, content, hashlib.sha256)


@dataclass(frozen=True)
class Access:
    """The ASGI layer that lets only known visitors of this site through to `inner`.

    Arguments:
        token: what every visitor must know.
        open_paths: of the sign-on, which visitors use before they are known; the first is where it begins.

    With neither, loopback names only are answered.
    """

    inner: Application
    signer: Signer
    token: str | None = field(default=None, repr=False)
    open_paths: tuple[str, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ASGI request, or pass it on to `inner` once the visitor and the origin are allowed."""
        if scope["type"] not in ("http", "websocket"):
            return await self.inner(scope, receive, send)
        secured = _with_headers(send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] in (HEALTH, *self.open_paths) and scope["type"] == "http":
            return await self.inner(scope, receive, secured)
        if self.token is None and not self.open_paths:
            if _host(headers) not in LOOPBACK:
                return await _refuse(scope, secured, 403, "this dashboard answers to localhost only")
        elif not self._is_known(headers):
            return await self._ask_who(scope, headers, secured)
        if (origin := headers.get("origin")) is not None and origin != f"{_scheme(scope)}://{headers.get('host')}":
            return await _refuse(scope, secured, 403, "asked for by another site")
        return await self.inner(scope, receive, secured)

    async def _ask_who(self, scope: Scope, headers: dict[str, str], send: Send) -> None:
        """In for a token in the address, off to the sign-on for a page, else 401."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token")
        if scope["type"] == "http" and scope["method"] == "GET":
            if given is not None and self._is_token(given):
                rest = urlencode([(name, value) for name, value in query if name != "token"])
                cookie = self._cookie(scope["scheme"])
                return await _redirect(send, scope["path"] + (f"?{rest}" if rest else ""), cookie)
            if self.open_paths and "text/html" in headers.get("accept", ""):
                wanted = scope["path"] + (f"?{urlencode(query)}" if query else "")
                return await _redirect(send, f"{self.open_paths[0]}?{urlencode({'wanted': wanted})}")
        return await _refuse(
            scope, send, 401, "open the dashboard with its token: the address that its command printed"
        )

    def _is_known(self, headers: dict[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._is_token(given.strip())
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and self.signer.read("visit", cookie.value) is not None

    def _is_token(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def _cookie(self, scheme: str) -> str:
        secure = "; Secure" if scheme == "https" else ""
        value = self.signer.sign("visit", {"nonce": secrets.token_hex(8)})
        return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={SECONDS_VALID}{secure}"


def _scheme(scope: Scope) -> str:
    """Of the page that a websocket or request belongs to. A proxy that ends TLS says so by X-Forwarded-Proto."""
    return {"ws": "http", "wss": "https"}.get(scope["scheme"], str(scope["scheme"]))


def _host(headers: dict[str, str]) -> str:
    host = headers.get("host", "")
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _with_headers(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            kept = [
                (name, value) for name, value in message.get("headers", []) if name.decode().lower() not in SECURITY
            ]
            message["headers"] = kept + [(name.encode(), value.encode()) for name, value in SECURITY.items()]
        await send(message)

    return secured


async def _refuse(scope: Scope, send: Send, status: int, because: str) -> None:
    content = f"{status}: {because}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
    elif "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": content})
    else:
        await send({"type": "websocket.close", "code": 1008})


def local(where: str) -> str:
    """The address as a path of this dashboard.

    With one slash only, since `//elsewhere` would be another site's address, and in ASCII without control characters,
    which no header may have.
    """
    return "/" + quote(where.lstrip("/\\"), safe="/?&=%+:,;@~!$'()*#-._")


async def _redirect(send: Send, where: str, cookie: str | None = None) -> None:
    headers = [(b"location", local(where).encode()), (b"cache-control", b"no-store")]
    if cookie is not None:
        headers.append((b"set-cookie", cookie.encode()))
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
