"""`make screens`: every view as people see it, light and dark, 390, 1280 and 1920 pixels wide, into docs/dashboard.

Four runs: the demo's, the same images by a detector of fewer normals, the audit of a splice, and one CT series against a
detector fitted to every other of its slices (which proves nothing about CT, and shows what a scan looks like here).
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from oddpixel.commands.demonstration import demonstrate
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.synthetic_job import Options, make
from oddpixel.datasets.corpora import cached
from oddpixel.datasets.source import open_source
from oddpixel.forensics.audit.audited import Options as AuditOptions
from oddpixel.forensics.audit.run import Handling, audit_into
from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.runs.regions import Drawn
from oddpixel.forensics.runs.verdicts import Sent, Verdicts
from tests.dashboards.conftest import Server, serving
from tests.dashboards.test_audit_view import splice
from tests.dashboards.test_browser import FLAGS

WIDTHS = {390: 844, 1280: 860, 1920: 1200}
QUALITY = 82
HOLE = Sent(
    key="the-missing-part",
    items=(("grass-04-missing-part.png", None),),
    decision=None,
    region=Drawn(
        region="the-missing-part",
        kind="polygon",
        points=((30, 6), (36, 3), (42, 6), (43, 12), (39, 17), (32, 17), (29, 12)),
        label="a piece is gone",
    ),
)
# By name: path and query, and what must be seen before the picture is taken.
VIEWS = {
    "triage": ("/?run={demo}", ".cell img"),
    "case": ("/case?run={demo}&item=grass-04-missing-part.png", ".stage[data-ready]"),
    "scan": ("/case?run={scan}&item={slice}", ".stage[data-ready]"),
    "synthetic": ("/case?run={demo}&item=china.jpg", "text=Reference, seed"),
    "distribution": ("/distribution?run={demo}", ".queue"),
    "audit": ("/audit?run={audit}", ".oddpixel-verdict"),
    "alike": ("/alike?run={demo}", ".scatter canvas"),
    "compare": ("/two_runs?run={demo}&with={second}", "text=kappa"),
    "reading": ("/reading?run={demo}", "text=reading"),
    "runs": ("/runs", "text=Jobs"),
    "export": ("/export?run={demo}", "text=Prepare"),
}


def main(out: Path) -> None:
    from playwright.sync_api import sync_playwright

    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        _server(Path(folder)) as (server, places),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        for wide, high in WIDTHS.items():
            for scheme in ("light", "dark"):
                page = browser.new_context(viewport={"width": wide, "height": high}, color_scheme=scheme).new_page()
                for name, (path, seen) in VIEWS.items():
                    page.goto(server.address + path.format(**places))
                    page.locator(seen).first.wait_for(timeout=60_000)
                    page.wait_for_load_state("networkidle")
                    page.wait_for_timeout(1500)
                    _save(page, out / f"{name}-{scheme}-{wide}.webp")
        browser.close()


@contextmanager
def _server(place: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    demo = demonstrate(place).run
    # A copy: the dashboard shows originals from its data folder only.
    series = shutil.copytree(cached("ct-series").folder, place / "ct-series")
    slices = list(open_source(str(series)))
    scans = Detector(model="ct", chooses=False).fit(slices, groups=[image.source for image in slices])
    store.save(scans, place / "scans-detector")
    fewer = Detector(chooses=False).fit(list(open_source(str(place / "normals")))[:24])
    store.save(fewer, place / "fewer-normals")
    second = flag_into(
        place / "second", Incoming(places=(str(place / "incoming"),)), place / "fewer-normals", Rule(alpha=0.1)
    )
    assert second is not None
    scan = flag_into(place / "scans", Incoming(places=(str(series),)), place / "scans-detector", Rule(alpha=0.2))
    assert scan is not None
    with Verdicts(demo.verdicts_path) as verdicts:
        key = demo.record["id"]
        verdicts.record(key, "grass-04-missing-part.png", "odd", author="ann", note="a piece is gone")
        verdicts.record(key, "grass-27.png", "normal", author="ann", note="grass, as it should be")
        verdicts.record(key, "gravel.png", "odd", author="ben")
        verdicts.receive(key, [HOLE], author="ann")
    with closing(OpenRun(demo, (place.resolve(),))) as opened:
        make(opened, "china.jpg", Options(kind="reference", author="ann"))
    Pillow.fromarray(splice(place)).save(place / "splice.png")
    audit = audit_into(
        place / "audit", (str(place / "splice.png"),), AuditOptions(), Handling(examiner="ann", with_pdf=True)
    ).run
    with serving(demo, place, place, None, more=[scan.run.path, audit.path, second.run.path]) as server:
        rows = [image.source for image in slices]
        keys = {
            "demo": key,
            "scan": scan.run.record["id"],
            "audit": audit.record["id"],
            "second": second.run.record["id"],
        }
        yield server, keys | {"slice": rows[len(rows) // 2]}


def _save(page: Any, path: Path) -> None:
    Pillow.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, "WEBP", quality=QUALITY)
    print(path, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
