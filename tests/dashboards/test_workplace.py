"""A case as a workplace: everything in one screen, steps without waiting, the map's threshold, and what to compare with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.forensics.runs.run import Run
from tests.dashboards.conftest import Server, serving
from tests.dashboards.test_browser import chromium, ready, shown, visit  # noqa: F401 -- a fixture
from tests.dashboards.test_quick_hands import names
from tests.dashboards.test_synthetic import compared

pytestmark = pytest.mark.filterwarnings("default")
POWER = "80% or more of missing parts, " + ", ".join(f"kind {k} up to a contrast of {k}0 %" for k in range(1, 9))
VIEWER = "[...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.odd')?.viewer).find(Boolean)"


@pytest.fixture
def powerful(run: Run, made: Path, tmp_path: Path) -> Iterator[Server]:
    """A run that says at length what it would find."""
    record = json.loads((run.path / "run.json").read_text())
    record["decision"]["power"] = {"text": POWER, "cells": []}
    (run.path / "run.json").write_text(json.dumps(record))
    with serving(run, made, tmp_path, None) as started:
        yield started


def settled(page: Any) -> None:
    page.wait_for_load_state("networkidle")


def scale(page: Any) -> float:
    return float(page.evaluate(f"{VIEWER}.viewport.scale"))


def test_a_case_is_one_screen_and_its_neighbours_are_there_already(chromium: Any, powerful: Server) -> None:  # noqa: F811
    with visit(chromium, powerful.entrance) as page:
        page.set_viewport_size({"width": 1280, "height": 800})
        ready(page)
        order = names(page, 3)
        page.locator(".cell").first.dblclick()
        shown(page, order[0])
        page.get_by_text("What it finds").wait_for()
        for seen in (
            page.locator(".pane canvas").first, page.get_by_label("Verdict: odd"), page.locator(".figures"),
            page.get_by_label("Next in the queue"), page.locator(".reasons li").last, page.get_by_text("What it finds"),
            page.get_by_label("Threshold of the map"),
        ):  # fmt: skip
            box = seen.bounding_box()
            assert box["y"] >= 0, seen
            assert box["y"] + box["height"] <= 800, seen
        assert "p = " in page.locator(".figures").inner_text()
        # Neighbours are shown from what is here: nothing is answered any more.
        page.locator(".normals button, .normals p").first.wait_for()
        settled(page)
        page.route("**/oddpixel/**", lambda route: route.abort())
        for key, item in (("j", order[1]), ("k", order[0])):
            page.keyboard.press(key)
            shown(page, item)
            page.locator(".reasons li").first.wait_for()
        page.unroute("**/oddpixel/**")
        # Both panels at the sides go, and come back.
        wide = page.locator(".stage").bounding_box()["width"]
        page.keyboard.press("s")
        page.wait_for_function(f"{VIEWER}.stage.element.clientWidth > {wide} + 400")
        page.reload()
        shown(page, order[0])
        assert page.get_by_text("What it finds").is_hidden()
        page.keyboard.press("s")
        page.wait_for_function(f"{VIEWER}.stage.element.clientWidth <= {wide} + 1")


def test_the_threshold_of_the_map_is_a_slider(chromium: Any, server: Server) -> None:  # noqa: F811
    evidence = np.tile(np.linspace(0, 4000, 40).astype(np.uint16), (40, 1))  # rarer from left to right
    for path in (server.run.path / "maps").rglob("*.png"):
        Pillow.fromarray(evidence).save(path)
    with visit(chromium, f"{server.address}/case?run={server.run.record['id']}&item=odd-stripes.png") as page:
        shown(page, "odd-stripes.png")
        page.get_by_text("(the run's rule)").wait_for()
        for label in ("1 in 10", "1 in 100", "1 in 1,000"):
            page.get_by_text(label, exact=True).wait_for()
        assert page.get_by_role("button", name="Rule", exact=True).is_disabled()
        before = page.locator(".pane canvas").first.screenshot()
        page.get_by_label("Threshold of the map").fill("1.5")
        page.get_by_text("(not the run's rule)").wait_for()
        page.wait_for_timeout(100)
        assert page.locator(".pane canvas").first.screenshot() != before
        page.get_by_role("button", name="Rule", exact=True).click()
        page.get_by_text("(the run's rule)").wait_for()
        page.wait_for_timeout(100)
        assert page.locator(".pane canvas").first.screenshot() == before


def test_a_case_is_compared_with_normals_and_with_its_group(chromium: Any, server: Server) -> None:  # noqa: F811
    key = server.run.record["id"]
    with visit(chromium, f"{server.address}/case?run={key}&item=normal-03.png&sort=item&up=1&find=normal") as page:
        shown(page, "normal-03.png")
        page.locator(".normals button").first.click()
        compared(page, "side normal 1")
        assert "not flagged" in page.locator(".pane .title").nth(1).inner_text()
        canvases = page.locator(".pane canvas")
        before = [canvases.nth(k).screenshot() for k in range(2)]
        page.get_by_label("One pixel a pixel").click()
        page.wait_for_timeout(200)
        assert all(canvases.nth(k).screenshot() != before[k] for k in range(2)), "one zoom for both"
        page.keyboard.press("c")
        compared(page, "curtain normal 1")
        page.keyboard.press("d")
        compared(page, "difference normal 1")
        page.keyboard.press("e")
        compared(page, "side normal 2")
        page.keyboard.press("j")
        shown(page, "normal-04.png")
        compared(page, "side normal 2")
        assert page.locator(".pane.synthetic").count() == 0, "a photograph is not marked as synthetic"
        page.goto(f"{server.address}/case?run={key}&item=ct-2.dcm")
        shown(page, "ct-2.dcm")
        page.get_by_label("Compare with", exact=True).select_option("group/before")
        page.keyboard.press("b")
        compared(page, "side group/before")
        page.get_by_text("same group: ct-1.dcm").wait_for()
        other = canvases.nth(1).screenshot()
        page.get_by_label("Window preset").select_option("lung")
        page.wait_for_timeout(200)
        assert canvases.nth(1).screenshot() != other, "one window for both"
        page.keyboard.press("ArrowDown")
        shown(page, "ct-3.dcm")
        page.get_by_text("same group: ct-2.dcm").wait_for()


def test_on_a_phone_two_fingers_zoom_and_verdicts_are_at_hand(chromium: Any, server: Server) -> None:  # noqa: F811
    address = f"{server.address}/case?run={server.run.record['id']}&item=normal-03.png"
    with visit(chromium, address, has_touch=True, is_mobile=True) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        shown(page, "normal-03.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for name in ("odd", "normal", "unsure"):
            box = page.get_by_label(f"Verdict: {name}").bounding_box()
            assert box["height"] >= 44
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
            assert box["y"] + box["height"] <= 844
        box = page.locator(".stage").bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        before = scale(page)
        fingers = page.context.new_cdp_session(page)
        for kind, apart in (("touchStart", 30), ("touchMove", 40), ("touchMove", 60)):
            points = [{"x": middle[0] + side * apart, "y": middle[1], "id": k} for k, side in enumerate((-1, 1))]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert scale(page) == pytest.approx(2 * before, rel=0.05)
        page.get_by_label("Verdict: odd").tap()
        page.get_by_text("odd", exact=True).first.wait_for()
