"""Regions drawn in a case: by mouse and by keys, corrected, kept per reader, never lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oddpixel.forensics.runs.regions import Region
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.dashboards.conftest import Server, serving
from tests.dashboards.test_browser import chromium, shown, visit  # noqa: F401 -- a fixture
from tests.dashboards.test_quick_hands import free_port
from tests.dashboards.test_workplace import VIEWER, settled
from tests.patience import until

pytestmark = pytest.mark.filterwarnings("default")
ITEM = "ct-2.dcm"


def regions(run: Run) -> list[Region]:
    with Verdicts(run.verdicts_path) as verdicts:
        assert verdicts.verify().ok
        return verdicts.regions(run.record["id"])


def drawn(run: Run, count: int) -> list[Region]:
    until(lambda: len(regions(run)) == count, f"{count} regions")
    return regions(run)


def bounds(region: Region) -> tuple[float, ...]:
    xs, ys = zip(*region.outline, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def drag(page: Any, *points: tuple[float, float]) -> None:
    """Over the picture, from image point to image point."""
    place = page.evaluate(
        f"(() => {{ const v = {VIEWER}; const r = v.stage.panes[0].element.getBoundingClientRect();"
        "return [r.left + r.width / 2 - v.viewport.x * v.viewport.scale,"
        "r.top + r.height / 2 - v.viewport.y * v.viewport.scale, v.viewport.scale]; })()"
    )
    left, top, scale = place
    where = [(left + x * scale, top + y * scale) for x, y in points]
    page.mouse.move(*where[0])
    page.mouse.down()
    for point in where[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def test_regions_are_drawn_corrected_labelled_and_taken_away(chromium: Any, server: Server) -> None:  # noqa: F811
    address = f"{server.address}/case?run={server.run.record['id']}&item={ITEM}"
    with visit(chromium, address, name="ann") as page:
        shown(page, ITEM)
        settled(page)
        page.get_by_label("Tool: Box").click()
        drag(page, (20, 10), (60, 50))
        (box,) = drawn(server.run, 1)
        assert bounds(box) == pytest.approx((20, 10, 60, 50), abs=1)
        assert (box.author, box.item, box.kind) == ("ann", ITEM, "rectangle")
        page.get_by_label("Label of the region").fill("crack <b>1</b>")
        page.keyboard.press("Enter")
        until(lambda: regions(server.run)[0].label == "crack <b>1</b>", "the label")
        drag(page, (40, 30), (50, 35))
        until(lambda: bounds(regions(server.run)[0])[0] > 28, "the move")
        drag(page, (70, 55), (80, 70))
        until(lambda: bounds(regions(server.run)[0])[2] > 78, "the corner")
        assert bounds(regions(server.run)[0]) == pytest.approx((30, 15, 80, 70), abs=1)
        page.keyboard.press("y")
        until(lambda: bounds(regions(server.run)[0])[2] < 72, "the corner taken back")
        page.keyboard.press("l")
        page.keyboard.press("Escape")
        drag(page, (90, 20), (110, 20), (110, 60), (90, 60), (90, 22))
        outline = drawn(server.run, 2)[1]
        assert outline.kind == "polygon"
        assert len(outline.outline) < 20, "an outline has no more points than it needs"
        page.keyboard.press("Delete")
        drawn(server.run, 1)
        page.keyboard.press("y")
        drawn(server.run, 2)
        # By keys alone.
        page.keyboard.press("r")
        page.keyboard.press("Escape")
        page.locator(".standing").click()
        page.keyboard.press("Enter")
        by_keys = drawn(server.run, 3)[2]
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
        until(lambda: bounds(regions(server.run)[2])[0] > bounds(by_keys)[0], "the move by keys")
        until(lambda: bounds(regions(server.run)[2])[3] > bounds(by_keys)[3], "the size by keys")
        # Another item has none; coming back finds all.
        page.keyboard.press("j")
        page.get_by_role("button", name="Region 1 crack").wait_for(state="detached")
        page.keyboard.press("k")
        page.get_by_role("button", name="Region 1 crack").wait_for()
        page.reload()
        shown(page, ITEM)
        page.get_by_role("button", name="Region 1 crack <b>1</b>").wait_for()
    with visit(chromium, address, name="ben") as page:
        shown(page, ITEM)
        page.get_by_text("1 crack <b>1</b> (ann)").wait_for()
        assert page.get_by_role("button", name="Region 1").count() == 0, "another's cannot be selected"
        page.keyboard.press("r")
        drag(page, (100, 80), (120, 90))
        assert drawn(server.run, 4)[3].author == "ben"


def test_what_is_drawn_while_the_server_is_away_arrives(
    chromium: Any,  # noqa: F811
    run: Run,
    made: Path,
    tmp_path: Path,
) -> None:
    port = free_port()
    with chromium.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        with serving(run, made, tmp_path, "a token that nobody guesses", port=port) as server:
            context.add_cookies([{"name": "oddpixel-name", "value": "ann", "url": server.address}])
            page.goto(server.entrance)
            page.goto(f"{server.address}/case?run={run.record['id']}&item={ITEM}")
            shown(page, ITEM)
            settled(page)
        page.keyboard.press("r")
        drag(page, (20, 10), (60, 50))
        page.keyboard.press("n")
        drag(page, (70, 10), (90, 50))
        page.get_by_text("not saved yet").first.wait_for()
        assert regions(run) == []
        with serving(run, made, tmp_path, "a token that nobody guesses", port=port):
            page.reload()
            shown(page, ITEM)
            page.get_by_role("button", name="Region 2").wait_for()
            assert [each.author for each in drawn(run, 2)] == ["ann", "ann"]
