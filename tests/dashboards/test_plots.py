"""What the plots of the Distribution view show: bars that sum to the run and open their images, false alarms that were seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddpixel.dashboards.bars import OTHERS, bars_of
from oddpixel.dashboards.library import Library, OpenRun
from oddpixel.dashboards.query import Query, range_of
from oddpixel.dashboards.reviewed import reviewed_normals
from oddpixel.dashboards.statistics import observed_alarms
from oddpixel.errors import UsageError
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.dashboards.conftest import Server
from tests.dashboards.test_browser import chromium, ready, visit  # noqa: F401 -- a fixture

pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("is_log", [False, True])
def test_every_item_is_in_one_bar_and_the_bar_opens_just_its_items(is_log: bool, run: Run, made: Path) -> None:
    opened = OpenRun(run, (made,))
    values = [value for value in opened.table.column("p_value") if value is not None]
    bars = bars_of(values, ["x"] * len(values), 12, is_log=is_log)
    assert sum(sum(counts) for counts in bars.counts) == len(values)
    for k, counts in enumerate(bars.counts):
        high = None if k == len(bars.counts) - 1 else bars.edges[k + 1]
        query = Query.of({"range": range_of("p_value", bars.edges[k], high)})
        assert opened.table.count(query.filters) == sum(counts)
    opened.close()


def test_colours_are_few_and_none_is_lost() -> None:
    names = [f"s{k}" for k in range(9) for _ in range(k + 1)]
    bars = bars_of(np.linspace(1, 2, len(names)).tolist(), names, 5)
    assert bars.parts == ("s8", "s7", "s6", "s5", "s4", OTHERS)
    assert np.array(bars.counts).sum(0).tolist() == [9, 8, 7, 6, 5, 10]
    assert bars_of([], [], 5).as_rows == []
    assert sum(sum(counts) for counts in bars_of([3.0, 3.0], ["a", "a"], 4, is_log=True).counts) == 2


@pytest.mark.parametrize("text", ["p_value", "p_value:a:b", "p_value:1:2:3", "item:1:2"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Query.of({"range": text})


def test_observed_alarms_keep_to_the_diagonal_when_the_promise_holds() -> None:
    generator = np.random.default_rng(0)
    honest = observed_alarms((generator.integers(1, 101, 400) / 100).tolist())
    assert np.mean([row["low"] <= row["promised"] <= row["high"] for row in honest]) > 0.9
    broken = observed_alarms((generator.integers(1, 101, 400) / 200).tolist())
    assert any(row["low"] > row["promised"] for row in broken)
    assert honest[0]["observed"] == 0
    assert honest[-1]["observed"] == 1


def test_a_group_counts_as_normal_once_all_of_it_is(run: Run, made: Path) -> None:
    library = Library([run.path], data=[made])
    opened = library.runs()[0]
    slices = [row.item for row in opened.table.rows() if row.item.startswith("ct-")]
    opened.decide(["normal-00.png", "normal-01.png"], "normal", author="ann")
    opened.decide(["odd-noise.png"], "odd", author="ann")
    opened.decide(slices[:-1], "normal", author="ann")
    found = reviewed_normals(opened)
    assert (len(found.p_values), found.num_decided) == (2, 3), "the series has a slice without a verdict"
    opened.decide(slices[-1:], "normal", author="ann")
    found = reviewed_normals(opened)
    assert len(found.p_values) == 3
    group = opened.row(slices[0]).q_value
    assert group is not None
    library.close()


def test_bars_open_their_images(chromium: Any, server: Server) -> None:  # noqa: F811
    with Verdicts(server.run.verdicts_path) as verdicts:
        for k in range(6):
            verdicts.record(server.run.record["id"], f"normal-{k:02d}.png", "normal", author="ann")
    with visit(chromium, f"{server.address}/distribution?run={server.run.record['id']}") as page:
        page.get_by_text("At this run's alpha of 0.1: ").wait_for()
        page.get_by_label("Colour by").click()
        page.get_by_role("option", name="verdict").click()
        page.get_by_label("Colours").get_by_text("no verdict").wait_for()
        # By the list of bars, for who cannot click on a picture; the rarest are what the rule flagged.
        page.get_by_text("Bars as a list").click()
        bar = page.locator(".bars button").first
        count = int(bar.inner_text().rpartition(": ")[2])
        bar.click()
        ready(page)
        assert page.locator(".cell").count() == count
        assert "range=p_value" in page.url
        page.get_by_role("button", name="Show more than p").click()
        ready(page, 2)
        assert page.locator(".cell").count() > count
        assert "range" not in page.url
        page.go_back()
        page.locator(".queue").wait_for()
        # By a click on the picture: the bar at its left end.
        box = page.get_by_role("slider", name="Threshold on p-value").bounding_box()
        page.mouse.click(box["x"] + 48, box["y"] + box["height"] - 40)
        page.wait_for_url("**range=p_value**")
        ready(page)
        assert page.locator(".cell").count() == count
