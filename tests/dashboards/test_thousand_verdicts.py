"""A thousand verdicts from four browsers, with reloads, aborted requests and two restarts of the server in between: each is about
the item that was on the screen, none is lost, none is done twice, and the log's chain holds."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.dashboards.conftest import TOKEN, serving
from tests.dashboards.test_browser import MILLISECONDS, chromium, ready  # noqa: F401 -- a fixture
from tests.dashboards.test_quick_hands import fixed  # noqa: F401 -- a fixture
from tests.patience import until

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.slow]
PEOPLE = ("ann", "ben", "cem", "dee")
ROUNDS, AT_ONCE = 10, 25  # of every browser
RESTARTS, RELOADS = {3, 7}, {1, 4, 6, 9}
ABORTED = 1 / 4  # of the requests with verdicts
DECISIONS = {"o": "odd", "n": "normal", "u": "unsure"}
# What is on the screen at each key, as a person sees it.
PRESS = """async (keys) => {
  const root = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).find((r) => r?.querySelector(".grid"));
  const seen = [];
  for (const key of keys) {
    const cells = [...root.querySelectorAll(".cell")];
    if (cells.at(-1).classList.contains("current")) {
      document.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true }));
      await new Promise(requestAnimationFrame);
    }
    seen.push(root.querySelector(".cell.current").getAttribute("aria-label").split(", p ")[0]);
    document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await new Promise(requestAnimationFrame);
  }
  return seen;
}"""


def visitor(chromium: Any, entrance: str, name: str, aborts: random.Random) -> Any:  # noqa: F811
    context = chromium.new_context(viewport={"width": 1280, "height": 1400})
    context.set_default_timeout(MILLISECONDS)
    context.add_cookies([{"name": "oddpixel-name", "value": name, "url": entrance}])
    page = context.new_page()
    page.route("**/verdicts?**", lambda route: route.abort() if aborts.random() < ABORTED else route.continue_())
    page.goto(f"{entrance}&decision=all&find=normal")
    ready(page)
    return page


@pytest.mark.stress
def test_a_thousand_verdicts_from_four_browsers(chromium: Any, fixed: tuple[Run, Path, Path, int]) -> None:  # noqa: F811
    run, made, place, port = fixed
    chance = random.Random(0)
    seen: dict[str, list[tuple[str, str]]] = {name: [] for name in PEOPLE}
    with ExitStack() as stack:
        server = stack.enter_context(serving(run, made, place, TOKEN, port=port))
        pages = {name: visitor(chromium, server.entrance, name, chance) for name in PEOPLE}
        for k in range(ROUNDS):
            if k in RESTARTS:
                stack.close()
            for name, page in pages.items():
                if k in RELOADS:
                    page.reload()
                    ready(page)
                keys = [chance.choice("onu") for _ in range(AT_ONCE)]
                items = page.evaluate(PRESS, keys)
                seen[name] += [(item, DECISIONS[key]) for item, key in zip(items, keys, strict=True)]
            if k in RESTARTS:
                stack.enter_context(serving(run, made, place, TOKEN, port=port))
        with Verdicts(run.verdicts_path) as verdicts:
            count = ROUNDS * AT_ONCE * len(PEOPLE)
            # A page sends while its own event loop runs: the driver has to look at it.
            until(
                lambda: len(verdicts.since(run.record["id"], 0)) >= count or pages["ann"].wait_for_timeout(50),
                f"{count} verdicts",
            )
            for page in pages.values():
                page.context.close()
            found = verdicts.since(run.record["id"], 0)
            assert verdicts.verify().ok
    assert len(found) == count
    for name in PEOPLE:
        assert [(each.item, each.decision) for each in found if each.author == name] == seen[name]
