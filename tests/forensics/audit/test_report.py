"""`oddpixel audit` as its users run it: reports that repeat, evidence that is not touched, hostile text that stays text."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from oddpixel.datasets.source import open_source
from oddpixel.forensics.audit.aids import aids
from oddpixel.forensics.audit.audited import Audited, Options
from oddpixel.forensics.audit.calibration import table
from oddpixel.forensics.audit.exhibit import exhibit_of
from oddpixel.forensics.audit.finding import Finding
from oddpixel.forensics.audit.medium import PICTURE
from oddpixel.forensics.audit.report.custody import unbroken
from oddpixel.forensics.audit.run import AuditRun, Handling, audit_into
from oddpixel.forensics.audit.trust import TrustList, read_trust_lists
from oddpixel.forensics.audit.verdict import decide
from oddpixel.image import Image
from tests.forensics.audit.images import another, jpeg, photograph, png, spliced
from tests.test_cli import oddpixel

QUICK = Options(checks="jpeg-grid,copy-move", aids=False)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31mred\x1b]0;title\x07\u202e"


def audited(folder: Path, out: Path, options: Options = QUICK, **more: Any) -> AuditRun:
    names = [field.name for field in fields(Handling) if field.name in more]
    handling = Handling(**{name: more.pop(name) for name in names})
    return audit_into(out, (str(folder),), options, handling, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "evidence"
    files.mkdir()
    (files / "spliced.png").write_bytes(png(spliced()))
    (files / "whole.jpg").write_bytes(jpeg(photograph(), 85))
    return files


def report(run: AuditRun, name: str) -> tuple[dict[str, Any], Path]:
    item = next(each for each in run.items if each["item"] == name)
    place = run.run.path / item["report"]
    return json.loads((place / "report.json").read_text()), place


def test_two_names_of_the_same_bytes_lose_no_custody(folder: Path, tmp_path: Path) -> None:
    """They share a report, since it depends on the bytes alone; who looked at which name when is kept for both."""
    (folder / "copy of whole.jpg").write_bytes((folder / "whole.jpg").read_bytes())
    run = audited(folder, tmp_path / "out")
    assert len(run.items) == 3
    _, place = report(run, "whole.jpg")
    custody = json.loads((place / "custody.json").read_text())
    assert {custody["evidence"], *(each["evidence"] for each in custody["earlier"])} == {
        "whole.jpg",
        "copy of whole.jpg",
    }
    assert all(unbroken(each) for each in (custody, *custody["earlier"]))


def test_a_splice_is_found_with_its_place_and_a_whole_photograph_is_not_called_manipulated(
    folder: Path, tmp_path: Path
) -> None:
    run = audited(folder, tmp_path / "out", Options(aids=True))
    said, place = report(run, "spliced.png")
    assert said["verdict"]["label"] == "evidence of manipulation"
    local = next(each for each in said["findings"] if each["check"] == "jpeg-grid-local")
    top, left, bottom, right = local["details"]["regions"][0]
    assert max(abs(top - 120), abs(left - 100), abs(bottom - 264), abs(right - 244)) < 24
    assert np.asarray(Pillow.open(place / local["map"])).shape == (384, 384)
    assert len(list((place / "aids").iterdir())) == len(said["aids"]) == len(aids())
    whole, _ = report(run, "whole.jpg")
    assert whole["verdict"]["label"] in ("no evidence found", "inconclusive")
    assert whole["gate"]["quality"] == 85


def test_two_runs_give_the_same_bytes_and_the_evidence_is_untouched(folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    one, two = (audited(folder, tmp_path / name, with_pdf=True, case="7/26") for name in ("a", "b"))
    for item in one.items:
        for name in (
            "report.json",
            *(f"maps/{path.name}" for path in (one.run.path / item["report"] / "maps").glob("*")),
        ):
            assert (one.run.path / item["report"] / name).read_bytes() == (
                two.run.path / item["report"] / name
            ).read_bytes()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    said, place = report(one, "spliced.png")
    assert said["case"] == "7/26"
    assert said["sha256"] == hashlib.sha256(before["spliced.png"]).hexdigest()
    custody = json.loads((place / "custody.json").read_text())
    hashes = [entry["sha256"] for entry in custody["entries"] if entry["event"].startswith(("opened", "closed"))]
    assert hashes == [said["sha256"]] * 2
    assert unbroken(custody)
    custody["entries"][0]["sha256"] = "0" * 64
    assert not unbroken(custody)


def test_hostile_names_and_metadata_are_text_everywhere(tmp_path: Path) -> None:
    files = tmp_path / "evidence"
    files.mkdir()
    info = PngInfo()
    info.add_text("Comment", HOSTILE)
    info.add_itxt("Title", HOSTILE + "x" * 1_000_000)
    info.add_text("parameters", HOSTILE + "\nSteps: 20, Sampler: Euler a")
    exif = Pillow.Exif()
    exif[0x0131] = HOSTILE + "y" * 1_000_000
    file = BytesIO()
    Pillow.fromarray(photograph()).save(file, "PNG", pnginfo=info, exif=exif)
    name = "<script>alert(3)<script>\x1b[2J.png"
    (files / name).write_bytes(file.getvalue())
    out = tmp_path / "out"
    result = oddpixel("audit", files, "-o", out, "--pdf", "--checks", "jpeg-grid", "--case", HOSTILE)
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    place = next(out.glob("reports/*"))
    page, said = (place / "report.html").read_text(), json.loads((place / "report.json").read_text())
    assert "<script" not in page
    assert "onerror=alert" not in page.replace("&lt;img src=x onerror=alert", "")
    assert "default-src 'none'" in page
    for letters in (page, json.dumps(said, ensure_ascii=False)):
        assert not any(each in letters for each in "\x1b\x07\u202e")
    assert len(json.dumps(said)) < 200_000
    assert b"/JavaScript" not in (place / "report.pdf").read_bytes()
    assert said["verdict"]["label"] == "declared synthetic"


def test_bad_files_are_rows_and_the_run_is_taken_up_again(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.jpg").write_bytes(jpeg(photograph(), 85)[:900])
    (folder / "empty.png").write_bytes(b"")
    (folder / "small.png").write_bytes(png(photograph()[:20, :20]))
    out = tmp_path / "out"
    first = audited(folder, out)
    errors = {item["item"]: item["error"] for item in first.items}
    assert errors["empty.png"]["type"] == "CorruptFile"
    assert errors["spliced.png"] is None
    small, _ = report(first, "small.png")
    assert small["verdict"]["label"] == "inconclusive"
    assert "20 x 20" in small["verdict"]["because"][0]
    # As if it had been killed before the second file was done.
    done = out / "scores/part-00001.parquet"
    others = {path: path.stat().st_mtime_ns for path in out.glob("scores/*.parquet") if path != done}
    done.unlink()
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(record | {"finished": None}))
    again = audited(folder, out)
    assert [each["item"] for each in again.items] == [each["item"] for each in first.items]
    assert done.exists()
    assert {path: path.stat().st_mtime_ns for path in others} == others


def test_further_pictures_are_said_not_to_be_examined(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    pictures = [Pillow.fromarray(photograph(192)), Pillow.fromarray(another(192))]
    for name in ("pages.tif", "animated.png", "animated.webp"):
        pictures[0].save(folder / name, save_all=True, append_images=pictures[1:], lossless=True)
    pictures[0].save(folder / "one.tif")
    items = {item["item"]: item for item in audited(folder, tmp_path / "out").items}
    said = "only the first of the 2 pictures in the file was examined"
    for name, item in items.items():
        assert (said in item["verdict"]["because"]) == (name != "one.tif"), name
    page = (tmp_path / "out" / items["pages.tif"]["report"] / "report.html").read_text()
    assert said in page


def test_exit_codes_and_json(folder: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    quick = ("--checks", "jpeg-grid", "--no-aids")
    done = oddpixel("audit", folder / "spliced.png", "-o", out, *quick, "--json", "--fail-on", "evidence")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["schema"] == "oddpixel/audit/1"
    assert said["items"][0]["verdict"]["label"] == "evidence of manipulation"
    assert {"label", "because", "likelihood_ratio", "power"} <= set(said["items"][0]["verdict"])
    (tmp_path / "no.jpg").write_bytes(b"\xff\xd8\xff nothing")
    assert oddpixel("audit", tmp_path / "no.jpg", "-o", tmp_path / "out2", *quick).returncode == 3
    listed = oddpixel("audit", "--list-checks")
    assert listed.returncode == 0
    assert all(check in listed.stdout for check in ("jpeg-grid", "copy-move", "double-jpeg", "missing-grid", "cannot:"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the files to audit"),
        (["FILE", "-o", "OUT", "--checks", "nonsense"], "no check 'nonsense'"),
        (["FILE", "-o", "OUT", "--checks", ","], "no check is named"),
        (["FILE", "-o", "OUT", "--anchors", "FILE"], "PEM"),
        (["FILE", "-o", "OUT", "--sign", "FILE"], "--key"),
        (["FILE", "-o", "OUT", "--fail-on", "everything"], "evidence or error"),
    ],
)
def test_bad_requests_say_what_to_do(folder: Path, tmp_path: Path, words: list[str], said: str) -> None:
    put = {"FILE": str(folder / "whole.jpg"), "OUT": str(tmp_path / "out")}
    result = oddpixel("audit", *(put.get(word, word) for word in words))
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def _flipped(content: bytes, place: Path) -> bytes:
    """One bit of the picture changed, so that it still decodes without complaint: JPEG has no checksum, C2PA has one."""
    for offset in range(40, 400):
        changed = bytearray(content)
        changed[-offset] ^= 1
        path = place / "flipped.jpg"
        path.write_bytes(bytes(changed))
        if changed[-offset] != 0xFF and isinstance(next(iter(open_source(path))), Image):
            return bytes(changed)
    raise AssertionError("no bit of the picture can be changed unseen")


def test_c2pa_trusted_changed_and_stripped(tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    from tests.datasets.test_manifests import CAPTURED, laboratory, signed

    files = tmp_path / "evidence"
    files.mkdir()
    content, anchors = signed("JPEG", source=CAPTURED), laboratory().root
    (files / "signed.jpg").write_bytes(content)
    (files / "flipped.jpg").write_bytes(_flipped(content, tmp_path))
    (files / "stripped.jpg").write_bytes(jpeg(np.asarray(Pillow.open(BytesIO(content))), 90))
    run = audited(
        files, tmp_path / "out", Options(checks="jpeg-grid", aids=False, anchors=(TrustList("roots.pem", anchors),))
    )
    said = {name: report(run, f"{name}.jpg")[0] for name in ("signed", "flipped", "stripped")}
    states = {name: next(fact for fact in each["facts"] if fact["name"] == "C2PA") for name, each in said.items()}
    assert {name: fact["value"] for name, fact in states.items()} == {
        "signed": "trusted",
        "flipped": "invalid",
        "stripped": "absent",
    }
    assert said["signed"]["verdict"]["label"] == "provenance verified"
    assert said["flipped"]["verdict"]["label"] != "provenance verified"
    assert "nothing follows from it" in states["stripped"]["because"]
    (files / "generated.jpg").write_bytes(signed("JPEG"))
    made = audited(
        files, tmp_path / "made", Options(checks="jpeg-grid", aids=False, anchors=(TrustList("roots.pem", anchors),))
    )
    assert report(made, "generated.jpg")[0]["verdict"]["label"] == "declared synthetic"
    assert "does not say that the picture is true" in states["signed"]["because"]
    # Without anchors nobody is trusted.
    alone = audited(files, tmp_path / "alone", Options(checks="jpeg-grid", aids=False))
    assert next(fact for fact in report(alone, "signed.jpg")[0]["facts"] if fact["name"] == "C2PA")["value"] == "valid"


def test_the_report_is_signed_and_the_evidence_is_not(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    from oddpixel.datasets.manifests import read_manifest
    from tests.datasets.test_manifests import laboratory

    who, before = laboratory(), (folder / "whole.jpg").read_bytes()
    for name, text in (("chain.pem", who.chain), ("key.pem", who.key)):
        (tmp_path / name).write_text(text)
    signing = ("--pdf", "--sign", tmp_path / "chain.pem", "--key", tmp_path / "key.pem")
    out = tmp_path / "out"
    done = oddpixel("audit", folder / "whole.jpg", "-o", out, "--checks", "jpeg-grid", "--no-aids", *signing)
    assert done.returncode == 0, done.stderr
    with next(out.glob("reports/*/report-signed.pdf")).open("rb") as file:
        assert read_manifest(file, "PDF", who.root)["state"] == "trusted"
    assert (folder / "whole.jpg").read_bytes() == before


def test_the_report_holds_what_each_check_was_set_to(folder: Path, tmp_path: Path) -> None:
    said, _ = report(audited(folder, tmp_path / "out"), "whole.jpg")
    parameters = {check["name"]: check["parameters"] for check in said["checks"]}
    assert parameters["jpeg-grid"]["stride"] == 2
    assert parameters["copy-move"]["ratio"] == 0.6


def test_checks_by_name_keep_their_order() -> None:
    assert PICTURE.named("copy-move,jpeg-grid") == PICTURE.named("jpeg-grid,copy-move") == ["copy-move", "jpeg-grid"]


def test_a_large_image_is_judged_by_all_its_tiles_and_says_so(tmp_path: Path) -> None:
    files = tmp_path / "evidence"
    files.mkdir()
    (files / "large.png").write_bytes(png(np.tile(photograph(), (3, 3, 1))[:1000, :1100]))
    run = audited(files, tmp_path / "out", Options(checks="noise-level,local-edits", aids=False))
    learnt, finding = sorted(report(run, "large.png")[0]["findings"], key=lambda each: each["check"])
    assert learnt["share"] == table().audit("local-edits", "lossless, full size")["share"], "its part of the level"
    assert finding["details"]["num_tiles"] == 9
    assert finding["details"]["share"] == 1.0
    assert "whole authentic photographs" in finding["reliability"]


def test_a_folder_gets_one_table_with_what_calls_for_a_look_first(tmp_path: Path) -> None:
    import csv

    import pyarrow.parquet as pq

    files = tmp_path / "evidence"
    files.mkdir()
    (files / "a_whole.png").write_bytes(png(photograph()))
    (files / "b_spliced.png").write_bytes(png(spliced()))
    (files / "=c<i>.png").write_bytes(b"no picture")
    run = audited(files, tmp_path / "out").run
    rows = pq.read_table(run.path / "verdicts.parquet").to_pylist()
    assert [row["item"] for row in rows] == ["b_spliced.png", "=c<i>.png", "a_whole.png"]
    assert rows[0]["verdict"] == "evidence of manipulation"
    assert "jpeg-grid-local" in rows[0]["counting_tests"]
    assert rows[1]["error"].startswith("UnsupportedFormat")
    page = (run.path / "verdicts.html").read_text()
    assert f'href="{rows[0]["report"]}"' in page
    assert (run.path / rows[0]["report"]).is_file()
    assert "<i>" not in page
    with (run.path / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        assert [row["item"] for row in csv.DictReader(file)] == ["b_spliced.png", "'=c<i>.png", "a_whole.png"]


def test_what_does_not_count_stands_apart_and_is_never_an_alarm() -> None:
    from oddpixel.forensics.audit.report.groups import grouped

    def finding(check: str, status: str, about: str = "manipulation", counts: bool = False) -> dict[str, Any]:
        return {"check": check, "status": status, "about": about, "counts": counts}

    findings = [
        finding("shown", "evidence"), finding("counted", "evidence", counts=True), finding("jpeg-grid", "evidence", "history"),
        finding("resampling", "not-applicable"),
    ]  # fmt: skip
    groups = grouped(findings)
    assert [[each["check"] for each in group.findings] for group in groups] == [
        ["counted"], ["shown"], ["jpeg-grid"], ["resampling"],
    ]  # fmt: skip
    assert [group.is_evidence for group in groups] == [True, False, False, False]
    assert grouped(findings[:1])[0].findings == [], "that nothing decides is said"


def test_sensitivity_judges_altered_copies_and_not_what_the_file_declares(tmp_path: Path) -> None:
    files = tmp_path / "evidence"
    files.mkdir()
    declared = PngInfo()
    declared.add_text(
        "parameters", "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: x"
    )
    content = BytesIO()
    Pillow.fromarray(spliced()).save(content, "PNG", pnginfo=declared)
    (files / "spliced.png").write_bytes(content.getvalue())
    run = audited(files, tmp_path / "out", Options(checks="jpeg-grid", aids=False, sensitivity=True), with_pdf=True)
    record, _ = report(run, "spliced.png")
    assert record["verdict"]["label"] == "declared synthetic"
    copies = {each["alteration"]: each for each in record["sensitivity"]}
    assert copies["as it is"]["label"] == "evidence of manipulation"
    assert copies["cropped by 3 and 5 pixels"]["label"] == "evidence of manipulation", "the grid moves along"
    assert copies["resized by 0.75"]["label"] != "evidence of manipulation", "no grid survives it"
    assert "--sensitivity" in record["reproduce"]


def test_a_c2pa_verdict_names_the_trust_lists_it_rests_on(tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    from tests.datasets.test_manifests import CAPTURED, laboratory, signed

    files = tmp_path / "evidence"
    files.mkdir()
    (files / "signed.jpg").write_bytes(signed("JPEG", source=CAPTURED))
    (tmp_path / "ours.pem").write_text(laboratory().root)
    (tmp_path / "others.pem").write_text(laboratory().chain)
    lists = read_trust_lists([tmp_path / "others.pem", tmp_path / "ours.pem"])
    run = audited(files, tmp_path / "out", Options(checks="jpeg-grid", aids=False, anchors=lists))
    facts = {fact["name"]: fact for fact in report(run, "signed.jpg")[0]["facts"]}
    assert facts["C2PA"]["value"] == "trusted"
    assert [each.partition(":")[0] for each in facts["C2PA: trust lists"]["value"]] == ["others.pem", "ours.pem"]
    assert facts["C2PA: time stamp"]["value"] == "none"
    assert "no authority" in facts["C2PA: time stamp"]["because"]


def test_only_what_counts_is_a_rows_reason() -> None:
    shown = [
        Finding(name, "evidence", p_value=p, because="seen")
        for name, p in (("residual-mixture", 0.001), ("local-edits", 0.004), ("copy-move", 0.002))
    ]
    exhibit = exhibit_of(png(photograph()), "photo.png")
    audited = Audited(exhibit, [], shown, decide(exhibit.gate, [], shown))
    assert [finding.check for finding in audited.evidence] == ["copy-move", "local-edits"]
