"""Every view by axe-core (WCAG 2.2, levels A and AA) in both themes and on a phone; Triage and Case by keys alone."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.dashboards.conftest import Server
from tests.dashboards.test_browser import chromium, latest, ready, shown, visit  # noqa: F401 -- a fixture
from tests.dashboards.test_workplace import VIEWER, settled
from tests.patience import until

pytestmark = pytest.mark.filterwarnings("default")
AXE = ROOT / "node_modules/axe-core/axe.min.js"  # checks the pages, and is not shipped
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# By path: what must be seen before a view is checked.
OTHERS = {
    "distribution": ".queue",
    "alike": ".scatter canvas",
    "reading": "[data-testid=stExpander]",
    "two_runs": "[data-testid=stAlert]",
    "audit": "text=Suspected images: files",
    "runs": "text=Jobs",
    "export": "text=Prepare",
}
FOCUS = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element?.getAttribute("aria-label");
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        if os.environ.get("ODDPIXEL_REQUIRE_BROWSER"):
            pytest.fail("axe-core is missing, and these tests must run: make check installs it")
        pytest.skip("axe-core is not installed: make check does that")
    return AXE.read_text()


def flaws(page: Any, axe: str) -> list[str]:
    page.evaluate(axe)
    result = page.evaluate("levels => axe.run(document, { runOnly: levels })", LEVELS)
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in result["violations"]
        for node in rule["nodes"]
        # A cell's text is in its name piece by piece, which is asserted below; axe joins the pieces without a space.
        if not (rule["id"] == "label-content-name-mismatch" and 'class="cell' in node["html"])
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_triage_and_case_have_no_flaw_that_axe_knows(
    chromium: Any,  # noqa: F811
    server: Server,
    axe: str,
    scheme: str,
    width: int,
) -> None:
    with visit(chromium, server.entrance, color_scheme=scheme) as page:
        ready(page)
        page.set_viewport_size({"width": width, "height": 800})
        page.locator(".cell").first.click()
        for key in "onu":
            page.keyboard.press(key)
        until(lambda: len(latest(server.run)) == 3, "three verdicts")
        page.locator(".cell .verdict-unsure").wait_for()
        for cell in page.locator(".cell").all()[:6]:
            name = cell.get_attribute("aria-label")
            assert all(text in name for text in cell.inner_text().splitlines() if text.strip()), name
        assert flaws(page, axe) == []
        page.keyboard.press("?")
        page.get_by_role("dialog").wait_for()
        assert flaws(page, axe) == []
        page.keyboard.press("Escape")
        page.locator(".cell").first.dblclick()
        page.locator(".normals button").first.wait_for()
        settled(page)
        assert flaws(page, axe) == []
        page.locator(".normals button").first.click()
        page.get_by_text("not flagged:").first.wait_for()
        assert flaws(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_other_views_have_no_flaw_that_axe_knows(
    chromium: Any,  # noqa: F811
    server: Server,
    axe: str,
    scheme: str,
) -> None:
    with visit(chromium, server.entrance, color_scheme=scheme) as page:
        ready(page)
        found = []
        for name, seen in OTHERS.items():
            page.goto(f"{server.address}/{name}?run={server.run.record['id']}")
            page.locator(seen).first.wait_for()
            settled(page)
            for width in (1280, 390):
                page.set_viewport_size({"width": width, "height": 800})
                found += [f"{name} at {width}: {flaw}" for flaw in flaws(page, axe)]
        assert found == []


def test_a_ruler_is_put_down_and_moved_by_keys(chromium: Any, server: Server) -> None:  # noqa: F811
    address = f"{server.address}/case?run={server.run.record['id']}&item=ct-2.dcm"
    with visit(chromium, address) as page:
        shown(page, "ct-2.dcm")
        settled(page)
        page.keyboard.press("m")
        page.keyboard.press("Enter")
        before = page.evaluate(f"{VIEWER}.ruler")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Shift+ArrowLeft")
        after = page.evaluate(f"{VIEWER}.ruler")
        assert after["to"][1] > before["to"][1]
        assert after["from"][0] < before["from"][0]
        page.get_by_text("mm", exact=False).first.wait_for()
        page.keyboard.press("Escape")
        assert page.evaluate(f"{VIEWER}.ruler") is None
        page.keyboard.press("ArrowDown")  # slices again
        shown(page, "ct-3.dcm")


def test_a_case_is_decided_by_keys_alone_and_the_focus_stays(chromium: Any, server: Server) -> None:  # noqa: F811
    address = f"{server.address}/case?run={server.run.record['id']}&item=odd-stripes.png"
    with visit(chromium, address) as page:
        shown(page, "odd-stripes.png")
        settled(page)
        page.locator(".standing").click()
        for _ in range(40):  # by Tab from the start of the viewer
            page.keyboard.press("Tab")
            if page.evaluate(FOCUS) == "Verdict: normal":
                break
        page.keyboard.press("Enter")
        until(lambda: latest(server.run) == {"odd-stripes.png": "normal"}, "the verdict")
        page.get_by_text("root: normal").wait_for()  # Python has shown the history anew
        assert page.evaluate(FOCUS) == "Verdict: normal"
        page.keyboard.press("+")
        before = page.evaluate(f"{VIEWER}.viewport")
        for key, axis, sign in (
            ("ArrowRight", "x", 1),
            ("ArrowUp", "y", -1),
            ("PageDown", "y", 1),
            ("ArrowLeft", "x", -1),
        ):
            page.keyboard.press(key)
            page.wait_for_function(f"before => ({VIEWER}.viewport.{axis} - before) * {sign} > 0", arg=before[axis])
            before = page.evaluate(f"{VIEWER}.viewport")
