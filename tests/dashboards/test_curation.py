"""Tags, and what looks alike: put on by page, kept for all, found again in Triage."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.dashboards import looks_job
from oddpixel.dashboards.alike import Looks, looks_of
from oddpixel.dashboards.library import Library
from oddpixel.dashboards.overlays import content_of, with_map
from oddpixel.dashboards.query import Query
from oddpixel.dashboards.site import Site, open_site
from oddpixel.dashboards.tags import Tags
from oddpixel.errors import RunError, UsageError
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.dashboards.conftest import HOSTILE, Server
from tests.dashboards.test_browser import chromium, ready, visit  # noqa: F401 -- a fixture
from tests.dashboards.test_views import page, said
from tests.patience import until

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def library(run: Run, made: Path, tmp_path: Path) -> Iterator[Library]:
    with closing(Library([run.path], tmp_path / "own", data=[made])) as opened:
        open_site(Site(opened, tmp_path / "own", (made,)))
        yield opened


def test_tags_are_kept_filtered_by_and_never_written_over_when_damaged(library: Library, tmp_path: Path) -> None:
    tags = Tags(tmp_path / "tags" / "a.json")
    assert tags.put("  motion   blur ", ["a", "b"]) == "motion blur"
    tags.put("motion blur", ["b", HOSTILE])
    tags.put("artefact", [HOSTILE])
    assert tags.all()["motion blur"] == ["a", "b", HOSTILE]
    assert tags.by_item()[HOSTILE] == ["artefact", "motion blur"]
    tags.take_off("artefact", [HOSTILE])
    assert tags.counts() == {"motion blur": 3}, "a tag on nothing is gone"
    for wrong in ("", " ", "x" * 41, "a\x1bb"):
        with pytest.raises(UsageError, match="40 characters"):
            tags.put(wrong, ["a"])
    run = library.runs()[0]
    query = Query.of({"tag": "motion blur", "show": "unflagged"})
    assert run.table.items(query.filters_in(tags)) in ([HOSTILE], []), "both conditions hold"
    assert set(run.table.items(Query.of({"tag": "motion blur"}).filters_in(tags))) == {HOSTILE}
    assert run.table.count(Query.of({"tag": "nobody's"}).filters_in(tags)) == 0
    tags.path.write_text("[")
    with pytest.raises(RunError):
        tags.put("artefact", ["a"])
    assert tags.path.read_text() == "["


def test_tiles_with_maps_are_made_once_for_a_rule(library: Library, run: Run, tmp_path: Path) -> None:
    opened = library.runs()[0]
    row = opened.row("odd-noise.png")
    assert row.map is not None
    name = Path(str(row.thumbnail)).stem
    plain = content_of(opened, str(row.thumbnail))
    made = with_map(opened, tmp_path / "overlays", name)
    picture = np.asarray(Pillow.open(io.BytesIO(made)).convert("RGB"), int)
    assert picture.shape == np.asarray(Pillow.open(io.BytesIO(plain)).convert("RGB")).shape
    assert np.ptp(picture, axis=2).max() > 30, "coloured where it is odd"
    (run.path / row.map).unlink()
    assert with_map(opened, tmp_path / "overlays", name) == made, "kept"
    assert with_map(opened, tmp_path / "elsewhere", name) == plain, "without a map the thumbnail alone"
    assert with_map(opened, tmp_path / "overlays", "0" * 64) == b""


def test_near_duplicates_are_chained_and_nothing_else_is() -> None:
    generator = np.random.default_rng(0)
    apart = generator.normal(size=(6, 256))
    rows = np.concatenate([apart, apart[:1] + 0.05 * generator.normal(size=(2, 256)), apart[3:4]])
    rows -= rows.mean(1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = tuple(f"item {k}" for k in range(len(rows)))
    looks = Looks(names, names, rows.astype(np.float32))
    assert looks.near_duplicates() == [[0, 6, 7], [3, 8]]
    assert [index for index, _ in looks.nearest("item 3", 1)] == [8]
    assert looks.nearest("item 99", 3) == []
    assert looks.map().shape == (9, 2)
    empty = Looks((), (), np.zeros((0, 256), np.float32))
    assert empty.near_duplicates() == []
    assert empty.map().shape == (0, 2)


def test_looks_leave_out_what_cannot_be_read(library: Library, run: Run) -> None:
    thumbnails = sorted((run.path / "thumbnails").glob("*.webp"))
    thumbnails[0].write_bytes(b"RIFF nothing")
    looks = looks_of(library.runs()[0])
    assert len(looks.items) == library.runs()[0].table.count() - 2, "the broken file, and the damaged thumbnail"
    lengths = np.linalg.norm(looks.vectors, axis=1)
    np.testing.assert_allclose(lengths[[item != "odd-constant.png" for item in looks.items]], 1, atol=1e-5)
    text = said(page("alike", run=run.record["id"], item="normal-03.png"))
    assert "normal-03.png" in text
    assert "Near duplicates" in text


def test_the_encoder_looks_and_what_it_sees_is_compared(library: Library, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "looks" / "seen.npz"
    assert looks_job.main([str(run.path), f"--out={out}"]) == 0
    opened = library.runs()[0]
    looks = looks_of(opened, out)
    assert looks.seen is not None
    assert looks.seen.shape[0] == len(looks.items)
    # A surface is more like surfaces than like stripes, which greys of 16 x 16 cannot tell.
    near = [looks.items[index] for index, _ in looks.nearest("normal-03.png", 5)]
    assert sum(name.startswith("normal-") for name in near) >= 4, near
    assert looks_of(opened, tmp_path / "none.npz").seen is None
    out.write_bytes(b"PK\x03\x04 nothing")
    assert looks_of(opened, out).seen is None
    np.savez(out, items=np.array(["another"]), vectors=np.zeros((1, 4), np.float16))
    assert looks_of(opened, out).seen is None, "of other items"
    assert looks_job.main([str(tmp_path / "no-run"), f"--out={out}"]) == 2


def test_tags_in_triage_and_by_looks(chromium: Any, server: Server) -> None:  # noqa: F811
    key = server.run.record["id"]
    with visit(chromium, f"{server.address}/?run={key}&find=odd-") as page:
        ready(page)
        until(lambda: page.locator(".cell img").first.get_attribute("src"), "the first tile")
        plain = page.locator(".cell img").first.get_attribute("src")
        page.keyboard.press("m")
        until(lambda: page.locator(".cell img").first.get_attribute("src") not in (None, plain), "the map on a tile")
        assert page.get_by_label("Maps on the tiles").get_attribute("aria-pressed") == "true"
        page.get_by_label("Maps on the tiles").click()
        until(lambda: page.locator(".cell img").first.get_attribute("src") == plain, "the tile alone")
        page.on("dialog", lambda dialog: dialog.accept(answers.pop(0)))
        answers = ["check <b>again</b>", "-check <b>again</b>"]
        page.locator(".cell").first.click()
        name = page.locator(".cell").first.get_attribute("aria-label").split(",")[0]
        page.keyboard.press("Control+a")
        page.get_by_text("3 selected").wait_for()
        page.keyboard.press("t")
        page.locator(".cell .tags").nth(2).wait_for()
        assert page.locator(".cell .tags").first.inner_text() == "check <b>again</b>"
        page.keyboard.press("Escape")
        page.keyboard.press("Home")
        page.keyboard.press("t")
        page.locator(".cell .tags").nth(2).wait_for(state="detached")
        page.get_by_label("Tag", exact=True).select_option("check <b>again</b>")
        ready(page, 2)
        assert page.locator(".cell").count() == 2
        assert "tag=" in page.url
        # From a case too, where tags are seen.
        page.locator(".cell").first.dblclick()
        page.locator(".head .tags", has_text="check <b>again</b>").wait_for()
        answers.append("from the case")
        page.keyboard.press("t")
        page.locator(".head .tags", has_text="check <b>again</b> · from the case").wait_for()
        page.keyboard.press("j")
        page.locator(".head .tags", has_text="check <b>again</b>").wait_for()
        page.locator(".head .tags", has_text="from the case").wait_for(state="detached")
        # What looks alike can be tagged together, and is found in Triage.
        page.goto(f"{server.address}/alike?run={key}&item=ct-2.dcm")
        page.get_by_role("list", name="Most alike ct-2.dcm").get_by_role("button").nth(1).wait_for()
        near = page.get_by_role("list", name="Most alike ct-2.dcm").get_by_role("button").nth(1).inner_text()
        assert "ct-" in near, "its neighbours are slices of the same series"
        # A line around points takes them: by pointer, and by keys.
        canvas = page.locator(".scatter canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.02)]
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=3)
        page.mouse.up()
        page.get_by_text(f"{server.run.record['num_items'] - 1} items within the line").wait_for()
        canvas.focus()
        page.keyboard.press("Escape")
        for keys in ("Shift+ArrowLeft " * 5, "Shift+ArrowUp " * 10, "Shift+ArrowRight " * 10, "Shift+ArrowDown " * 10):
            for each in keys.split():
                page.keyboard.press(each)
            page.keyboard.press("Enter")
        page.keyboard.press("c")
        page.get_by_text("items within the line").wait_for()
        page.get_by_role("list", name="Items within the line").get_by_role("button").first.wait_for()
        page.get_by_role("slider", name="Correlation from which").press("Home")
        field = page.get_by_label("Tag for these", exact=False).first
        field.fill("series")
        field.press("Enter")
        page.get_by_role("button", name="Tag", exact=True).first.click()
        page.get_by_role("link", name="Open series in Triage").click()
        ready(page)
        assert page.locator(".cell").count() >= 2
    with Verdicts(server.run.verdicts_path) as verdicts:
        said = [each["action"] for each in verdicts.actions(key)]
        assert said[:3] == [
            "tag check <b>again</b> put on 3", "tag check <b>again</b> taken off 1", "tag from the case put on 1",
        ]  # fmt: skip
        assert verdicts.verify().ok
    kept = json.loads((server.folder / "tags" / f"{key}.json").read_text())
    assert name not in kept["check <b>again</b>"]
    assert "series" in kept
