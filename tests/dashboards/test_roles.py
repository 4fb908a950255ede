"""Viewers look, readers decide, leads start and delete: by the groups that the sign-on vouches for, in every route and page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from oddpixel.dashboards import routes, visit
from oddpixel.dashboards.access import COOKIE, Signer
from oddpixel.dashboards.library import Library
from oddpixel.dashboards.report_routes import report
from oddpixel.dashboards.roles import ROLES, Visitor, allows, parsed, role_of
from oddpixel.dashboards.sign_on import SignOn
from oddpixel.dashboards.site import Site, open_site
from oddpixel.errors import UsageError
from oddpixel.forensics.runs.run import Run
from tests.dashboards.conftest import serving
from tests.dashboards.test_browser import chromium, latest, ready  # noqa: F401 -- a fixture
from tests.dashboards.test_quick_hands import free_port
from tests.dashboards.test_sign_on import Provider, begun, provider  # noqa: F401 -- a fixture
from tests.dashboards.test_views import page, said
from tests.patience import PATIENCE

pytestmark = pytest.mark.filterwarnings("default")
GROUPS = {"radiology": "reader", "chiefs": "lead"}


@pytest.fixture
def site(run: Run, made: Path, tmp_path: Path) -> Iterator[Site]:
    sign_on = SignOn("http://localhost:1", "odd", "s", "http://localhost:2", Signer(), GROUPS)
    with closing(Library([run.path], tmp_path / "own", data=[made])) as library:
        yield open_site(Site(library, tmp_path / "own", (made,), sign_on.signer, sign_on))


def asked(site: Site, header: str = "", cookie: str = "", body: object = None, **query: str) -> Request:
    """A request about the site's run."""
    from urllib.parse import urlencode

    headers = [
        (b"x-oddpixel-ticket", header.encode()), (b"cookie", f"{COOKIE}={cookie}".encode()),
        (b"content-type", b"application/json"),
    ]  # fmt: skip
    scope = {
        "type": "http",
        "method": "POST",
        "headers": headers,
        "query_string": urlencode(query).encode(),
        "path": "/",
    }
    request = Request(scope | {"path_params": {"run": site.library.runs()[0].key}})
    request.state.body = json.dumps(body).encode()
    return request


def test_the_highest_role_of_ones_groups_counts() -> None:
    assert role_of(["a", "radiology", "chiefs"], GROUPS) == "lead"
    for groups, role in (
        ("radiology", "reader"),
        ([], "viewer"),
        (None, "viewer"),
        ([{"chiefs": 1}, 7], "viewer"),
        ({}, "viewer"),
    ):
        assert role_of(groups, GROUPS) == role
    assert role_of(None, {}) == "lead", "without roles everybody may do everything, as before"
    assert parsed(["radiology=reader", "a=b=lead"]) == {"radiology": "reader", "a=b": "lead"}
    for wrong in ("radiology", "=lead", "radiology=boss"):
        with pytest.raises(UsageError, match="GROUP=ROLE"):
            parsed([wrong])


def test_a_sign_on_carries_the_role_into_cookie_and_ticket(provider: Provider, site: Site) -> None:  # noqa: F811
    sign_on = SignOn(provider.address, "odd", "s3cret", "http://localhost:8501", site.signer, GROUPS)
    where, pending = begun(sign_on)
    provider.claims = {"nonce": where["nonce"], "email": "ann@odd.example", "groups": ["radiology"]}
    _, cookies = sign_on.finish({"state": where["state"], "code": "c"}, pending)
    cookie = cookies[0].partition("=")[2].partition(";")[0]
    assert site.visitor(cookie) == Visitor("ann@odd.example", "reader")
    answer = routes.ticket(asked(site, cookie=cookie, body={"author": "somebody else"}))
    assert answer["author"] == "ann@odd.example"
    assert site.author_of(answer["ticket"]) == "ann@odd.example"


def test_a_viewer_changes_nothing_and_takes_nothing_along(site: Site) -> None:
    viewer = site.ticket("vera", "viewer")
    entry = {"key": "k" * 12, "items": ["odd-noise.png"], "decision": "odd"}
    for handler, body in (
        (routes.verdicts, {"entries": [entry]}),
        (routes.decide, {"items": ["odd-noise.png"], "decision": "odd"}),
        (routes.undo, {"items": ["odd-noise.png"]}),
        (routes.save_view, {"name": "a", "query": ""}),
    ):  # a refusal that a browser does not take for the last word: it keeps what it wanted to send
        with pytest.raises(PermissionError, match="role of a reader, and yours is viewer"):
            handler(asked(site, viewer, body=body))
    for handler in (routes.original, routes.synthetic, report):
        with pytest.raises(UsageError, match="role of a reader"):
            handler(asked(site, item="odd-noise.png", ticket=viewer))
    assert site.library.runs()[0].verdicts.since(site.library.runs()[0].key, 0) == []
    routes.verdicts(asked(site, site.ticket("rita", "reader"), body={"entries": [entry]}))
    assert len(site.library.runs()[0].verdicts.since(site.library.runs()[0].key, 0)) == 1


def test_what_was_signed_before_there_were_roles_may_only_look(site: Site) -> None:
    assert site.visitor(site.signer.sign("visit", {"author": "ann"})) == Visitor("ann", "viewer")
    with pytest.raises(UsageError, match="yours is viewer"):
        site.author_of(site.signer.sign("decide", {"author": "ann"}))
    forged = Signer().sign("decide", {"author": "ann", "role": "lead"})
    assert site.author_of(forged) is None


@pytest.mark.parametrize("role", ROLES)
def test_pages_offer_what_the_role_allows(role: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "signed_on", lambda: Visitor("vera", role))
    test = page("runs")
    assert f"Signed on as vera, {role}" in said(test)
    assert ("Flag" in [each.label for each in test.button]) == (role == "lead")
    key: Any = site.library.runs()[0].key
    for name, label, needed in (
        ("runs", "Flag", "lead"),
        ("export", "Prepare", "reader"),
        ("case", "Show identifiers", "reader"),
        ("case", "Make reference", "lead"),
        ("audit", "Audit", "lead"),
    ):
        test = page(name, run=key, item="ct-2.dcm")
        is_allowed = allows(role, needed)
        assert (label in [each.label for each in test.button]) == is_allowed, label
        assert (f"role of a {needed}, and yours is {role}" in said(test)) == (not is_allowed), label
    test = page("case", run=key, item="ct-2.dcm")
    assert ("Download the original" in said(test)) == (role != "viewer")


def test_a_viewer_is_told_what_the_server_would_refuse(
    chromium: Any,  # noqa: F811
    provider: Provider,  # noqa: F811
    run: Run,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ODDPIXEL_OIDC_SECRET", "s3cret")
    port = free_port()
    options = ["--oidc", provider.address, "--oidc-client", "odd", "--address", f"http://localhost:{port}"]
    options += ["--oidc-role", "radiology=reader"]
    with serving(run, made, tmp_path, None, port=port, options=options) as server:
        for groups, is_reader in (([], False), (["radiology"], True)):
            provider.claims = {"email": "vera@odd.example", "groups": groups}
            with chromium.new_context(viewport={"width": 1280, "height": 800}) as context:
                context.set_default_timeout(1000 * PATIENCE)
                page = context.new_page()
                page.goto(server.address)
                ready(page)
                said = page.get_by_text("You may look: this needs the role of a reader, and yours is viewer")
                names = ["Verdict: odd", "Verdict: normal", "Verdict: unsure", "Undo: take back the last verdict"]
                for name in (*names, "Tag what is selected", "Save view"):
                    assert page.get_by_role("button", name=name).is_enabled() == is_reader, name
                assert said.count() == (0 if is_reader else 1)
                page.locator(".cell").first.click()
                page.keyboard.press("o")
                if not is_reader:
                    said.nth(1).wait_for()
                page.keyboard.press("Home")
                page.keyboard.press("Enter")
                page.locator(".stage[data-ready]").wait_for()
                for name in (*names[:3], "Undo: take back your last verdict on it"):
                    assert page.get_by_role("button", name=name).is_enabled() == is_reader, name
                page.keyboard.press("n")
                if is_reader:
                    page.locator(".standing", has_text="normal").wait_for()
                else:
                    said.nth(1).wait_for()
                    assert latest(run) == {}
