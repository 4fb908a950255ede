"""Each view's logic, by Streamlit's own test harness on a real run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from oddpixel.dashboards.app import ENTRY
from oddpixel.dashboards.case_facts import of_case, of_run, why_no_map
from oddpixel.dashboards.jobs import Jobs
from oddpixel.dashboards.library import Library, OpenRun
from oddpixel.dashboards.originals import TILE, picture_of
from oddpixel.dashboards.saved_views import SavedViews
from oddpixel.dashboards.similar import most_alike
from oddpixel.dashboards.site import Site, open_site
from oddpixel.dashboards.statistics import along, curves, slices
from oddpixel.dashboards.uploads import allowed
from oddpixel.errors import RunError, UsageError
from oddpixel.forensics.runs.run import Run
from oddpixel.image import Image
from tests.dashboards.conftest import FORMULA, HOSTILE
from tests.patience import PATIENCE, until

# Streamlit's harness and pandas warn of their own doings.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def site(run: Run, made: Path, tmp_path: Path) -> Iterator[Site]:
    with closing(Library([run.path], tmp_path / "own", data=[made])) as library:
        yield open_site(Site(library, tmp_path / "own", (made,)))


@pytest.fixture
def opened(run: Run, made: Path, tmp_path: Path) -> Iterator[OpenRun]:
    with closing(Library([run.path], data=[made, tmp_path / "moved"])) as library:
        yield library.runs()[0]


def page(name: str | None = None, **query: str) -> AppTest:
    test = AppTest.from_file(ENTRY, default_timeout=PATIENCE)
    for key, value in query.items():
        test.query_params[key] = value
    test.run()
    if name is not None:
        test.switch_page(f"views/{name}.py").run()
    assert not test.exception, test.exception
    return test


def said(test: AppTest) -> str:
    return " ".join(
        str(each.value)
        for kind in ("markdown", "html", "subheader", "success", "warning", "info", "error")
        for each in test.get(kind)
    )


def test_without_runs_the_next_command_is_named(tmp_path: Path) -> None:
    open_site(Site(Library(), tmp_path))
    test = page()
    assert test.title[0].value == "No runs yet"
    assert "oddpixel flag" in test.code[0].value


def test_triage_opens_the_first_run_and_writes_its_address(site: Site, run: Run) -> None:
    test = page()
    assert test.query_params["run"] in (run.record["id"], [run.record["id"]])
    assert test.selectbox[0].value == run.record["id"]
    assert "was not found" in said(page(run="0" * 32))


def test_a_case_says_what_was_decided_and_of_which_file(site: Site, run: Run) -> None:
    opened = site.library.runs()[0]
    opened.decide(["odd-noise.png"], "odd", author="ann", note="<b>noise</b>")
    test = page("case", run=run.record["id"], item="odd-noise.png")
    text = said(test)
    assert "ann: odd" in text
    assert "&lt;b&gt;noise&lt;/b&gt;" in text, "notes are text"
    assert "SHA-256" in text
    assert "no item" in said(page("case", run=run.record["id"], item="forged.png"))


def test_what_is_said_of_a_case_and_why_there_is_no_map(opened: OpenRun) -> None:
    said = of_case(opened, opened.row("odd-noise.png"))
    assert (said["flagged"], said["error"], said["no_map"]) == (True, None, None)
    assert said["reasons"][0]["because"]
    assert "nothing" not in of_run(opened)["promise"]
    assert of_case(opened, opened.row("zz-broken.png"))["error"]
    ordinary = replace(opened.row("normal-01.png"), map=None, p_value=0.6)
    because = {
        "p up to 0.1": ordinary,
        "withheld, as the thumbnail is": replace(ordinary, thumbnail=None),
        "No map of it is in this run": replace(ordinary, p_value=0.05),
    }
    for words, row in because.items():
        assert words in str(why_no_map(opened, row))
    record = opened.run.record
    for change, words in (
        ({"options": record["options"] | {"maps": False}}, "made without maps"),
        ({"kind": "inspect"}, "Runs of kind inspect have no maps"),
    ):
        (opened.run.path / "run.json").write_text(json.dumps(record | change))
        assert words in str(why_no_map(opened, ordinary))


def test_identifiers_are_shown_on_request_and_noted(site: Site, run: Run) -> None:
    test = page("case", run=run.record["id"], item="ct-2.dcm")
    assert "Doe^Jane" not in said(test)
    button = next(each for each in test.button if each.label == "Show identifiers")
    button.click().run()
    assert "Doe^Jane" in said(test)
    actions = site.library.runs()[0].verdicts.actions(run.record["id"])
    assert [(each["item"], each["action"]) for each in actions] == [("ct-2.dcm", "identifiers shown")]


def test_hostile_names_are_text(site: Site, run: Run) -> None:
    text = said(page("case", run=run.record["id"], item=HOSTILE))
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text
    assert FORMULA.replace("'", "&#x27;") in said(page("case", run=run.record["id"], item=FORMULA))


def test_distribution_promises_only_for_the_rule_fixed_beforehand(site: Site, run: Run) -> None:
    test = page("distribution", run=run.record["id"])
    assert "Guaranteed: at most 0.1 of normal groups" in said(test)
    assert "Curves need at least" in said(test)
    key = f"threshold-{run.record['id']}-p_value"
    test.session_state[key] = {"threshold": 0.4}
    opened = site.library.runs()[0]
    opened.decide([f"normal-{k:02d}.png" for k in range(6)], "normal", author="ann")
    opened.decide(["odd-noise.png", "odd-constant.png", "odd-stripes.png", "ct-0.dcm", "ct-1.dcm"], "odd", author="ann")
    test = page("distribution", run=run.record["id"])
    assert "AUROC 1.000" in said(test)


def test_export_prepares_what_the_filters_leave(site: Site, run: Run) -> None:
    site.library.runs()[0].decide(["odd-noise.png", FORMULA], "odd", author="ann")
    test = page("export", run=run.record["id"])
    next(each for each in test.selectbox if each.label == "Verdict").set_value("odd").run()
    assert "2 items" in said(test)
    next(each for each in test.button if each.label == "Prepare").click().run(timeout=PATIENCE)
    assert not test.exception
    assert [each["action"] for each in site.library.runs()[0].verdicts.actions(run.record["id"])] == ["exported as csv"]


def test_runs_lists_detectors_and_refuses_other_folders(site: Site, run: Run, made: Path) -> None:
    test = page("runs")
    detectors = next(each for each in test.selectbox if each.label == "Detector").options
    assert any("detector" in option for option in detectors)
    test.text_input(key="flag-folder").set_value("/etc").run()
    next(each for each in test.button if each.label == "Flag").click().run()
    assert "only folders within" in said(test)
    with pytest.raises(UsageError, match="only folders"):
        allowed(str(made / ".." / ".."), (made,))


def test_jobs_run_stop_and_leave_a_log(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = jobs.start("version", ["--version"], "ann")
    until(lambda: job.state != "running")
    assert job.state == "done"
    assert job.log.startswith("oddpixel ")
    failed = jobs.start("nothing", ["flag"], "ann")
    (tmp_path / "incoming").mkdir()
    until(lambda: failed.state != "running")
    assert failed.state == "failed"
    assert [each.record["title"] for each in jobs.all()][-1] in ("version", "nothing")
    slow = jobs.start(
        "watch", ["watch", str(tmp_path / "incoming"), "--detector", "none", "-o", str(tmp_path / "w")], "ann"
    )
    slow.stop()
    until(lambda: slow.state != "running")
    assert slow.state in ("stopped", "failed")


def test_the_library_knows_runs_by_id_only(run: Run, tmp_path: Path) -> None:
    library = Library([run.path])
    assert library.run(run.record["id"]).run.path == run.path
    for key in ("..", str(run.path), "x"):
        with pytest.raises(RunError):
            library.run(key)
    with pytest.raises(RunError):
        Library([tmp_path / "nothing"])


def test_a_runs_table_may_not_lead_out_of_its_folder(opened: OpenRun, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    for name in ("../secret", str(tmp_path / "secret"), "nothing"):
        with pytest.raises(Exception, match="no such file"):
            opened.file(name)


def test_changed_originals_are_not_shown(opened: OpenRun, run: Run, made: Path, tmp_path: Path) -> None:
    import shutil

    from oddpixel.errors import MissingFile
    from oddpixel.forensics.runs.originals import OriginalFiles

    shutil.copytree(made / "incoming", tmp_path / "moved")
    record = run.record | {"places": [str(tmp_path / "moved")]}
    run.write_json("run.json", record)
    row = opened.row("normal-03.png")
    with OriginalFiles(run).open(row) as file:
        assert file.read(4) == b"\x89PNG"
    shutil.copy(made / "incoming/normal-04.png", tmp_path / "moved/normal-03.png")
    with pytest.raises(MissingFile, match="SHA-256"):
        OriginalFiles(run).open(row)
    with pytest.raises(MissingFile, match="SHA-256"):
        opened.originals.picture(row)


def test_the_decoder_outlives_the_threads_that_ask(opened: OpenRun) -> None:
    """Its process dies with the thread that started it."""
    found: list[int] = []
    for name in ("normal-01.png", "ct-1.dcm", "normal-02.png"):
        row = opened.row(name)
        asking = threading.Thread(target=lambda row=row: found.append(opened.originals.picture(row).facts["width"]))  # type: ignore[misc]
        asking.start()
        asking.join()
        time.sleep(0.2)
    assert len(found) == 3


def test_tiles_are_the_picture(tmp_path: Path) -> None:
    import io

    from PIL import Image as Pillow

    generator = np.random.default_rng(0)
    pixels = (generator.integers(0, 256, (3, 700, 1100)) / 255).astype(np.float32)
    picture = picture_of(Image(pixels, 8, "display", None, "x", "0" * 64, "x"))
    assert [level.shape[:2] for level in picture.levels] == [(700, 1100), (350, 550), (175, 275)]
    whole = np.zeros((700, 1100, 3), np.uint8)
    for row in range(2):
        for column in range(3):
            content, media = picture.tile(0, column, row)
            assert media == "image/png"
            tile = np.asarray(Pillow.open(io.BytesIO(content)))
            whole[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE] = tile
    np.testing.assert_array_equal(whole, np.rint(pixels * 255).astype(np.uint8).transpose(1, 2, 0))
    values = generator.normal(0, 500, (1, 60, 70)).astype(np.float32)
    scan = picture_of(Image(values, 12, "HU", (0.5, 0.5), "x", "0" * 64, "x"))
    np.testing.assert_array_equal(np.frombuffer(scan.tile(0, 0, 0)[0], "<f4").reshape(60, 70), values[0])


def test_statistics() -> None:
    generator = np.random.default_rng(0)
    found = curves([*generator.normal(1, 1, 200), *generator.normal(0, 1, 300)], [True] * 200 + [False] * 300)
    assert found is not None
    area, low, high = found.auroc
    assert low < 0.76 < high
    assert area == pytest.approx(0.76, abs=0.04)
    assert curves([1.0, 2.0], [True, True]) is None
    rows = slices(["a", "a", None, "b"], [True, False, None, None], [False, False, True, False])
    assert {row["stratum"]: (row["judged"], row["flagged"], row["errors"]) for row in rows} == {
        "a": (2, 1, 0), "b": (0, 0, 0), "unreadable": (0, 0, 1),
    }  # fmt: skip
    steady = along(list(generator.uniform(size=2000)))
    assert np.mean([row["low"] < row["mean p"] < row["high"] for row in steady]) >= 0.95
    assert (
        along(list(generator.uniform(0, 0.3, size=200)))[0]["mean p"]
        < along(list(generator.uniform(size=200)))[0]["low"]
    )


def test_most_alike_are_unflagged(opened: OpenRun) -> None:
    found = most_alike(opened, "odd-noise.png")
    assert len(found) == 4
    assert all(not opened.row(each.item).flagged for each in found)
    assert most_alike(opened, "zz-broken.png") == []


def test_saved_views(tmp_path: Path) -> None:
    views = SavedViews(tmp_path / "a" / "views.json")
    assert views.all() == {}
    views.save("odd ones", "show=flagged&p=0.01")
    views.save("later", "")
    views.remove("later")
    assert views.all() == {"odd ones": "show=flagged&p=0.01"}
    with pytest.raises(UsageError, match="name"):
        views.save(" ", "x")
