"""Who may ask: no token, no answer, on any route and on websockets; nothing that a visitor sends names a file or runs."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from oddpixel.dashboards.access import SECURITY, Signer
from oddpixel.dashboards.app import ENTRY, application
from oddpixel.dashboards.library import Library
from oddpixel.dashboards.query import Query
from oddpixel.dashboards.routes import BODY, ROUTES
from oddpixel.dashboards.serve import check
from oddpixel.dashboards.site import Site
from oddpixel.dashboards.uploads import safe_name
from oddpixel.errors import UsageError
from tests.dashboards.conftest import HOSTILE, TOKEN, Server
from tests.patience import PATIENCE

BEARER = {"Authorization": f"Bearer {TOKEN}"}


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def ask(
    server: Server, path: str, headers: dict[str, str] | None = None, body: object = None
) -> tuple[int, HTTPMessage, bytes]:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server.address + path, data, headers or {})
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def paths(server: Server) -> list[str]:
    key = server.run.record["id"]
    ours = [route.path.replace("{run}", key) for route in ROUTES if route.path != "/oddpixel/health"]
    item = urllib.parse.urlencode({"item": "normal-00.png", "level": 0, "column": 0, "row": 0})
    return [
        "/", "/case", "/_stcore/health", "/_stcore/host-config", "/_stcore/upload_file/a/b", "/media/x.png",
        "/static/index.html", "/oddpixel/nothing", *(f"{path}?{item}" for path in ours),
    ]  # fmt: skip


def test_without_the_token_every_route_says_401(guarded: Server) -> None:
    for path in paths(guarded):
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Cookie": "oddpixel=e30.AAAA"},
            {"Authorization": TOKEN},
        ):
            assert ask(guarded, path, headers)[0] == 401, (path, headers)
        assert ask(guarded, path + ("&" if "?" in path else "?") + "token=wrong")[0] == 401
    for path in (path for path in paths(guarded) if "decide" in path or "undo" in path or "views" in path):
        assert ask(guarded, path, {}, {"items": ["normal-00.png"], "decision": "odd"})[0] == 401


def test_websockets_too(guarded: Server) -> None:
    address = guarded.address.replace("http", "ws") + "/_stcore/stream"

    async def status(headers: dict[str, str]) -> int:
        try:
            async with connect(address, additional_headers=headers, subprotocols=["streamlit"], open_timeout=PATIENCE):  # type: ignore[list-item]
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    assert asyncio.run(status({})) == 401
    assert asyncio.run(status({"Authorization": "Bearer wrong"})) == 401
    assert asyncio.run(status(BEARER)) == 101
    assert asyncio.run(status({**BEARER, "Origin": "http://elsewhere.example"})) == 403


def test_the_token_is_exchanged_once_for_a_cookie(guarded: Server) -> None:
    status, headers, _ = ask(guarded, f"/?token={urllib.parse.quote(TOKEN)}&run=x")
    assert status == 303
    assert headers["location"] == "/?run=x", "the token does not stay in the address"
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert TOKEN not in cookie
    value = cookie.partition(";")[0]
    assert ask(guarded, "/", {"Cookie": value})[0] == 200
    assert ask(guarded, "/", {"Cookie": value[:-2] + "AA"})[0] == 401
    status, headers, _ = ask(guarded, f"//elsewhere.example/?token={urllib.parse.quote(TOKEN)}")
    assert not headers.get("location", "").startswith("//")


def test_security_headers_stand_on_every_answer(guarded: Server) -> None:
    for path in paths(guarded):
        _, headers, _ = ask(guarded, path, BEARER)
        for name in SECURITY:
            assert headers[name], (path, name)
        assert headers.get("access-control-allow-origin") is None


def test_loopback_without_a_token_answers_to_its_own_name_only(server: Server) -> None:
    assert ask(server, "/")[0] == 200
    assert ask(server, "/", {"Host": "rebound.example"})[0] == 403
    key = server.run.record["id"]
    decision = {"items": ["normal-00.png"], "decision": "odd"}
    assert ask(server, f"/oddpixel/runs/{key}/decide", {"Origin": "http://rebound.example"}, decision)[0] == 403
    assert ask(server, f"/oddpixel/runs/{key}/decide", {}, decision)[0] == 403, "no ticket, no verdict"
    forged = Signer().sign("decide", {"author": "mallory"})
    assert ask(server, f"/oddpixel/runs/{key}/decide", {"X-OddPixel-Ticket": forged}, decision)[0] == 403


def test_what_is_sent_names_no_file_and_no_query(guarded: Server) -> None:
    key = guarded.run.record["id"]

    def said(path: str, **query: Any) -> tuple[int, bytes]:
        status, _, content = ask(guarded, f"{path}?{urllib.parse.urlencode(query)}", BEARER)
        return status, content

    for item in ("../../run.json", "/etc/passwd", "..%2f..%2frun.json", "thumbnails/x.webp", "", "normal-00.png\0"):
        assert said(f"/oddpixel/runs/{key}/thumbnail", name=item)[0] == 404
        assert said(f"/oddpixel/runs/{key}/thumbnails", names=item)[0] == 404
        for what in ("heat", "facts", "tile", "original"):
            status, content = said(f"/oddpixel/runs/{key}/{what}", item=item, level=0, column=0, row=0)
            assert status == 404, (item, what)
            assert b"root:" not in content
    for run in ("..", "%2e%2e", "0" * 32, "../" + key):
        assert said(f"/oddpixel/runs/{run}/rows")[0] in (400, 404)
    for query in ({"sort": "item; DROP TABLE rows"}, {"show": "x"}, {"p": "1 OR 1=1"}, {"offset": "x"}):
        assert said(f"/oddpixel/runs/{key}/rows", **query)[0] == 400
    injected = said(f"/oddpixel/runs/{key}/rows", find="' OR 1=1 --", count=1)
    assert json.loads(injected[1])["count"] == 0
    assert said(f"/oddpixel/runs/{key}/rows", limit=10**9)[0] == 200
    assert len(json.loads(said(f"/oddpixel/runs/{key}/rows", limit=10**9)[1])["rows"]) <= 500
    assert said(f"/oddpixel/runs/{key}/tile", item="normal-00.png", level=0, column=10**6, row=0)[0] == 404
    assert said(f"/oddpixel/runs/{key}/tile", item="normal-00.png", level=-1, column=0, row=0)[0] == 404


def test_oversized_and_malformed_bodies(guarded: Server) -> None:
    decide = f"/oddpixel/runs/{guarded.run.record['id']}/decide"
    assert ask(guarded, decide, BEARER, b"x" * (BODY + 1))[0] == 413
    assert ask(guarded, decide, BEARER, b"x")[0] == 403
    assert ask(guarded, "/oddpixel/views", BEARER, {"name": "x" * 1000, "query": ""})[0] == 403


def test_pictures_are_what_the_run_holds(guarded: Server) -> None:
    item = urllib.parse.urlencode({"item": HOSTILE})
    key = guarded.run.record["id"]
    rows = json.loads(ask(guarded, f"/oddpixel/runs/{key}/rows?find=onerror", BEARER)[2])["rows"]
    status, headers, content = ask(guarded, f"/oddpixel/runs/{key}/thumbnail?name={rows[0]['thumbnail']}", BEARER)
    assert (status, headers["content-type"], content[:4]) == (200, "image/webp", b"RIFF")
    assert headers["cache-control"].startswith("private")
    assert ask(guarded, f"/oddpixel/runs/{guarded.run.record['id']}/original?{item}", BEARER)[0] == 403, "no ticket"


def test_where_it_may_listen() -> None:
    check("127.0.0.1", None)
    check("::1", None)
    check("0.0.0.0", "x" * 16)
    with pytest.raises(UsageError, match="--token"):
        check("0.0.0.0", None)
    with pytest.raises(UsageError, match="--token"):
        check("dashboard.example", None)
    with pytest.raises(UsageError, match="guessed"):
        check("127.0.0.1", "short")


def test_signed_statements_are_of_one_purpose_and_expire() -> None:
    signer = Signer()
    signed = signer.sign("decide", {"author": "ann"})
    assert (signer.read("decide", signed) or {})["author"] == "ann"
    assert signer.read("visit", signed) is None
    assert Signer().read("decide", signed) is None
    assert signer.read("decide", signer.sign("decide", {}, seconds=-1)) is None
    for broken in ("", ".", "a.b.c", "é.é", signed + "x"):
        assert signer.read("decide", broken) is None


def test_names_of_uploads_are_ours() -> None:
    assert safe_name("../../etc/passwd", 3) == "0003-passwd"
    assert safe_name("C:\\x\\scan 1.DCM", 0) == "0000-scan 1.DCM"
    assert safe_name("..", 1) == "0001-image"
    assert safe_name("<script>.png", 2) == "0002-_script_.png"
    assert len(safe_name("x" * 5000 + ".png", 2)) < 150


def test_queries_out_of_addresses() -> None:
    query = Query.of({"sort": "p_value", "up": "1", "decision": "undecided", "p": "0.01", "find": "a"})
    assert (query.order_by, query.up, len(query.filters)) == ("p_value", True, 3)
    assert Query.of({"sort": ""}).order_by is None
    with pytest.raises(UsageError, match="cannot sort"):
        Query.of({"sort": "sha256"})


def test_pages_come_and_go_without_a_change_of_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An import in another thread meanwhile would miss packages that are there."""
    from streamlit.runtime.scriptrunner.exec_code import modified_sys_path

    monkeypatch.setattr(sys, "path", list(sys.path))
    with closing(Library([], tmp_path)) as library:
        application(Site(library, tmp_path))
        application(Site(library, tmp_path))
        settled = list(sys.path)
        assert settled[-1] == str(ENTRY.parent.absolute())
        assert settled.count(settled[-1]) == 1
        with modified_sys_path(str(ENTRY)):
            assert sys.path == settled
