"""The flows that people go through, in a real browser against a real server; nothing may be asked of any other host."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.dashboards.conftest import HOSTILE, SLICES, TOKEN, Server
from tests.patience import PATIENCE

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MILLISECONDS = 1000 * PATIENCE
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    # The headless shell spends half of a whole browser's processor time on a page.
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        if os.environ.get("ODDPIXEL_REQUIRE_BROWSER"):
            pytest.fail("no browser, and these tests must run: apt-get install chromium-headless-shell")
        pytest.skip("no browser is installed: apt-get install chromium-headless-shell")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def visit(chromium: Any, address: str, name: str | None = "root", **options: Any) -> Iterator[Any]:
    """A page of a visitor whose browser knows their name. What it asks of other hosts, and every error in it, fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True, **options)
    if name is not None:
        context.add_cookies([{"name": "oddpixel-name", "value": name, "url": address}])
    context.set_default_timeout(MILLISECONDS)
    page = context.new_page()
    host = address.split("/")[2]
    elsewhere: list[str] = []
    broken: list[str] = []
    page.on(
        "request",
        lambda r: elsewhere.append(r.url) if r.url.startswith("http") and r.url.split("/")[2] != host else None,
    )
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(address)
    yield page
    title = page.title()
    context.close()
    assert elsewhere == []
    assert broken == []
    assert "pwned" not in title


def ready(page: Any, times: int = 1) -> None:
    page.wait_for_function(
        "n => [...document.querySelectorAll('*')].some(e => e.shadowRoot && "
        "Number(e.shadowRoot.querySelector('.grid')?.dataset.ready) >= n)",
        arg=times,
    )


def shown(page: Any, item: str) -> None:
    """The viewer has that item on its stage."""
    page.wait_for_function(
        "item => [...document.querySelectorAll('*')].some(e => e.shadowRoot?.querySelector('.stage')?.dataset.ready === item)",
        arg=item,
    )


def latest(run: Run) -> dict[str, str]:
    with Verdicts(run.verdicts_path) as verdicts:
        assert verdicts.verify().ok
        return {item: each.decision for item, each in verdicts.latest(run.record["id"]).items()}


def test_from_a_run_to_an_export(chromium: Any, server: Server, tmp_path: Path) -> None:
    with visit(chromium, server.entrance) as page:
        ready(page)
        first = page.locator(".cell").first
        assert "odd-" in first.get_attribute("aria-label")
        # Sort and filter.
        page.get_by_label("Sort", exact=True).select_option("item")
        ready(page, 2)
        page.get_by_label("Sort direction").click()
        ready(page, 3)
        page.get_by_label("Find by name").fill("odd-")
        ready(page, 4)
        assert page.locator(".cell").count() == 3
        assert "odd-constant" in page.locator(".cell").first.get_attribute("aria-label")
        # Open a case; the overlay changes without asking the server.
        page.locator(".cell").first.dblclick()
        shown(page, "odd-constant.png")
        page.locator(".normals button").first.wait_for()  # the last that is asked for, after the neighbours
        page.wait_for_load_state("networkidle")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.get_by_label("Opacity of the map").fill("0.9")
        page.get_by_label("Map: Curtain").click()
        page.get_by_label("Map: Side by side").click()
        page.wait_for_timeout(500)
        # What others decide is asked for whatever is done here.
        assert [url for url in asked if "/oddpixel/" in url and "/changes?" not in url] == []
        # Verdict, next, undo.
        page.get_by_label("Note to the verdict").fill("flat")
        page.get_by_label("Verdict: odd").click()
        page.get_by_text("flat").first.wait_for()
        assert latest(server.run) == {"odd-constant.png": "odd"}
        page.keyboard.press("Escape")
        page.get_by_label("Next in the queue").click()
        shown(page, "odd-noise.png")
        page.keyboard.press("n")
        page.get_by_text("normal", exact=True).first.wait_for()
        page.keyboard.press("z")
        page.get_by_text("no verdict", exact=True).wait_for()
        assert latest(server.run) == {"odd-constant.png": "odd", "odd-noise.png": "undecided"}
        permalink = page.url
        assert "item=odd-noise.png" in permalink
    with visit(chromium, permalink) as other:
        shown(other, "odd-noise.png")
        other.get_by_role("link", name="Export").click()
        other.get_by_role("button", name="Prepare").wait_for()
        other.get_by_text("zip: The whole run").click()
        other.get_by_role("button", name="Prepare").click()
        with other.expect_download() as download:
            other.get_by_role("button", name="Download").click()
        download.value.save_as(tmp_path / "run.zip")
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["log"]["ok"]


def test_triage_by_keys_with_several_at_once(chromium: Any, server: Server) -> None:
    with visit(chromium, server.entrance) as page:
        ready(page)
        names = [page.locator(".cell").nth(k).get_attribute("aria-label").split(",")[0] for k in range(4)]
        page.locator(".cell").first.click()
        page.keyboard.press("o")
        page.keyboard.press("u")
        page.get_by_text(f"{names[1]}: unsure").wait_for()
        assert latest(server.run) == {names[0]: "odd", names[1]: "unsure"}
        page.keyboard.press("Home")
        page.keyboard.press(".")
        page.keyboard.press("x")
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.keyboard.press("n")
        page.get_by_text("2 items: normal").wait_for()
        assert {latest(server.run)[name] for name in names[2:4]} == {"normal"}
        page.keyboard.press("z")
        page.get_by_text("2 items: taken back").wait_for()
        assert {latest(server.run)[name] for name in names[2:4]} == {"undecided"}
        page.keyboard.press("?")
        page.get_by_role("dialog").get_by_text("take back your last verdict").wait_for()
        page.keyboard.press("Escape")
        # What somebody else decides is there with the next look.
        with Verdicts(server.run.verdicts_path) as verdicts:
            verdicts.record(server.run.record["id"], names[3], "odd", author="ben")
        page.get_by_label("Verdict", exact=True).select_option("odd")
        ready(page, 2)
        page.locator(".cell").nth(1).wait_for()
        assert page.locator(".cell").count() == 2
        assert "decision=odd" in page.url


def test_hostile_names_stay_text(chromium: Any, server: Server) -> None:
    with visit(chromium, server.entrance) as page:
        ready(page)
        page.get_by_label("Find by name").fill("onerror")
        ready(page, 2)
        assert HOSTILE in page.locator(".cell").first.get_attribute("aria-label")
        page.locator(".cell").first.dblclick()
        shown(page, HOSTILE)
        page.get_by_label("Note to the verdict").fill("<script>document.title='pwned'</script>")
        page.get_by_label("Verdict: unsure").click()
        page.get_by_text("<script>").first.wait_for()
        page.wait_for_timeout(500)
        assert page.locator("img[src='x']").count() == 0


def test_scans_have_window_slices_ruler_and_hidden_identifiers(chromium: Any, server: Server) -> None:
    address = f"{server.address}/case?run={server.run.record['id']}&item=ct-2.dcm"
    with visit(chromium, address) as page:
        shown(page, "ct-2.dcm")
        assert page.get_by_label("Window centre").input_value() == "40"
        assert page.get_by_label("Window width").input_value() == "400"
        for letter in ("R", "L", "A", "P"):
            page.get_by_text(letter, exact=True).first.wait_for()
        stage = page.locator(".pane canvas").first.bounding_box()
        middle = (stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
        page.get_by_label("Map: No map").click()
        before = page.locator(".pane").first.screenshot()
        page.get_by_label("Tool: Window").click()
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + 90, middle[1] - 70, steps=4)
        page.mouse.up()
        assert float(page.get_by_label("Window width").input_value()) > 450
        assert float(page.get_by_label("Window centre").input_value()) < 0
        assert page.locator(".pane").first.screenshot() != before
        page.get_by_label("Window preset").select_option("lung")
        assert page.get_by_label("Window centre").input_value() == "-600"
        page.get_by_label("Invert").click()
        page.mouse.move(*middle)
        page.get_by_text("HU").first.wait_for()
        # A ruler along a row of the picture, 0.75 mm a column.
        page.get_by_label("Tool: Ruler").click()
        page.mouse.down()
        page.mouse.move(middle[0] + 60, middle[1], steps=3)
        page.mouse.up()
        # Slices by the wheel, in the order of the series.
        page.mouse.wheel(0, 120)
        shown(page, "ct-3.dcm")
        page.get_by_text(f"4 of {SLICES}").wait_for()
        page.wait_for_url("**item=ct-3.dcm*")
        page.get_by_text("SHA-256").wait_for()
        page.get_by_text("<script>").wait_for()  # the maker's name, as text
        assert page.get_by_text("Doe^Jane").count() == 0
        page.get_by_role("button", name="Show identifiers").click()
        page.get_by_text("Doe^Jane").wait_for()
    with Verdicts(server.run.verdicts_path) as verdicts:
        assert [each["action"] for each in verdicts.actions(server.run.record["id"])] == ["identifiers shown"]


def test_a_lost_map_does_not_look_like_an_image_without_one(chromium: Any, server: Server) -> None:
    lost = [path for path in (server.run.path / "maps").rglob("*") if path.is_file()]
    assert lost
    for path in lost:
        path.unlink()
    with visit(chromium, f"{server.address}/case?run={server.run.record['id']}&item=odd-constant.png") as page:
        shown(page, "odd-constant.png")
        page.get_by_text("The map cannot be shown").wait_for()
        assert page.get_by_text("No map was kept").count() == 0


def test_dragging_the_threshold_ends_the_promise(chromium: Any, server: Server) -> None:
    with visit(chromium, f"{server.address}/distribution?run={server.run.record['id']}") as page:
        page.get_by_text("Guaranteed: at most 0.1").wait_for()
        box = page.get_by_role("slider", name="Threshold on p-value").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2, steps=4)
        page.mouse.up()
        page.get_by_text("Exploratory: this threshold was chosen").wait_for()
        assert page.get_by_text("Guaranteed").count() == 0


def test_upload_and_flag(chromium: Any, server: Server, made: Path, tmp_path: Path) -> None:
    from playwright.sync_api import TimeoutError

    lying = tmp_path / "lying.png"
    lying.write_text("<html><script>document.title='pwned'</script></html>")
    with visit(chromium, f"{server.address}/runs") as page:
        page.get_by_role("button", name="Flag", exact=True).wait_for()
        files = [str(made / "incoming" / name) for name in ("normal-01.png", "normal-02.png", "odd-noise.png")]
        page.locator("input[type=file]").first.set_input_files([*files, str(lying)])
        page.get_by_text("lying.png").first.wait_for()
        oversized = tmp_path / "oversized.png"
        oversized.write_bytes(b"\x89PNG" + bytes(2_000_000))
        page.locator("input[type=file]").first.set_input_files(str(oversized))
        page.get_by_text("MB or smaller").wait_for()
        page.get_by_label("Name of the run").fill("from the browser")
        page.keyboard.press("Tab")
        page.get_by_label("Rate of false alarms (alpha)").fill("0.1")
        page.keyboard.press("Tab")
        job = page.get_by_text("flag from the browser").first
        for _ in range(6):  # the files may still be on their way, and then there is nothing to flag yet
            page.wait_for_load_state("networkidle")
            page.get_by_role("button", name="Flag", exact=True).click()
            try:
                job.wait_for(timeout=MILLISECONDS)
                break
            except TimeoutError:
                continue
        page.get_by_role("link", name="Open the run").first.wait_for(timeout=MILLISECONDS)
        page.get_by_text("flag from the browser · done").first.wait_for(timeout=MILLISECONDS)
        for _ in range(6):  # the page is drawn anew when a job has ended, and a click at that moment leads nowhere
            page.get_by_role("link", name="Open the run").first.click()
            try:
                page.locator(".cell").first.wait_for(timeout=MILLISECONDS / 6)
                break
            except TimeoutError:
                continue
        ready(page)
        labels = [page.locator(".cell").nth(k).get_attribute("aria-label") for k in range(4)]
        assert "odd-noise.png" in labels[0]
        assert "flagged" in labels[0]
        assert any("lying.png" in label and "not readable" in label for label in labels)


def test_the_token_opens_the_door_once(chromium: Any, guarded: Server) -> None:
    with visit(chromium, guarded.address) as page:
        assert "401" in page.text_content("body")
    with visit(chromium, guarded.entrance) as page:
        ready(page)
        assert "token" not in page.url
        assert TOKEN not in page.content()
        cookie = next(each for each in page.context.cookies() if each["name"] == "oddpixel")
        assert cookie["httpOnly"]
