"""Blind reading: each reader sees pictures alone, in an order of their own; agreement counts what was given there."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image as Pillow
from starlette.requests import Request
from streamlit.testing.v1 import AppTest

from oddpixel.dashboards import routes
from oddpixel.dashboards.app import ENTRY
from oddpixel.dashboards.library import Library, OpenRun
from oddpixel.dashboards.originals import picture_of
from oddpixel.dashboards.readings import Readings, decide, drawn
from oddpixel.dashboards.site import Site, open_site
from oddpixel.errors import UsageError
from oddpixel.forensics.runs.run import Run
from oddpixel.image import Image
from tests.dashboards.conftest import Server
from tests.dashboards.test_browser import chromium, visit  # noqa: F401 -- a fixture
from tests.dashboards.test_views import said
from tests.patience import PATIENCE

pytestmark = pytest.mark.filterwarnings("default")
ITEMS = ["normal-00.png", "normal-01.png", "normal-02.png", "odd-noise.png"]


@pytest.fixture
def opened(run: Run, made: Path) -> Iterator[OpenRun]:
    with closing(Library([run.path], data=[made])) as library:
        yield library.runs()[0]


def test_agreement_counts_blind_verdicts_alone(opened: OpenRun, tmp_path: Path) -> None:
    readings = Readings(tmp_path / "readings")
    reading = readings.hand_out(opened, "March", ["ann", " ben ", "ann"], ITEMS, "chief")
    assert readings.all() == [reading]
    assert reading.readers == ("ann", "ben")
    assert sorted(reading.order("ann")) == sorted(ITEMS)
    assert reading.order("ann") == reading.order("ann")
    opened.decide(ITEMS, "odd", author="ben", note="in Triage, where all is seen")
    for item in ITEMS:
        decide(reading, opened, "ann", item, "odd" if "odd" in item else "normal")
    assert reading.agreements(opened) == [], "what ben said elsewhere does not count"
    for item in ITEMS:
        decide(reading, opened, "ben", item, "normal" if item == ITEMS[0] else "odd")
    ((first, second, found),) = reading.agreements(opened)
    assert (first, second, found.num_items) == ("ann", "ben", 4)
    assert found.observed[0] == 0.5
    assert [item for item, _ in reading.disputed(opened)] == ITEMS[1:3]
    opened.verdicts.undo(opened.key, [ITEMS[1]], author="ben")
    assert reading.agreements(opened)[0][2].num_items == 3, "what was taken back does not count"
    with pytest.raises(UsageError, match="not to eve"):
        decide(reading, opened, "eve", ITEMS[0], "odd")
    with pytest.raises(UsageError, match="no such item"):
        decide(reading, opened, "ann", "normal-09.png", "odd")
    with pytest.raises(UsageError, match="readers"):
        readings.hand_out(opened, "", ["ann"], ITEMS, "chief")
    (tmp_path / "readings" / "broken.json").write_text("{")
    assert readings.all() == [reading], "a damaged one ends nothing"


def test_nothing_is_told_elsewhere_until_a_reader_is_through(run: Run, made: Path, tmp_path: Path) -> None:
    with closing(Library([run.path], tmp_path / "own", data=[made])) as library:
        site = open_site(Site(library, tmp_path / "own", (made,)))
        opened = library.runs()[0]
        reading = site.readings.hand_out(opened, "March", ["ann", "ben"], ITEMS, "chief")
        opened.decide(ITEMS, "odd", author="ben")  # not in the reading

        def asked(handler: Any, name: str, **query: str) -> Any:
            headers = [(b"cookie", f"oddpixel-name={name}".encode())]
            scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
            more = {"query_string": urlencode(query).encode(), "path_params": {"run": opened.key}}
            return handler(Request(scope | more))

        def listed(name: str) -> set[str]:
            return {row["item"] for row in asked(routes.rows, name, limit="500", count="1")["rows"]}

        assert listed("ann").isdisjoint(ITEMS)
        assert listed("ann") == set(asked(routes.items, "ann")["items"])
        assert listed("eve") >= set(ITEMS), "whoever was given nothing sees all"
        assert asked(routes.place, "ann", of=ITEMS[0])["place"] is None
        assert asked(routes.changes, "ann")["items"] == {}
        for handler in (routes.case, routes.heat, routes.marks, routes.normals):
            with pytest.raises(UsageError, match="blind reading that is open for you"):
                asked(handler, "ann", item="odd-noise.png")
        near = asked(routes.normals, "ann", item="normal-05.png")["normals"]
        assert {each["item"] for each in near}.isdisjoint(ITEMS)
        test = AppTest.from_file(ENTRY, default_timeout=PATIENCE)
        test.session_state["author"] = "ann"
        test.query_params["run"], test.query_params["item"] = opened.key, ITEMS[0]
        test.run().switch_page("views/alike.py").run()
        assert not test.exception
        assert not [item for item in ITEMS if item in said(test)], "Alike shows none of them"
        assert "seen there alone" in said(test)
        for view, words in (("case", "Nothing is told of this item"), ("export", "Nothing is exported")):
            test = AppTest.from_file(ENTRY, default_timeout=PATIENCE)
            test.session_state["author"] = "ann"
            test.query_params["run"], test.query_params["item"] = opened.key, ITEMS[0]
            test.run().switch_page(f"views/{view}.py").run()
            assert words in said(test)
        for item in ITEMS:
            decide(reading, opened, "ann", item, "normal")
        assert listed("ann") >= set(ITEMS), "through"
        assert listed("ben").isdisjoint(ITEMS)
        opened.verdicts.undo(opened.key, [ITEMS[1]], author="ann")
        assert listed("ann").isdisjoint(ITEMS), "not any more"


def test_another_run_over_the_same_files_tells_nothing_either(run: Run, made: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run.path, tmp_path / "other"))
    record = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps(record | {"id": "0" * 32}))
    with closing(Library([run.path, other], tmp_path / "own", data=[made])) as library:
        site = open_site(Site(library, tmp_path / "own", (made,)))
        read, beside = library.runs()
        reading = site.readings.hand_out(read, "March", ["ann", "ben"], ITEMS, "chief")
        assert site.blind_items(beside, "ann") == site.blind_items(read, "ann") == set(ITEMS)
        assert site.blind_items(beside, "eve") == frozenset()
        cookies = {"oddpixel-name": "ann"}
        with pytest.raises(UsageError, match="blind reading that is open for you"):
            site.seen_row(beside, ITEMS[0], cookies)
        library.forget(read.key)
        shutil.move(run.path, tmp_path / "away")
        try:
            assert site.blind_items(beside, "ann") == frozenset(), "the reading's run has gone"
        finally:
            shutil.move(tmp_path / "away", run.path)
        for item in ITEMS:
            decide(reading, library.run(read.key), "ann", item, "normal")
        assert site.blind_items(beside, "ann") == frozenset()


def test_a_draw_is_repeated_by_its_seed(opened: OpenRun) -> None:
    names = [f"item {k}" for k in range(50)]
    assert drawn(opened, names, 10, 1) == drawn(opened, names[::-1], 10, 1)
    assert drawn(opened, names, 10, 1) != drawn(opened, names, 10, 2)
    assert drawn(opened, names, 99, 1) == sorted(names)


def test_a_preview_is_the_picture_within_its_window() -> None:
    values = np.linspace(-500, 500, 64 * 64, dtype=np.float32).reshape(1, 64, 64)
    shown = {"value": [-100.0, 100.0], "grey": [0.0, 1.0]}
    image = Image(values, 12, "HU", None, "x", "0" * 64, "x", {"display": shown})
    grey = np.asarray(Pillow.open(io.BytesIO(picture_of(image).preview())), int)
    assert grey[:20].max() < 12
    assert grey[-20:].min() > 243
    large = Image(np.zeros((3, 1700, 10), np.float32), 8, "display", None, "x", "0" * 64, "x")
    assert Pillow.open(io.BytesIO(picture_of(large).preview())).size == (5, 850)


def hand_out(page: Any, readers: str, count: int, name: str) -> None:
    page.get_by_label("Readers, separated by commas").fill(readers)
    page.get_by_label("How many, drawn by chance").fill(str(count))
    page.get_by_label("Name of the reading").fill(name)
    page.get_by_role("button", name="Hand out").click()
    page.get_by_text("This reading was").or_(page.get_by_text("Nothing.")).first.wait_for()


def test_two_read_blindly_and_see_how_far_they_agree(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, f"{server.address}/reading?run={server.run.record['id']}") as page:
        hand_out(page, "ann, ben", 3, "March")
        (reading,) = (each.key for each in Readings(server.folder / "readings").all() if each.name == "March")
        every = (("ann", ("odd", "odd", "odd")), ("ben", ("odd", "odd", "normal")))
        for number, (name, decisions) in enumerate(every):
            page.get_by_role("textbox", name="Your name").fill(name)
            page.get_by_role("textbox", name="Your name").press("Enter")
            page.get_by_text("0 of 3 read").wait_for()
            page.get_by_text("Decided differently").wait_for(state="detached")  # what the visitor before saw
            body = page.locator("[data-testid=stMain]").inner_text()
            assert [each for each in (".png", ".dcm", "flagged", " p ", "Agreement") if each in body] == []
            page.locator(".stage").focus()
            for k, decision in enumerate(decisions):
                page.locator(f'.stage img[alt="Item {k + 1}"]').wait_for()
                # The button of that picture: for a moment the one before may still be there, and does nothing.
                page.locator(f".st-key-read-{decision}-{reading}-{number}-{k + 1} button").click()
                page.get_by_text(f"{k + 1} of 3 read").wait_for()
            page.get_by_text("Decided differently").wait_for()
        page.get_by_text("the same on 2 of 3 items").wait_for()
        page.get_by_role("button", name="Open the case").click()
        page.wait_for_url("**/case?**")


def test_at_one_desk_each_reader_gets_their_own_picture(chromium: Any, server: Server) -> None:  # noqa: F811
    """Who comes next has read as many as who left, and their next item is another."""
    with visit(chromium, f"{server.address}/reading?run={server.run.record['id']}") as page:
        names = ("ann", "ben", "cleo", "dan", "eve", "finn")
        hand_out(page, ", ".join(names), 8, "desk")
        (reading,) = (each for each in Readings(server.folder / "readings").all() if each.name == "desk")
        first = {name: reading.order(name)[0] for name in names}
        other = next(name for name in names if first[name] != first["ann"])
        for name in ("ann", other):
            page.get_by_role("textbox", name="Your name").fill(name)
            page.get_by_role("textbox", name="Your name").press("Enter")
            asked = f'.stage img[src$="preview?{urlencode({"item": first[name]})}"]'
            page.locator(asked).wait_for()
        page.locator(f"[class*='st-key-read-odd-{reading.key}'] button:enabled").click()
        page.get_by_text("1 of 8 read").wait_for()
    with closing(Library([server.run.path])) as library:
        (opened,) = library.runs()
        assert reading.verdicts(opened) == {name: {} for name in names} | {other: {first[other]: "odd"}}


PRESSES = """
  const stages = () => [...document.querySelectorAll("*")].flatMap((e) => [...(e.shadowRoot?.querySelectorAll(".stage") ?? [])]);
  window.presses = [];
  document.addEventListener("keydown", (event) => {
    const image = stages().flatMap((stage) => [...stage.querySelectorAll("img")])[0];
    const isDrawn = image?.complete && image.naturalWidth > 0;
    window.presses.push([event.key, isDrawn ? image.alt : null]);
  }, true);
"""


def test_a_quick_key_is_about_the_picture_that_is_on_the_screen(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, f"{server.address}/reading?run={server.run.record['id']}") as page:
        hand_out(page, "cleo, dan", 8, "quick")
        page.get_by_role("textbox", name="Your name").fill("cleo")
        page.get_by_role("textbox", name="Your name").press("Enter")
        page.get_by_text("0 of 8 read").wait_for()
        page.locator("[class*='st-key-read-odd'] button:enabled").wait_for()
        page.locator(".stage").focus()
        page.evaluate(PRESSES)
        for wait in (60, 60, 150, 150, 400, 60, 60, 60, 400, 150):
            page.keyboard.press("onu"[wait % 3 if wait != 400 else 1])
            page.wait_for_timeout(wait)
        page.wait_for_timeout(1500)
        presses = page.evaluate("window.presses")
    with closing(Library([server.run.path])) as library:
        opened = library.runs()[0]
        (reading,) = (each for each in Readings(server.folder / "readings").all() if each.name == "quick")
        decided = reading.verdicts(opened)["cleo"]
    order = reading.order("cleo")
    assert decided, "at least one of ten keys counted"
    seen = {(title, key) for key, title in presses}
    for item, decision in decided.items():
        assert (f"Item {order.index(item) + 1}", decision[0]) in seen, (item, decision, presses)
