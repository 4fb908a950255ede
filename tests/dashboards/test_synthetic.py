"""Synthetic pictures of a case: made by a job that can be ended, kept with the run, marked, and never more than a picture."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from streamlit.testing.v1 import AppTest

from oddpixel.dashboards import synthetic_job
from oddpixel.dashboards.jobs import Job, Jobs
from oddpixel.dashboards.library import Library, OpenRun
from oddpixel.dashboards.originals import picture_of, window_of
from oddpixel.dashboards.site import Site, open_site
from oddpixel.dashboards.synthetic import MARK, bytes_of, folder_of, name_of, read, read_all
from oddpixel.dashboards.synthetic_form import why_not
from oddpixel.dashboards.synthetic_job import Made, Options, keep, main, make
from oddpixel.errors import InvalidImage, MissingFile, OddPixelError, RunError, UnreadableInput, UnsafePath, UsageError
from oddpixel.forensics.audit.facts import facts_of
from oddpixel.forensics.runs.order import Order
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
from oddpixel.image import Image
from tests.dashboards.conftest import HOSTILE, Server, serving
from tests.dashboards.test_access import ask
from tests.dashboards.test_browser import chromium, shown, visit  # noqa: F401 (a fixture)
from tests.dashboards.test_views import page, said
from tests.forensics.detect.test_detector import surface
from tests.patience import until

CASE, SLICE = "odd-noise.png", "ct-2.dcm"
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def opened(run: Run, made: Path) -> Iterator[OpenRun]:
    with closing(Library([run.path], data=[made])) as library:
        yield library.runs()[0]


@pytest.fixture(scope="session")
def normals(made: Path) -> Path:
    return made / "normals"


def quickly(image: Image, options: Options) -> Made:
    """In place of a cascade: its record, with a flat picture."""
    window = (-160.0, 240.0) if image.unit == "HU" else None
    grey = np.full((64, 96, 3), 128, np.uint8)
    return Made(grey, "cascade", "c" * 64, options.seed, window, image.spacing_mm)


@pytest.fixture
def kept(opened: OpenRun, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def write(item: str = CASE, **options: Any) -> None:
        with closing(OpenRun(Run.open(opened.run.path), opened.roots)) as run, monkeypatch.context() as patch:
            patch.setattr(synthetic_job, "reference", quickly)
            make(run, item, Options(kind="reference", author="ann", **options))

    return write


def test_a_reference_by_the_bundled_cascade_declares_itself_and_says_what_made_it(opened: OpenRun) -> None:
    name = make(opened, SLICE, Options(kind="reference", seed=7, author="ann"))
    row = opened.row(SLICE)
    (found,), errors = read_all(opened, row)
    assert errors == []
    assert found.picture == name
    assert (found.record["seed"], found.record["maker"], found.record["unit"]) == (7, "cascade", "HU")
    with Pillow.open(opened.file(name)) as picture:
        assert picture.size == (found.record["width"], found.record["height"])
    ((low, high),) = [found.record["window"]]
    assert low < high, "a CT's window is stated"
    spacing = opened.originals.image(row).spacing_mm
    assert spacing is not None
    assert found.record["spacing_mm"][0] * found.record["height"] == pytest.approx(96 * spacing[0])
    declared = facts_of(bytes_of(opened, found), "reference.png")
    assert any(fact.declares == "synthetic" for fact in declared)


def spot(opened: OpenRun, item: str) -> None:
    """Have the map of an item say that its middle is odd, and nothing else."""
    path = opened.file(str(opened.row(item).map))
    with Pillow.open(path) as stored:
        heat = np.zeros((stored.height, stored.width), np.uint16)
    heat[heat.shape[0] // 2, heat.shape[1] // 2] = 9000
    Pillow.fromarray(heat).save(path)


def test_an_expected_normal_changes_the_odd_region_alone(opened: OpenRun, normals: Path) -> None:
    with pytest.raises(InvalidImage, match="100% of the image is odd"):
        make(opened, CASE, Options(kind="expected", normals=str(normals)))
    spot(opened, CASE)
    make(opened, CASE, Options(kind="expected", normals=str(normals), detector="d", author="ann"))
    row = opened.row(CASE)
    (found,), _ = read_all(opened, row)
    with Pillow.open(io.BytesIO(bytes_of(opened, found))) as picture:
        after = np.asarray(picture)
    before = opened.originals.picture(row).levels[0][..., 0]
    changed = after != before
    assert 0 < changed.mean() < 0.5
    assert {Path(each).name for each in found.record["sources"]} <= {f"n{k}.png" for k in range(5)}
    assert found.record["maker_sha256"] == opened.run.record["options"]["detector"]
    assert found.record["seed"] is None


def test_an_expected_normal_of_a_scan_is_in_its_window(opened: OpenRun) -> None:
    image = opened.originals.image(opened.row(SLICE))
    low, high = window_of(image)
    shown = synthetic_job.as_shown(image, (low, high))
    values = low + shown / 255 * (high - low)
    np.testing.assert_allclose(values, image.pixels[0].clip(low, high), atol=(high - low) / 255)


def test_the_viewer_gets_a_scans_synthetic_picture_in_its_own_unit(opened: OpenRun, kept: Callable[..., None]) -> None:
    kept(SLICE)
    found = read(opened, opened.row(SLICE), "reference-000000")
    picture = opened.originals.synthetic(opened.file(found.picture), found.record)
    assert (picture.facts["kind"], picture.facts["unit"]) == ("values", "HU")
    assert picture.levels[0] == pytest.approx(-160 + 400 * 128 / 255, abs=0.01)
    kept(CASE)
    found = read(opened, opened.row(CASE), "reference-000000")
    picture = opened.originals.synthetic(opened.file(found.picture), found.record)
    assert picture.facts["kind"] == "picture"
    assert (picture.levels[0] == 128).all()


@pytest.mark.parametrize(
    ("item", "options", "error", "because"),
    [
        ("nothing.png", {"kind": "reference"}, MissingFile, "no item"),
        ("zz-broken.png", {"kind": "reference"}, UnreadableInput, "not with an image header"),
        (CASE, {"kind": "expected"}, UsageError, "folder"),
        (CASE, {"kind": "expected", "normals": "/etc"}, UsageError, "only folders within"),
        ("normal-03.png", {"kind": "expected", "normals": "NORMALS"}, InvalidImage, "no map"),
    ],
)
def test_what_cannot_be_made_says_why(
    item: str, options: dict[str, Any], error: type[OddPixelError], because: str, opened: OpenRun, normals: Path
) -> None:
    given = {name: value.replace("NORMALS", str(normals)) for name, value in options.items()}
    with pytest.raises(error, match=because):
        make(opened, item, Options(**given))
    assert not (opened.run.path / "synthetic").exists()


def test_the_job_reads_only_what_the_dashboard_may_show(run: Run, made: Path, tmp_path: Path) -> None:
    """The folders it may read and the SHA-256 hold in the job too: what it is given names any run and item."""
    with closing(OpenRun(run, (tmp_path,))) as elsewhere, pytest.raises(UnsafePath, match="outside of the folders"):
        make(elsewhere, CASE, Options(kind="reference"))
    shutil.copytree(made / "incoming", tmp_path / "moved")
    shutil.copy(made / "incoming/normal-04.png", tmp_path / "moved" / CASE)
    run.write_json("run.json", run.record | {"places": [str(tmp_path / "moved")]})
    with closing(OpenRun(Run.open(run.path), (tmp_path,))) as changed, pytest.raises(MissingFile, match="SHA-256"):
        make(changed, CASE, Options(kind="reference"))
    assert main([str(run.path), f"--item={CASE}", "--kind=reference", f"--data={tmp_path}"]) == 2


def test_a_link_in_a_run_leads_no_picture_out_of_it(run: Run, made: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (run.path / "synthetic").symlink_to(outside)
    with closing(OpenRun(run, (made,))) as opened:
        row = opened.row(CASE)
        image = opened.originals.image(row)
        with pytest.raises(RunError, match="link out of the run"):
            keep(run, row, image, quickly(image, Options(kind="reference")), Options(kind="reference"))
        assert list(outside.iterdir()) == []
        place = outside / folder_of(row).partition("/")[2]
        place.mkdir()
        (place / "expected.json").write_text("{}")
        found, errors = read_all(opened, row)
        assert (found, [type(each) for each in errors]) == ([], [MissingFile])


def test_screen_captures_are_not_imitated(made: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may be burned into them."""
    with closing(OpenRun(run, (made,))) as opened:
        image = opened.originals.image(opened.row(CASE))
        captured = Image(image.pixels, 8, "display", None, CASE, image.sha256, CASE, {"text_in_pixels": "possible"})
        monkeypatch.setattr(opened.originals, "image", lambda row: captured)
        monkeypatch.setattr(opened.originals, "picture", lambda row: picture_of(captured))
        assert "screen capture" in (why_not(opened, opened.row(CASE)) or "")
        for kind in ("reference", "expected"):
            with pytest.raises(InvalidImage, match="screen capture"):
                make(opened, CASE, Options(kind=kind))


def test_a_record_that_is_damaged_or_of_another_picture_is_refused_alone(
    opened: OpenRun, kept: Callable[..., None]
) -> None:
    kept(seed=1)
    kept(seed=2)
    row = opened.row(CASE)
    folder = opened.run.path / folder_of(row)
    whole = json.loads((folder / "reference-000001.json").read_text())
    for damage in (
        {"sha256": "0" * 64}, {"seed": 5}, {"kind": "photograph"}, {"synthetic": False}, {"window": [1]}, {"seed": "<b>"},
        {"maker_sha256": "<script>"}, {"unit": "../x"}, {"height": 10**9},
    ):  # fmt: skip
        (folder / "reference-000001.json").write_text(json.dumps(whole | damage))
        found, errors = read_all(opened, row)
        assert [each.record["seed"] for each in found] == [2], damage
        assert len(errors) == 1
    for name in ("../../../run", "reference-1/../x", "", "thumbnail"):
        with pytest.raises(MissingFile):
            read(opened, row, name)


def test_another_picture_under_the_name_is_not_shown(opened: OpenRun, kept: Callable[..., None]) -> None:
    kept()
    found = read(opened, opened.row(CASE), "reference-000000")
    Pillow.fromarray(surface(1)).save(opened.file(found.picture))
    with pytest.raises(RunError, match="SHA-256"):
        bytes_of(opened, found)
    with pytest.raises(MissingFile, match="SHA-256"):
        opened.originals.synthetic(opened.file(found.picture), found.record)


def test_nothing_synthetic_is_a_row_a_thumbnail_or_an_export(opened: OpenRun, kept: Callable[..., None]) -> None:
    def seen() -> tuple[Any, ...]:
        rows = [replace(row, decision=None) for row in opened.table.page(limit=100)]
        files = sorted(each.name for each in opened.run.path.rglob("*") if "synthetic" not in each.parts)
        return rows, opened.verdicts.latest(opened.key), [name for name in files if not name.startswith("verdicts")]

    before = seen()
    kept()
    assert seen() == before


def test_a_run_that_is_overwritten_keeps_none(opened: OpenRun, kept: Callable[..., None]) -> None:
    kept()
    Run.begin(opened.run.path, Order(kind="flag", items=["a.png"], overwrite=True))
    assert not (opened.run.path / "synthetic").exists()


def test_frames_have_folders_of_their_own() -> None:
    digest = "a" * 64
    assert folder_of(Row(item="x.tif#3", sha256=digest)) == f"synthetic/{digest}-3"
    assert folder_of(Row(item="x#3.png", sha256=digest)) == f"synthetic/{digest}"
    assert folder_of(Row(item="x#../../y", sha256=digest)) == f"synthetic/{digest}"
    assert folder_of(Row(item=f"x#{'9' * 5000}", sha256=digest)) == f"synthetic/{digest}", "no number of a frame"
    with pytest.raises(MissingFile):
        folder_of(Row(item="x.png", sha256="../.."))
    assert name_of("reference", 12) == "reference-000012"
    assert name_of("expected", None) == "expected"


def test_a_second_job_about_the_same_is_not_started(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    first = _slow(jobs, "x")
    try:
        assert _slow(jobs, "x").path == first.path
        other = _slow(jobs, "y")
        assert other.path != first.path
        other.stop()
        assert jobs.running("x") is not None
    finally:
        first.stop()
    until(lambda: first.state != "running")
    assert first.state == "stopped"
    assert jobs.running("x") is None
    again = _slow(jobs, "x")
    assert again.path != first.path
    again.stop()


def _slow(jobs: Jobs, once: str) -> Job:
    sleep = ["--number=1", "--setup=import time", "time.sleep(1e4)"]
    return jobs.start("slow", sleep, "ann", module="timeit", once=once)


@pytest.fixture
def site(run: Run, made: Path, tmp_path: Path) -> Iterator[Site]:
    with closing(Library([run.path], tmp_path / "own", data=[made])) as library:
        yield open_site(Site(library, tmp_path / "own", (made,)))


def labels(test: AppTest) -> list[str]:
    return [each.label for each in test.button]


def test_a_case_offers_what_can_be_made(site: Site, run: Run) -> None:
    test = page("case", run=run.record["id"], item=CASE)
    assert "None counts as evidence" in said(test)
    assert "Make reference" in labels(test)
    test.radio(key="synthetic-kind").set_value("expected").run()
    assert next(each for each in test.button if each.label == "Make expected normal").disabled, "no folder yet"
    test = page("case", run=run.record["id"], item="normal-03.png")
    test.radio(key="synthetic-kind").set_value("expected").run()
    assert "no map of this image was kept" in said(test)


def test_a_case_says_why_nothing_can_be_made(run: Run, made: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def text(data: Path, item: str = CASE) -> str:
        with closing(Library([run.path], tmp_path / "own", data=[data])) as library:
            open_site(Site(library, tmp_path / "own", (data,)))
            test = page("case", run=run.record["id"], item=item)
            assert "Make reference" not in labels(test)
            return said(test)

    assert "start the dashboard with --data" in text(tmp_path)
    assert "No synthetic picture can be made of this image: " in text(made, "zz-broken.png")
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: Path(path) != run.path)
        assert "may not write" in text(made)
    with monkeypatch.context() as patch:
        patch.setattr("oddpixel.dashboards.originals.OriginalFiles.entry", _gone)
        assert "no longer where it was" in text(made)


def _gone(self: object, row: Row) -> None:
    raise MissingFile(f"{row.item} is no longer where it was scored")


def test_hostile_names_and_records_stay_text(site: Site, run: Run, kept: Callable[..., None]) -> None:
    kept(HOSTILE, seed=3)
    test = page("case", run=run.record["id"], item=HOSTILE)
    assert "Reference, seed 3" in said(test)
    assert MARK in said(test)
    assert "<img src=x" not in said(test)


@pytest.fixture
def server(run: Run, made: Path, tmp_path: Path) -> Iterator[Server]:
    with serving(run, made, tmp_path, None) as started:
        yield started


def compared(page: Any, what: str) -> None:
    """The viewer shows that, complete."""
    page.wait_for_function(
        "what => [...document.querySelectorAll('*')].some(e => e.shadowRoot?.querySelector('.stage')?.dataset.shown === what)",
        arg=what,
    )


def jobs_of(server: Server) -> list[Job]:
    return Jobs(server.folder / "jobs").all()


def test_make_watch_compare_and_open_again(chromium: Any, server: Server, tmp_path: Path) -> None:  # noqa: F811
    address = f"{server.address}/case?run={server.run.record['id']}&item={CASE}"
    with visit(chromium, address) as page:
        shown(page, CASE)
        assert page.locator("optgroup[label=Synthetic]").count() == 0
        page.get_by_text("Synthetic pictures (0)").click()
        page.get_by_role("button", name="Make reference").dblclick()
        # A machine may be done before the page follows: progress shows only while there is some.
        finished = page.get_by_text("Synthetic pictures (1)")
        page.get_by_role("button", name="Cancel").or_(finished).first.wait_for()
        compared(page, "side reference-000000")
        assert len(jobs_of(server)) == 1, "a second click starts no second one"
        page.get_by_text("Synthetic pictures (1)").wait_for()
        mark = page.locator(".pane.synthetic .mark:visible")
        assert MARK in mark.inner_text()
        assert re.search("seed 0, cascade [0-9a-f]{12}", mark.inner_text())
        # Linked: one view for both panes.
        canvases = page.locator(".pane canvas")
        before = [canvases.nth(k).screenshot() for k in range(2)]
        page.get_by_label("One pixel a pixel").click()
        until(lambda: all(canvases.nth(k).screenshot() != before[k] for k in range(2)), "both panes follow")
        page.get_by_label("Fit to window").click()
        # The curtain, by keys and by hand.
        page.get_by_label("Map: Curtain").click()
        compared(page, "curtain reference-000000")
        curtain = page.get_by_role("separator")
        curtain.focus()
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert_now(page, curtain, 38)
        page.keyboard.press("End")
        assert_now(page, curtain, 100)
        original = canvases.first.screenshot()
        page.keyboard.press("Home")
        assert_now(page, curtain, 0)
        assert canvases.first.screenshot() != original
        stage, handle = canvases.first.bounding_box(), curtain.bounding_box()
        page.mouse.move(handle["x"] + 1, handle["y"] + 20)
        page.mouse.down()
        page.mouse.move(stage["x"] + stage["width"] / 4, handle["y"] + 20, steps=4)
        page.mouse.up()
        assert_now(page, curtain, 25)
        assert MARK in page.locator(".pane.synthetic .mark:visible").inner_text()
        page.keyboard.press("d")
        compared(page, "difference reference-000000")
        assert MARK in page.locator(".pane.synthetic .mark:visible").inner_text()
        page.get_by_label("Compare with", exact=True).select_option("nothing else")
        compared(page, "over")
        assert page.locator(".pane.synthetic").count() == 0
        with page.expect_download() as download:
            page.get_by_role("link", name="Download it").click()
        download.value.save_as(tmp_path / "made.png")
    content = (tmp_path / "made.png").read_bytes()
    assert any(fact.declares == "synthetic" for fact in facts_of(content, "made.png"))
    with visit(chromium, address) as again:
        compared(again, "side reference-000000")
        again.get_by_text(hashlib.sha256(content).hexdigest()).wait_for()


def assert_now(page: Any, curtain: Any, value: int) -> None:
    page.wait_for_function("([e, v]) => e.ariaValueNow === String(v)", arg=[curtain.element_handle(), value])


def test_cancelling_ends_the_work_and_keeps_nothing(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, f"{server.address}/case?run={server.run.record['id']}&item={CASE}") as page:
        shown(page, CASE)
        page.get_by_text("Synthetic pictures (0)").click()
        page.get_by_label("Seed").fill("5")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Make reference").click()
        page.get_by_text("stage C").first.wait_for()
        (job,) = jobs_of(server)
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled; nothing was kept.").wait_for()
        page.get_by_role("button", name="Make reference").wait_for()
    assert job.state == "stopped"
    until(lambda: not _group_lives(job.record["pid"]), "the end of its processes")
    assert not (server.run.path / "synthetic").exists()


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return any(
        stat.read_text().rpartition(")")[2].split()[0] != "Z"
        for stat in Path("/proc").glob("[0-9]*/stat")
        if (fields := stat.read_text().rpartition(")")[2].split()) and int(fields[2]) == group
    )


def test_an_expected_normal_of_a_case(chromium: Any, server: Server, normals: Path) -> None:  # noqa: F811
    with closing(Library([server.run.path])) as library:
        spot(library.runs()[0], CASE)
    with visit(chromium, f"{server.address}/case?run={server.run.record['id']}&item={CASE}") as page:
        shown(page, CASE)
        page.get_by_text("Synthetic pictures (0)").click()
        page.get_by_text("Expected normal", exact=True).first.click()
        page.get_by_label("Folder of normal images").fill("/etc")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Make expected normal").click()
        page.get_by_text("only folders within").wait_for()
        page.get_by_label("Folder of normal images").fill(str(normals))
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Make expected normal").click()
        compared(page, "side expected")
        mark = page.locator(".pane.synthetic .mark:visible").inner_text()
        assert "Expected normal, detector " in mark, "the detector beside the run is known by name"
        page.keyboard.press("d")
        compared(page, "difference expected")
        assert 0 < page.evaluate(BRIGHT) < 0.5, "outside of the odd region nothing differs"


# The share of the picture that is not black.
BRIGHT = """() => {
  const stages = [...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.pane canvas'));
  const canvas = stages.find(Boolean);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let [drawn, bright] = [0, 0];
  for (let k = 0; k < data.length; k += 4) {
    drawn += data[k + 3] > 0;
    bright += data[k] > 0;
  }
  return bright / drawn;
}"""


def test_a_scans_synthetic_picture_follows_window_and_slices(
    chromium: Any,  # noqa: F811
    server: Server,
    kept: Callable[..., None],
) -> None:
    kept(SLICE, seed=4)
    with visit(chromium, f"{server.address}/case?run={server.run.record['id']}&item={SLICE}") as page:
        compared(page, "side reference-000004")
        assert "only from -160 to 240 HU" in page.locator(".pane.synthetic .mark:visible").inner_text()
        made = page.locator(".pane canvas").nth(1)
        before = made.screenshot()
        page.get_by_label("Window preset").select_option("brain")
        until(lambda: made.screenshot() != before, "another window")
        middle = made.bounding_box()
        page.mouse.move(middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2)
        page.get_by_text("synthetic = 40.784 HU").wait_for()
        page.get_by_label("Slice", exact=True).fill("3")
        shown(page, "ct-3.dcm")
        assert page.locator(".pane.synthetic").count() == 0, "it is of another slice"
        assert page.locator("optgroup[label=Synthetic]").count() == 0
        page.get_by_label("Slice", exact=True).fill("2")
        compared(page, "side reference-000004")


def test_no_address_of_a_synthetic_picture_leads_elsewhere(server: Server, kept: Callable[..., None]) -> None:
    kept()
    key = server.run.record["id"]
    item = f"item={CASE}"
    for rest in (f"facts?{item}&synthetic=../../run", f"facts?{item}&synthetic=%00", f"synthetic?{item}&name=reference-000000",
                 f"facts?{item}&synthetic=reference-000001", f"tile?{item}&synthetic=..&level=0&column=0&row=0",
                 f"tile?{item}&synthetic=reference-000000&level=9&column=0&row=0", "synthetic?item=&name="):  # fmt: skip
        status, _, content = ask(server, f"/oddpixel/runs/{key}/{rest}")
        assert status in (403, 404), (rest, content)
    status, _, content = ask(server, f"/oddpixel/runs/{key}/facts?{item}&synthetic=reference-000000")
    assert (status, json.loads(content)["width"]) == (200, 96)
