"""OpenID Connect against a provider of our own that signs real tokens; forged, replayed and foreign ones sign nobody on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from oddpixel.dashboards.access import Access, Signer
from oddpixel.dashboards.serve import check
from oddpixel.dashboards.sign_on import BACK, START, SignOn
from oddpixel.errors import UsageError


class Provider(ThreadingHTTPServer):
    """Answers discovery, keys and the token request; the test says what is in the next ID token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.claims: dict[str, Any] = {}
        self.signing: Any = self.key
        self.algorithm = "RS256"
        self.asked: dict[str, list[str]] = {}
        self.keys_asked = 0

    def token(self) -> str:
        claims = {
            "iss": self.address,
            "aud": "odd",
            "sub": "7",
            "iat": time.time(),
            "exp": time.time() + 60,
        } | self.claims
        return jwt.encode(claims, self.signing, algorithm=self.algorithm, headers={"kid": "k"})


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        address = self.server.address
        if self.path.startswith("/auth?"):  # somebody who is signed on there already
            asked = dict(parse_qsl(urlsplit(self.path).query))
            self.server.claims |= {"nonce": asked["nonce"]}
            self.send_response(303)
            self.send_header("location", f"{asked['redirect_uri']}?{urlencode({'state': asked['state'], 'code': 'c'})}")
            return self.end_headers()
        if self.path.endswith("/openid-configuration"):
            parts = {"authorization_endpoint": "/auth", "token_endpoint": "/token", "jwks_uri": "/keys"}
            return self._say({"issuer": address} | {name: address + path for name, path in parts.items()})
        self.server.keys_asked += 1
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.server.key.public_key()))
        return self._say({"keys": [key | {"kid": "k", "use": "sig", "alg": "RS256"}]})

    def do_POST(self) -> None:
        self.server.asked = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self._say({"id_token": self.server.token(), "token_type": "Bearer"})

    def _say(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as started:
        thread = threading.Thread(target=started.serve_forever, daemon=True)
        thread.start()
        yield started
        started.shutdown()
        thread.join()


@pytest.fixture
def sign_on(provider: Provider) -> SignOn:
    return SignOn(provider.address, "odd", "s3cret", "http://localhost:8501", Signer())


def begun(sign_on: SignOn, wanted: str = "/case?item=a") -> tuple[dict[str, str], str]:
    """The query that the provider gets, and the pending cookie's value."""
    where, cookie = sign_on.begin(wanted)
    return dict(parse_qsl(urlsplit(where).query)), cookie.partition("=")[2].partition(";")[0]


def test_a_visitor_signs_on(sign_on: SignOn, provider: Provider) -> None:
    asked, pending = begun(sign_on)
    assert asked["redirect_uri"] == "http://localhost:8501" + BACK
    assert asked["code_challenge_method"] == "S256"
    provider.claims = {"nonce": asked["nonce"], "email": "ann@odd.example"}
    where, cookies = sign_on.finish({"state": asked["state"], "code": "c"}, pending)
    assert where == "/case?item=a"
    assert provider.asked["client_secret"] == ["s3cret"]
    assert len(provider.asked["code_verifier"][0]) >= 43
    visit = cookies[0].partition("=")[2].partition(";")[0]
    assert (sign_on.signer.read("visit", visit) or {})["author"] == "ann@odd.example"
    assert "HttpOnly" in cookies[0]


@pytest.mark.parametrize(
    ("claims", "because"),
    [
        ({"aud": "another"}, "not valid"),
        ({"iss": "https://elsewhere.example"}, "not valid"),
        ({"exp": 1}, "not valid"),
        ({"nonce": "replayed"}, "another sign-on"),
    ],
)
def test_tokens_that_do_not_fit(sign_on: SignOn, provider: Provider, claims: dict[str, Any], because: str) -> None:
    asked, pending = begun(sign_on)
    provider.claims = {"nonce": asked["nonce"]} | claims
    with pytest.raises(UsageError, match=because):
        sign_on.finish({"state": asked["state"], "code": "c"}, pending)


def test_forged_signatures_and_states(sign_on: SignOn, provider: Provider) -> None:
    asked, pending = begun(sign_on)
    provider.claims = {"nonce": asked["nonce"]}
    with pytest.raises(UsageError, match="begun elsewhere"):
        sign_on.finish({"state": "guessed", "code": "c"}, pending)
    with pytest.raises(UsageError, match="begun elsewhere"):
        sign_on.finish({"state": asked["state"], "code": "c"}, Signer().sign("sign-on", {"state": asked["state"]}))
    with pytest.raises(UsageError, match="access_denied"):
        sign_on.finish({"state": asked["state"], "error": "access_denied"}, pending)
    provider.signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(UsageError, match="not valid"):
        sign_on.finish({"state": asked["state"], "code": "c"}, pending)
    provider.signing, provider.algorithm = "a shared secret of thirty-two bytes", "HS256"
    with pytest.raises(UsageError, match="not valid"):
        sign_on.finish({"state": asked["state"], "code": "c"}, pending)


def test_where_it_leads_is_always_here(sign_on: SignOn, provider: Provider) -> None:
    asked, pending = begun(sign_on, "//elsewhere.example/")
    provider.claims = {"nonce": asked["nonce"]}
    assert sign_on.finish({"state": asked["state"], "code": "c"}, pending)[0] == "/elsewhere.example/"
    with pytest.raises(UsageError, match="https"):
        SignOn("http://provider.example", "odd", "s", "https://odd.example", Signer())
    check("0.0.0.0", None, signs_on=True)


def test_pages_lead_to_the_sign_on_and_routes_say_401(sign_on: SignOn) -> None:
    import asyncio

    sent: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def receive() -> dict[str, Any]:
        return {}

    def ask(path: str, **headers: str) -> dict[str, Any]:
        sent.clear()
        scope = {
            "type": "http", "method": "GET", "path": path, "query_string": b"item=a", "scheme": "http",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        asyncio.run(Access(inner, sign_on.signer, None, (START, BACK))(scope, receive, send))
        return sent[0]

    page = ask("/case", accept="text/html", host="odd.example")
    assert page["status"] == 303
    assert dict(page["headers"])[b"location"].startswith(START.encode())
    assert ask("/oddpixel/runs/x/rows", host="odd.example")["status"] == 401
    assert ask(START, host="odd.example")["status"] == 200
    visit = sign_on.signer.sign("visit", {"author": "ann"})
    assert ask("/case", cookie=f"oddpixel={visit}", host="odd.example")["status"] == 200
