"""Runs as a workspace: jobs that say how far they are and go on, runs renamed, decided anew, compared and deleted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from oddpixel.dashboards.agreement import agreement
from oddpixel.dashboards.forms import run_of, time_left
from oddpixel.dashboards.job_runner import Step, step_of
from oddpixel.dashboards.jobs import Job, Jobs
from oddpixel.dashboards.library import Library, OpenRun
from oddpixel.dashboards.paired import paired
from oddpixel.dashboards.site import Site, open_site, the_site
from oddpixel.dashboards.workspace import delete, is_own, items_decided, rename
from oddpixel.errors import RunError, UsageError
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.dashboards.conftest import Server, serving
from tests.dashboards.test_browser import chromium, ready, visit  # noqa: F401 -- a fixture
from tests.dashboards.test_views import page, said
from tests.patience import until

pytestmark = pytest.mark.filterwarnings("default")


def copied(run: Run, place: Path, name: str, **changes: Any) -> Run:
    """A run of another id with the same items."""
    shutil.copytree(run.path, place / name)
    copy = Run.open(place / name)
    copy.write_json("run.json", copy.record | {"id": f"{len(name):032x}"} | changes)
    return copy


@pytest.fixture
def library(run: Run, made: Path, tmp_path: Path) -> Iterator[Library]:
    """A run from elsewhere, and `mine`, which was made in the dashboard."""
    copied(run, tmp_path / "own" / "runs", "mine")
    with closing(Library([run.path], tmp_path / "own", data=[made])) as opened:
        open_site(Site(opened, tmp_path / "own", (made,)))
        yield opened


def mine(library: Library) -> OpenRun:
    return next(run for run in library.runs() if run.folder_name == "mine")


def test_lines_of_a_log_say_how_far_a_job_is() -> None:
    assert step_of("reading normals 12/40") == Step("reading normals", "reading normals", (12, 40), 0.3)
    several = step_of("auditing a (b).png (2 of 4): jpeg-grid 1/2\n")
    assert several == Step("auditing", "auditing a (b).png (2 of 4): jpeg-grid", (1, 2), 0.375)
    assert step_of("fitting on normals ...") == Step("fitting on normals", "fitting on normals")
    assert step_of("warning: 3 of 4 images") is None
    assert step_of(f"{'9' * 5000}/1") is None
    assert [time_left(seconds) for seconds in (20, 200, 7800)] == [
        "less than a minute left", "about 3 min left", "about 2 h 10 min left",
    ]  # fmt: skip


def test_the_time_left_follows_the_pace_of_the_phase(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("loading 1/9\nflagging 1/10\nflagging 4/10\n")
    printed = (tmp_path / "log").stat().st_mtime
    (tmp_path / "phase").write_text(json.dumps({"phase": "flagging", "begun": printed - 300, "share": 0.1}))
    job = Job(tmp_path)
    step = job.step
    assert step is not None
    assert job.seconds_left(step) == pytest.approx(600, abs=60), "three tenths in 300 s, so six tenths in 600"
    assert job.seconds_left(Step("deciding", "deciding", (1, 2), 0.5)) is None


def test_a_job_that_was_stopped_or_failed_goes_on(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = jobs.start("nothing", ["flag"], "ann")
    with pytest.raises(UsageError, match="running"):
        jobs.resume(job, "ben")
    until(lambda: job.state == "failed")
    again = jobs.resume(job, "ben")
    assert again.record["command"] == ["oddpixel", "flag"]
    assert again.record["author"] == "ben"
    assert jobs.all() == [again], "the one that was resumed is not shown any more"
    until(lambda: again.state != "running")


def test_a_run_keeps_its_new_name_and_its_folder(library: Library) -> None:
    run = mine(library)
    rename(run, " Wednesday's\n films\x1b ")
    assert run.name == "Wednesday's films\N{REPLACEMENT CHARACTER}"
    assert run.folder_name == "mine"
    with pytest.raises(UsageError, match="80 characters"):
        rename(run, "x" * 81)
    with run.run.writing_alone(), pytest.raises(RunError, match="another process"):
        rename(OpenRun(Run.open(run.run.path)), "meanwhile")
    rename(run, "")
    assert run.name == "mine"


def test_deleting_takes_no_other_folder_and_no_verdict_unasked(library: Library, run: Run, tmp_path: Path) -> None:
    given, own = (next(each for each in library.runs() if each.folder_name == name) for name in ("run", "mine"))
    with pytest.raises(UsageError, match="only what it made"):
        delete(library, given, author="ann")
    (tmp_path / "own" / "runs" / "link").symlink_to(run.path)
    linked = OpenRun(Run.open(tmp_path / "own" / "runs" / "link"))
    assert not is_own(library, linked), "a link leads out of the dashboard's folder"
    # A link within a run is removed, what it leads to stays.
    (own.run.path / "maps" / "elsewhere").symlink_to(run.path / "maps")
    own.decide(["odd-noise.png"], "odd", author="ann")
    own.decide(["odd-noise.png", "normal-01.png"], "odd", author="ben")
    assert dict(items_decided(own)) == {"ann": 1, "ben": 2}
    with pytest.raises(UsageError, match="ben on 2 items"):
        delete(library, own, author="ann")
    with own.run.writing_alone(), pytest.raises(RunError, match="another process"):
        delete(library, OpenRun(Run.open(own.run.path)), author="ann", with_others=True)
    assert own.run.path.is_dir()
    kept = delete(library, own, author="ann", with_others=True)
    assert not own.run.path.exists()
    assert [each.folder_name for each in library.runs()] == ["run", "run"], "the given one, and the link to it"
    assert list((run.path / "maps").iterdir())
    assert kept is not None
    with Verdicts(kept) as verdicts:
        assert verdicts.verify().ok
        assert len(verdicts.since(own.key, 0)) == 3
        assert verdicts.actions(own.key)[-1]["action"] == "run deleted"
    with pytest.raises(RunError):
        library.run(own.key)


def test_kappa_and_its_interval() -> None:
    generator = np.random.default_rng(0)
    first = generator.choice(["odd", "normal", "unsure"], 400, p=[0.3, 0.6, 0.1])
    second = np.where(generator.random(400) < 0.75, first, generator.choice(["odd", "normal", "unsure"], 400))
    found = agreement(first.tolist(), second.tolist(), ["odd", "normal", "unsure"])
    assert found is not None
    assert found.kappa is not None
    value, low, high = found.kappa
    assert value == pytest.approx(cohen_kappa_score(first, second))
    drawn = [cohen_kappa_score(first[k], second[k]) for k in (generator.integers(0, 400, 400) for _ in range(400))]
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.15), "the interval is the bootstrap's"
    assert found.observed[0] == pytest.approx((first == second).mean())
    alone = agreement(["odd"] * 3, ["odd"] * 3, ["odd", "normal"])
    assert alone is not None
    assert alone.kappa is None
    assert "kappa says nothing" in alone.text
    one_sided = agreement(["odd", "odd", "normal"], ["odd"] * 3, ["odd", "normal"])
    assert one_sided is not None
    assert one_sided.kappa is None, "it would be 0 whatever they said, without any width"
    same = agreement(["odd", "normal", "odd", "normal"], ["odd", "normal", "odd", "normal"], ["odd", "normal"])
    assert same is not None
    assert same.kappa is not None
    assert same.kappa[0] == 1
    assert same.kappa[1] < 0.5, "four items prove little"
    assert agreement([], [], ["odd"]) is None


def test_two_runs_are_paired_by_content(library: Library) -> None:
    first, second = library.runs()[0], mine(library)
    pairs = paired(first, second)
    assert (len(pairs.table), pairs.only_first, pairs.only_second) == (first.table.count() - 1, 0, 0), (
        "all but the broken one"
    )
    assert pairs.rank_correlation == pytest.approx(1)
    assert pairs.agreement is not None
    assert pairs.agreement.observed[0] == 1
    text = said(page("two_runs", run=first.key))
    assert "Cohen&#x27;s kappa 1.00" in text
    assert "No item changes its rank" in text


def test_runs_of_one_name_are_told_apart(library: Library, run: Run, tmp_path: Path) -> None:
    """What is chosen is known by what is shown: two alike would lead verdicts into the wrong run."""
    twin = copied(run, tmp_path / "own" / "runs", "run")
    first, second = (each.key for each in library.runs() if each.folder_name == "run")
    assert second == twin.record["id"]
    test = page("case", run=second, item="normal-03.png")
    options = next(each for each in test.selectbox if each.label == "Run").options
    assert len(set(options)) == len(options) == 3
    test.run()
    assert test.query_params["run"] in (second, [second]), "and still with the next rerun"
    assert first != second


def test_every_kind_of_job_starts_by_page(library: Library, made: Path, tmp_path: Path) -> None:
    mine(library).decide(["normal-01.png"], "normal", author="ann")
    test = page("runs")
    test.text_input(key="fit-folder").set_value(str(made / "incoming"))
    test.text_input(key="watch-folder").set_value(str(made / "incoming"))
    for label in ("Fit", "Watch", "Generate"):
        next(each for each in test.button if each.label == label).click().run()
        assert not test.exception
    next(each for each in test.selectbox if each.key == "learn-run").set_value(mine(library).key)
    next(each for each in test.button if each.label == "Learn").click().run()
    jobs = Jobs(tmp_path / "own" / "jobs").all()
    for job in jobs:
        job.stop()
    assert sorted(job.record["command"][1] for job in jobs) == ["fit", "generate", "update", "watch"]
    taught = next(job for job in jobs if job.record["command"][1] == "update").record["command"]
    assert taught[taught.index("--from-verdicts") + 1] == str((tmp_path / "own/runs/mine").resolve())
    until(lambda: all(job.state != "running" for job in jobs))


def test_a_run_made_by_page_is_known_by_the_name_given(library: Library, made: Path) -> None:
    test = page("runs")
    test.text_input(key="flag-folder").set_value(str(made / "incoming"))
    next(each for each in test.text_input if each.label == "Name of the run").set_value("Wednesday's films ")
    next(each for each in test.button if each.label == "Flag").click().run()
    assert not test.exception
    job = the_site().jobs.all()[0]
    until(lambda: job.state != "running")
    opened = run_of(job)
    assert opened is not None
    assert opened.name == "Wednesday's films"
    assert opened.folder_name.endswith("-Wednesday-s-films")


def test_where_nothing_is_one_click_makes_a_demo(made: Path, run: Run, tmp_path: Path) -> None:
    with closing(Library([], tmp_path / "own")) as library:
        site = open_site(Site(library, tmp_path / "own"))
        test = page()
        next(each for each in test.button if each.label == "Make a demo").click().run()
        (job,) = site.jobs.all()
        job.stop()
        assert job.record["command"] == ["oddpixel", "demo", "-o", str(tmp_path / "own/demo")]
        until(lambda: job.state != "running")
        # What such a job leaves is shown.
        shutil.rmtree(tmp_path / "own/demo", ignore_errors=True)
        shutil.copytree(run.path, tmp_path / "own/demo/run")
        assert [each.folder_name for each in library.runs()] == ["run"]
        assert tmp_path.resolve() / "own/demo" in library.roots


def test_a_run_is_opened_renamed_decided_anew_and_compared(
    chromium: Any, run: Run, made: Path, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    own = copied(run, tmp_path / "dashboard" / "runs", "mine")
    with serving(run, made, tmp_path, None) as server, visit(chromium, f"{server.address}/runs") as page:
        page.get_by_role("button", name="Rename: mine").click()
        page.get_by_role("dialog").get_by_label("Name").fill("Wednesday")
        page.keyboard.press("Tab")
        page.get_by_role("dialog").get_by_role("button", name="Rename").click()
        page.get_by_role("button", name="Open: Wednesday").wait_for()
        # Decided anew: the promise is read before, and holds after.
        page.get_by_role("button", name="Decide anew: Wednesday").click()
        page.get_by_role("dialog").get_by_label("Rate").fill("0.2")
        page.keyboard.press("Tab")
        page.get_by_text("What it promises: at most 0.2 of normal groups").wait_for()
        page.get_by_role("dialog").get_by_role("button", name="Decide").click()
        page.get_by_text("decide Wednesday anew · done").wait_for()
        assert own.record["decision"]["rule"]["alpha"] == 0.2
        assert [rule["alpha"] for rule in own.record["decided_before"]] == [0.1]
        # A run from elsewhere is not deleted here; one's own only where others' verdicts may go.
        page.get_by_role("button", name="Delete: run").click()
        page.get_by_text("deletes no folder that it did not make").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Compare: run").click()
        page.get_by_text("Cohen's kappa").wait_for()
        page.get_by_role("link", name="Runs").click()
        page.get_by_role("row", name="Wednesday").click(position={"x": 5, "y": 5})
        ready(page)
        assert own.record["id"] in page.url
        page.locator(".cell").first.click()
        page.keyboard.press("o")
        page.locator(".chip.verdict-odd").first.wait_for()
        with Verdicts(own.verdicts_path) as verdicts:
            until(lambda: verdicts.latest(own.record["id"]))
            verdicts.record(own.record["id"], "odd-noise.png", "odd", author="ben")
        page.get_by_role("link", name="Runs").click()
        page.get_by_role("button", name="Delete: Wednesday").click()
        page.get_by_text("ben has decided on 1 item").wait_for()
        confirm = page.get_by_role("dialog").get_by_role("button", name="Delete")
        assert confirm.is_disabled()
        page.get_by_role("dialog").get_by_text("It may go although").click()
        page.wait_for_function("e => !e.disabled", arg=confirm.element_handle())
        confirm.click()
        page.get_by_role("button", name="Open: Wednesday").wait_for(state="detached")
    assert not own.path.exists()
    assert len(list((tmp_path / "dashboard" / "deleted").glob("*.sqlite"))) == 1


def test_a_job_is_stopped_and_resumed_by_page(chromium: Any, server: Server, made: Path) -> None:  # noqa: F811
    with visit(chromium, f"{server.address}/runs") as page:
        page.get_by_label("Images: or a folder here").first.fill(str(made / "incoming"))
        page.keyboard.press("Tab")
        page.wait_for_load_state("networkidle")
        page.get_by_role("button", name="Flag", exact=True).click()
        page.get_by_role("button", name="Stop").first.click()
        page.get_by_text("flag incoming · stopped").wait_for()
        page.get_by_role("button", name="Resume").first.click()
        page.get_by_text("flag incoming · done").wait_for()
        page.get_by_role("link", name="Open the run").first.wait_for()
