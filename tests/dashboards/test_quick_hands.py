"""Verdicts land on the picture that was on the screen, and none is lost: fast keys, reloads, aborted loads, a server that
restarts, two people at once."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.dashboards.conftest import Server, serving
from tests.dashboards.test_browser import chromium, latest, ready, shown, visit  # noqa: F401 -- a fixture
from tests.patience import until

pytestmark = pytest.mark.filterwarnings("default")
ABORTED = 40


def names(page: Any, count: int) -> list[str]:
    return [page.locator(".cell").nth(k).get_attribute("aria-label").split(",")[0] for k in range(count)]


def decided(run: Run, count: int) -> dict[str, str]:
    until(lambda: len(latest(run)) >= count, f"{count} verdicts")
    return latest(run)


def abort(address: str, path: str) -> None:
    """Ask for a file, read a little, and hang up."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname or "", place.port or 0)) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n".encode()
        )
        connection.recv(64)
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # a reset, in the middle of the answer


def test_loads_that_are_aborted_leave_whole_pages(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, server.entrance) as page:
        ready(page)
        files = page.evaluate(
            "performance.getEntriesByType('resource').map(e => e.name).filter(n => n.includes('/static/'))"
        )
    assert len(files) > 5
    for k in range(ABORTED):
        abort(server.address, urlsplit(files[k % len(files)]).path)
    with visit(chromium, server.entrance) as page:
        for _ in range(4):
            page.reload(wait_until="commit")  # and no longer: the next one aborts what loads
            page.wait_for_timeout(200)
        ready(page)
    with visit(chromium, server.entrance) as page:
        ready(page)


def test_a_key_is_about_the_picture_that_the_key_before_led_to(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, server.entrance) as page:
        ready(page)
        order = names(page, 7)
        page.locator(".cell").first.dblclick()
        shown(page, order[0])
        entries = page.evaluate("history.length")
        for key in "ojnjujojnju":
            page.keyboard.press(key)
            page.wait_for_timeout(150)
        found = decided(server.run, 6)
        wanted = dict(zip(order, ("odd", "normal", "unsure", "odd", "normal", "unsure"), strict=False))
        assert found == wanted
        shown(page, order[5])
        page.wait_for_url(re.compile(f"item={re.escape(order[5])}"))
        page.wait_for_timeout(1500)
        assert page.evaluate("history.length") == entries, "steps do not fill the history"
        page.keyboard.press("k")
        shown(page, order[4])
        page.locator(".standing", has_text="normal").wait_for()


def test_a_queue_of_undecided_items_goes_on_behind_each(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, f"{server.address}/?run={server.run.record['id']}&decision=undecided&find=normal") as page:
        ready(page)
        order = names(page, 5)
        page.locator(".cell").first.dblclick()
        shown(page, order[0])
        assert "decision=undecided" in page.url, "the link carries its queue"
        assert "find=normal" in page.url
        for _ in range(5):
            page.keyboard.press("n")
            page.keyboard.press("j")
        assert decided(server.run, 5) == dict.fromkeys(order, "normal")
        page.get_by_role("link", name="Triage").click()
        ready(page)
        assert page.get_by_label("Find by name").input_value() == "normal"
        assert "decision=undecided" in page.url


def test_steps_taken_on_the_way_out_do_not_bring_anyone_back(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, server.entrance) as page:
        ready(page)
        order = names(page, 3)
        page.locator(".cell").first.dblclick()
        shown(page, order[0])
        page.wait_for_timeout(1500)
        page.evaluate("""() => {
            [...document.querySelectorAll("a")].find((link) => link.innerText.includes("Triage")).click();
            for (const key of ["n", "j"]) document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        }""")
        ready(page)
        page.wait_for_timeout(2000)
        ready(page)
        assert decided(server.run, 1) == {order[0]: "normal"}


def test_back_and_forward_lead_where_one_was(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, server.entrance) as page:
        ready(page)
        order = names(page, 3)
        page.locator(".cell").nth(1).dblclick()
        shown(page, order[1])
        page.keyboard.press("j")
        shown(page, order[2])
        page.wait_for_url(f"**item={order[2]}*")
        for pause in (0, 150, 600, 1500):  # the page before may be asked for, on its way, or here
            page.go_back()
            page.wait_for_timeout(pause)
            page.go_forward()
            shown(page, order[2])
            page.wait_for_load_state("networkidle")
            assert "/case?" in page.url
            assert f"item={order[2]}" in page.url
        page.go_back()
        ready(page)
        page.wait_for_load_state("networkidle")
        assert "/case" not in page.url


def test_the_name_is_asked_at_the_first_verdict(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, server.entrance, name=None) as page:
        ready(page)
        first, second = names(page, 2)
        page.locator(".cell").first.click()
        page.keyboard.press("o")
        page.get_by_role("dialog", name="Your name").wait_for()
        page.keyboard.press("Escape")
        page.get_by_text("Nothing was decided: verdicts need a name.").wait_for()
        page.keyboard.press("o")
        page.keyboard.type("nujo")  # meant for pictures: neither a name nor a verdict
        asked = page.get_by_role("dialog", name="Your name").get_by_role("textbox")
        until(lambda: asked.is_editable() or page.wait_for_timeout(50), "the field that takes a name")
        page.keyboard.type("ann")  # and none of it is a verdict
        page.keyboard.press("Enter")
        page.get_by_text(f"{first}: odd").wait_for()
        page.keyboard.press("n")
        decided(server.run, 2)
        assert [(each.author, each.decision) for each in history(server.run, first)] == [("ann", "odd")]
        assert [(each.author, each.decision) for each in history(server.run, second)] == [("ann", "normal")]
        field = page.get_by_role("textbox", name="Your name")
        until(lambda: field.input_value() == "ann" or page.wait_for_timeout(100), "the name in the side bar")
        page.reload()
        ready(page)
        until(lambda: field.input_value() == "ann" or page.wait_for_timeout(100), "the name after a reload")


def test_quick_verdicts_survive_a_reload(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, server.entrance) as page:
        ready(page)
        order = names(page, 25) if page.locator(".cell").count() >= 25 else names(page, page.locator(".cell").count())
        page.locator(".cell").first.click()
        for k in range(len(order)):
            page.keyboard.press("on"[k % 2])
        page.reload()
        ready(page)
        found = decided(server.run, len(order))
    assert found == {name: ("odd", "normal")[k % 2] for k, name in enumerate(order)}


def test_all_that_match_are_selected_in_sight_or_not(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, f"{server.address}/?run={server.run.record['id']}&find=normal") as page:
        page.set_viewport_size({"width": 500, "height": 500})
        ready(page)
        assert page.locator(".cell").count() < 20
        page.locator(".cell").first.click()
        page.keyboard.press("a")
        page.keyboard.press("n")
        found = decided(server.run, 20)
    assert len(found) == 20
    assert set(found.values()) == {"normal"}


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("localhost", 0))
        return int(probing.getsockname()[1])


@pytest.fixture
def fixed(run: Run, made: Path, tmp_path: Path) -> tuple[Any, ...]:
    return run, made, tmp_path, free_port()


def test_what_is_decided_while_the_server_restarts_arrives(chromium: Any, fixed: tuple[Any, ...]) -> None:  # noqa: F811
    run, made, place, port = fixed
    with chromium.new_context() as context:
        page = context.new_page()
        with serving(run, made, place, "a token that nobody guesses", port=port) as server:
            context.add_cookies([{"name": "oddpixel-name", "value": "ann", "url": server.address}])
            page.goto(server.entrance)
            ready(page)
            order = names(page, 6)
            page.locator(".cell").first.click()
            for key in "on":
                page.keyboard.press(key)
            decided(run, 2)
        for key in "unon":
            page.keyboard.press(key)
        page.get_by_text("not saved yet").first.wait_for()
        with serving(run, made, place, "a token that nobody guesses", port=port):
            found = decided(run, 6)
    assert found == dict(zip(order, ("odd", "normal", "unsure", "normal", "odd", "normal"), strict=True))


def test_two_people_see_each_other_and_undo_their_own(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, server.entrance) as ann, visit(chromium, server.entrance) as ben:
        for page, name in ((ann, "ann"), (ben, "ben")):
            ready(page)
            page.get_by_role("textbox", name="Your name").fill(name)
            page.keyboard.press("Tab")
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(1000)
        (first,) = names(ann, 1)
        ann.locator(".cell").first.click()
        ann.keyboard.press("o")
        ben.locator(".cell .verdict-odd").first.wait_for()
        ben.locator(".cell").first.click()
        ben.keyboard.press("n")
        ann.get_by_text("normal ≠ ann: odd").first.wait_for()
        ann.keyboard.press("z")  # takes back her own, and leaves his
        until(lambda: len(history(server.run, first)) == 3, "the undo")
        until(lambda: ann.get_by_text("ann: odd").count() == 0 or ann.wait_for_timeout(200), "the undo on the screen")
        assert latest(server.run) == {first: "normal"}
        said = [(each.author, each.decision) for each in history(server.run, first)]
        assert said == [("ann", "odd"), ("ben", "normal"), ("ann", "normal")]


def history(run: Run, item: str) -> list[Any]:
    with Verdicts(run.verdicts_path) as verdicts:
        return list(verdicts.history(run.record["id"], item))
