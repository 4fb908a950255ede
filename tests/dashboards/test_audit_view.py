"""The Audit view: from an upload over every check to a report, and whatever a file says stays text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import PngImagePlugin
from streamlit.testing.v1 import AppTest

from oddpixel.dashboards.forms import literal
from oddpixel.dashboards.library import Library, OpenRun
from oddpixel.dashboards.report_routes import parts, read_report, stored
from oddpixel.dashboards.site import Site, open_site
from oddpixel.errors import MissingFile, RunError
from oddpixel.forensics.audit.audited import Options
from oddpixel.forensics.audit.run import Handling, audit_into
from oddpixel.forensics.runs.run import Run
from tests.dashboards.conftest import Server, serving
from tests.dashboards.test_browser import chromium, visit  # noqa: F401 (a fixture)
from tests.dashboards.test_views import page, said
from tests.patience import PATIENCE, until

CHECKS = "jpeg-grid,copy-move"
FOUND = "jpeg-grid-local"
SCRIPT = "<script>document.title='pwned'</script>"
HOSTILE = f"{SCRIPT.replace('/', '')} [x](javascript:alert(1)) $x$ :red[y] \x1b[31m.png"
pytestmark = pytest.mark.filterwarnings("default")


def saved(picture: np.ndarray, path: Path) -> np.ndarray:
    """As a camera or an editor would, so that it carries a grid of 8 x 8 blocks."""
    Pillow.fromarray(picture).save(path, "JPEG", quality=75)
    return np.array(Pillow.open(path))


def splice(place: Path) -> np.ndarray:
    """Two JPEGs; a part of one in the other, three columns and five rows off its grid."""
    from skimage import data

    ground = saved(data.astronaut(), place / "ground.jpg")
    strange = saved(np.ascontiguousarray(data.coffee()[:400, :512]), place / "strange.jpg")
    ground[150:362, 130:340] = strange[53:265, 101:311]
    return ground


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """splice.png, whose texts hold scripts; the same under a hostile name; a file that is none."""
    place = tmp_path_factory.mktemp("evidence")
    texts = PngImagePlugin.PngInfo()
    for keyword in ("Software", "Comment"):
        texts.add_text(
            keyword, f"{SCRIPT}<img src=x onerror=document.title='pwned'>\x1b[31m[x](javascript:alert(1)) $x$"
        )
    made = Pillow.fromarray(splice(tmp_path_factory.mktemp("parts")))
    incoming = place / "incoming"
    incoming.mkdir()
    made.save(place / "splice.png", pnginfo=texts)
    made.crop((64, 64, 448, 448)).save(incoming / HOSTILE, pnginfo=texts)
    (incoming / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return place


@pytest.fixture(scope="module")
def audited(evidence: Path) -> Run:
    handling = Handling(case="<b>7</b>", examiner="ann", with_pdf=True)
    return audit_into(evidence / "run", (str(evidence / "incoming"),), Options(checks=CHECKS), handling).run


@pytest.fixture
def site(audited: Run, evidence: Path, tmp_path: Path) -> Iterator[Site]:
    with closing(Library([audited.path], tmp_path / "own", data=[evidence])) as library:
        yield open_site(Site(library, tmp_path / "own", (evidence,)))


@pytest.fixture
def opened(audited: Run, evidence: Path) -> Iterator[OpenRun]:
    with closing(Library([audited.path], data=[evidence])) as library:
        yield library.runs()[0]


def test_a_report_is_shown_with_reasons_bounds_and_downloads(site: Site, audited: Run) -> None:
    test = page("audit", run=audited.record["id"])
    text = said(test)
    assert test.query_params["item"] in (HOSTILE, [HOSTILE])
    assert FOUND in text
    assert "log10 NFA" in text
    assert "No result here says that an image is authentic." in text
    assert "Power:" in text
    for subheader in ("Tests that count", "Processing history"):
        assert subheader in text
    assert "have no error rate" in text
    for name in ("report.html", "report.json", "report.pdf", "custody.json"):
        assert f"part={name}" in text
    assert "SHA-256" in text


def test_what_a_file_says_is_text(site: Site, audited: Run) -> None:
    test = page("audit", run=audited.record["id"], item=HOSTILE)
    text = said(test)
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "onerror=document" in text, "as text"
    assert "<img src=x" not in text
    assert "\x1b" not in text
    assert all("javascript" not in each.value for each in test.markdown)


def test_what_could_not_be_read_says_why(site: Site, audited: Run) -> None:
    test = page("audit", run=audited.record["id"], item="broken.jpg")
    assert "Not read" in said(test)
    assert "broken.jpg" in said(test)


def test_the_address_of_nothing_says_so(site: Site, audited: Run) -> None:
    assert "item in this address was not found" in said(page("audit", run=audited.record["id"], item="../x"))


def test_other_views_open_an_audit(site: Site, audited: Run) -> None:
    for name in ("triage", "case", "distribution", "runs", "export"):
        page(name, run=audited.record["id"])
    for item in (HOSTILE, "broken.jpg"):
        page("case", run=audited.record["id"], item=item)


def test_asking_needs_files_checks_and_a_folder_that_may_be_read(site: Site) -> None:
    test = page("audit")
    press(test)
    assert "choose at least one file" in said(test)
    test.text_input(key="audit-folder").set_value("/etc")
    press(test)
    assert "only folders within" in said(test)
    for each in test.checkbox:
        if str(each.key).startswith("check-"):
            each.uncheck()
    press(test)
    assert "at least one check" in said(test)


def test_a_folder_is_audited(site: Site, evidence: Path) -> None:
    test = page("audit")
    test.text_input(key="audit-folder").set_value(str(evidence / "incoming"))
    for each in test.checkbox:
        if str(each.key).startswith("check-"):
            each.set_value(each.key == "check-jpeg-grid")
    test.text_input(key="audit-case").set_value("--help <b>")
    press(test)
    (job,) = site.jobs.all()
    until(lambda: job.state != "running", "the end of the job")
    assert job.state == "done", job.log
    for line in (r"\(1 of 2\): reading 1/3", r"\(1 of 2\): jpeg-grid 3/3", r"broken.jpg \(2 of 2\): reading 1/3"):
        assert re.search(f"^auditing .*{line}$", job.log, re.MULTILINE), job.log
    assert job.progress() == (1, 3)
    test.run()
    assert not test.exception
    made = next(run for run in site.library.runs() if run.run.record["options"]["case"] == "--help <b>")
    assert test.query_params["run"] in (made.key, [made.key]), "the report is opened when it is there"
    assert FOUND in said(test)


def press(test: AppTest) -> None:
    next(each for each in test.button if each.label == "Audit").click().run()
    assert not test.exception, test.exception


def test_labels_are_literal() -> None:
    assert literal("audit a file, 2 files (x)") == "audit a file, 2 files (x)"
    assert literal("a_b_c") == r"a\_b\_c"
    assert literal("[x](javascript:y)") == "`[x](javascript:y)`"
    assert literal("a`$x$``b") == "```a`$x$``b```"
    assert literal("`x`") == "`` `x` ``"
    assert literal("# x\ny") == "`# x y`"


def test_the_picture_is_the_stored_one_and_only_while_unchanged(opened: OpenRun, evidence: Path) -> None:
    row = opened.row(HOSTILE)
    pixels = np.array(Pillow.open(evidence / "incoming" / HOSTILE))
    np.testing.assert_array_equal(stored(opened, row), pixels)
    with pytest.raises(MissingFile, match="SHA-256"):
        stored(opened, replace(row, sha256="0" * 64))


def test_a_row_leads_to_its_own_report_only(opened: OpenRun) -> None:
    row = opened.row(HOSTILE)
    assert read_report(opened, row)["sha256"] == str(row.sha256)
    assert parts(opened, row) == ["report.html", "report.json", "report.pdf", "custody.json"]
    for digest in (None, "..", "../../x", "0" * 64):
        with pytest.raises(MissingFile):
            read_report(opened, replace(row, sha256=digest))
    path = opened.run.path / "reports" / str(row.sha256) / "report.json"
    whole = path.read_text()
    try:
        for damaged in ("{", "[]", '{"schema": 3}', whole.replace(str(row.sha256), "0" * 64)):
            path.write_text(damaged)
            with pytest.raises(RunError):
                read_report(opened, row)
    finally:
        path.write_text(whole)


@pytest.fixture
def server(audited: Run, evidence: Path, tmp_path: Path) -> Iterator[Server]:
    with serving(audited, evidence, tmp_path, None) as started:
        yield started


def test_from_an_upload_to_its_report(chromium: Any, server: Server, evidence: Path, tmp_path: Path) -> None:  # noqa: F811
    upload = evidence / "splice.png"
    with visit(chromium, f"{server.address}/audit") as page:
        page.get_by_text("Audit images").click()
        page.get_by_role("button", name="Audit", exact=True).wait_for()
        for box in page.get_by_role("checkbox").all():
            label = box.get_attribute("aria-label")
            if label not in (*CHECKS.split(","), "Also a PDF of each report"):
                page.get_by_text(label, exact=True).click()
        page.locator("input[type=file]").first.set_input_files(str(upload))
        page.get_by_text("splice.png").first.wait_for()
        page.wait_for_load_state("networkidle")
        page.get_by_role("button", name="Audit", exact=True).click()
        page.get_by_text("splice.png (1 of 1): ").first.wait_for()  # which check is running
        page.wait_for_url("**item=0000-splice.png*", timeout=1000 * PATIENCE)
        page.wait_for_function(
            "[...document.querySelectorAll('*')].flatMap(e => [...(e.shadowRoot?.querySelectorAll('.stage img') ?? [])]).some("
            "each => each.src.includes('item=0000-splice.png') && each.naturalWidth === 512)"
        )
        block = page.locator(".oddpixel-finding", has=page.get_by_text(FOUND, exact=True))
        # The last: while the page is drawn anew, what stood there before may still be there.
        assert block.locator(".oddpixel-status").last.inner_text() == "evidence"
        page.get_by_text(SCRIPT).first.wait_for()
        with page.expect_download() as download:
            page.get_by_role("link", name="report.json").click()
        download.value.save_as(tmp_path / "report.json")
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["sha256"] == hashlib.sha256(upload.read_bytes()).hexdigest()
        assert {each["check"]: each["status"] for each in report["findings"]}[FOUND] == "evidence"
        # The page is a download too, and never opened here.
        answer = page.request.get(
            f"{server.address}{page.get_by_role('link', name='report.html').get_attribute('href')}"
        )
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert page.request.get(answer.url.partition("&ticket")[0]).status == 403


def test_hostile_names_and_texts_stay_text(chromium: Any, server: Server) -> None:  # noqa: F811
    with visit(chromium, f"{server.address}/audit?run={server.run.record['id']}") as page:
        page.get_by_text(FOUND).first.wait_for()
        page.get_by_text(SCRIPT).first.wait_for()
        assert "$x$ :red[y]" in page.locator("h3", has_text="$x$").first.inner_text()
        assert "$x$ :red[y]" in page.locator(".gallery [aria-current]").inner_text()
        # One view for all pictures that are shown.
        page.get_by_role("button", name="Error level analysis").click()
        page.get_by_text("(visual aid, no error rate)").wait_for()
        images = page.locator(".stage img")
        assert images.count() == 3, "as stored, the strongest map, the aid"
        images.first.hover()
        page.mouse.wheel(0, -800)
        page.wait_for_function("e => Number(e.dataset.scale) > 1.2", arg=page.locator(".stage").element_handle())
        assert len({images.nth(k).evaluate("e => e.style.transform") for k in range(3)}) == 1
        page.locator(".stage").press("0")
        assert "scale(1)" in images.nth(2).evaluate("e => e.style.transform")
        # What does not count is never red.
        red = page.locator(".oddpixel-finding", has=page.locator(".oddpixel-status.bad"))
        assert red.count() > 0
        assert all("counts in the verdict" in each for each in red.all_inner_texts())
        assert page.locator("img[src='x']").count() == 0
        assert page.locator("a[href^=javascript]").count() == 0
        assert page.locator(".katex").count() == 0
        page.locator(".gallery [aria-current]").press("ArrowRight")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Not read").wait_for()
        assert "item=broken.jpg" in page.url
