"""The command line: exit codes, exact messages, JSON, and how fast it answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from oddpixel import __version__
from tests import launch
from tests.datasets.dicom_maker import make_slice

Save = Callable[..., Path]
TILE = np.arange(64, dtype=np.uint8).reshape(8, 8)


def oddpixel(*arguments: object) -> subprocess.CompletedProcess[str]:
    result = launch.run(*arguments)
    if result.stdout.startswith('{\n  "schema"'):
        check_schema(result.stdout)
    return result


def check_schema(printed: str) -> None:
    """Whatever a command prints as JSON is what its shipped schema says."""
    content = json.loads(printed)
    kind = content["schema"].split("/")[1]
    jsonschema.validate(content, json.loads(files("oddpixel").joinpath(f"schemas/{kind}.json").read_text()))


@pytest.mark.parametrize(
    "arguments",
    [
        ("density", "tile.png", "--model", "photo-grey", "--map"),
        ("sample", "--model", "digits", "-o"),
        ("onnx", "--model", "photo-grey", "-o"),
        ("train", "--recipe", "digits", "-o"),
        ("demo", "-o"),
        ("bench", "store", "-o"),
        ("generate", "photograph", "-o"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_where_no_folder_can_be_it_says_so_before_any_work(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("years of work")
    result = oddpixel(*arguments, tmp_path / "thesis")
    assert result.returncode == 2, result.stderr
    assert "cannot be created" in result.stderr
    assert "Traceback" not in result.stderr
    assert (tmp_path / "thesis").read_text() == "years of work"


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    result = oddpixel("train", "--recipe", "digits", "-o", tmp_path / "out", "--device", "nonsense")
    assert result.returncode == 2
    assert "there is cpu" in result.stderr
    assert not (tmp_path / "out").exists()


def test_help_answers_at_once() -> None:
    """Under half a second of processor time: no torch, no numpy."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run([sys.executable, "-m", "oddpixel", "--help"], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0
    assert (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime) < 0.5
    listed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, oddpixel.commands; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.strip() == "[]"


def test_version() -> None:
    assert oddpixel("--version").stdout == f"oddpixel {__version__}\n"


def test_inspect_prints_one_json_object(save: Save, tmp_path: Path) -> None:
    save(TILE, "a/1.png")
    (tmp_path / "a/2.png").write_bytes(b"no")
    result = oddpixel("inspect", tmp_path / "a", "--json")
    assert result.returncode == 0
    content = json.loads(result.stdout)
    assert content["schema"] == "oddpixel/inspect/1"
    good, bad = content["items"]
    assert (good["item"], good["error"], good["width"], good["bits"]) == ("1.png", None, 8, 8)
    assert len(good["sha256"]) == len(good["pixels_sha256"]) == 64
    assert bad["error"]["type"] == "UnsupportedFormat"
    assert "Traceback" not in result.stderr


def test_size_and_spacing_of_the_table_have_one_order(tmp_path: Path) -> None:
    make_slice(tmp_path / "x.dcm", np.zeros((20, 30), np.int16), PixelSpacing=[0.9, 0.7])
    assert re.search(r"30 x 20 .* 0\.7 x 0\.9 ", oddpixel("inspect", tmp_path / "x.dcm").stdout)


def test_inspect_writes_a_run(save: Save, tmp_path: Path) -> None:
    save(TILE, "a/1.png")
    (tmp_path / "a/2<script>.png").write_bytes(b"no")
    out = tmp_path / "run"
    result = oddpixel("inspect", tmp_path / "a", "-o", out)
    assert result.returncode == 0
    assert f"contact sheet: {out / 'index.html'}" in result.stdout
    record = json.loads((out / "run.json").read_text())
    assert record["schema"] == "oddpixel/run/1"
    assert record["finished"]
    table = pd.read_parquet(out / "scores")
    assert list(table["item"]) == ["1.png", "2<script>.png"]
    assert (out / table["thumbnail"][0]).is_file()
    page = (out / "index.html").read_text()
    assert "2&lt;script&gt;.png" in page
    assert "<script>" not in page


def test_exit_3_only_if_nothing_was_readable(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no")
    result = oddpixel("inspect", tmp_path / "x.png")
    assert result.returncode == 3
    assert "UnsupportedFormat" in result.stdout


def test_an_empty_folder_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for command in (("inspect",), ("inspect", "--json"), ("density", "--model", "photo-grey")):
        done = oddpixel(command[0], tmp_path / "empty", *command[1:])
        assert done.returncode == 3
        assert "there is no image at the given places" in done.stderr


def test_exit_2_and_one_line_on_bad_usage(tmp_path: Path) -> None:
    result = oddpixel("inspect", tmp_path / "nothing.png")
    assert result.returncode == 2
    assert (
        result.stderr
        == f"UsageError: {tmp_path}/nothing.png: no such file or folder, and no pattern that matches anything\n"
    )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    (tmp_path / "x.png").write_bytes(b"no")
    result = oddpixel("inspect", tmp_path / "x.png", "-o", tmp_path / "mine")
    assert result.returncode == 2
    assert "holds thesis.txt but no run.json" in result.stderr


def test_dry_run_prints_the_resolved_options(tmp_path: Path) -> None:
    content = json.loads(oddpixel("inspect", "x.png", "--dry-run", "--workers", 3).stdout)
    assert content["options"]["workers"] == 3


def test_doctor_says_what_is_here() -> None:
    content = json.loads(oddpixel("doctor", "--json").stdout)
    assert {row["name"] for row in content["versions"]} >= {"oddpixel", "torch", "pydicom"}
    assert any(row["name"].startswith("DICOM JPEG 2000") and row["state"] == "ok" for row in content["codecs"])


def test_demo_runs_on_real_images(tmp_path: Path) -> None:
    result = oddpixel("demo", "-o", tmp_path / "demo")
    assert result.returncode == 0, result.stderr
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert "flagged" in rows["chelsea.png"]
    assert "not flagged" not in rows["chelsea.png"]
    assert "CorruptFile" in rows["MR_truncated.dcm"]
    assert (tmp_path / "demo/run/index.html").is_file()


def test_fit_flag_and_calibrate(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    from tests.forensics.detect.test_detector import ODD, surface

    for folder, seeds in (("normals", range(24)), ("others", range(50, 62)), ("incoming", range(90, 93))):
        (tmp_path / folder).mkdir()
        for seed in seeds:
            Pillow.fromarray(surface(seed)).save(tmp_path / folder / f"{seed}.png")
    Pillow.fromarray(ODD["noise"]).save(tmp_path / "incoming/noise.png")
    fitted = oddpixel("fit", tmp_path / "normals", "-o", tmp_path / "d", "--quick")
    assert fitted.returncode == 0, fitted.stderr
    assert "more normal groups are needed" in fitted.stdout
    rare = ("--alpha", "0.01")
    ranked = oddpixel("flag", tmp_path / "incoming", "--detector", tmp_path / "d", "-o", tmp_path / "run", *rare)
    assert ranked.returncode == 0, ranked.stderr
    assert "ranked only, nothing is flagged" in ranked.stdout + ranked.stderr
    arguments = ("flag", tmp_path / "incoming", "--detector", tmp_path / "d", "-o", tmp_path / "run", "--alpha", "0.1")
    flagged = oddpixel(*arguments, "--json", "--fail-on", "flagged")
    assert flagged.returncode == 1, flagged.stderr
    content = json.loads(flagged.stdout)
    oddest = content["scores"][0]
    assert (oddest["item"], oddest["flagged"], oddest["error"]) == ("noise.png", True, None)
    assert 0 < oddest["reasons"][0]["p_value"] <= 0.1
    assert content["groups"][0]["group"] == oddest["group"]
    assert content["guarantee"] == {
        "kind": "marginal", "alpha": 0.1, "confidence": None, "n": 19, "stratum": None, "valid": True,
        "text": "at most 0.1 of normal groups are flagged, on average over calibration sets of 19 groups",
    }  # fmt: skip
    calibrated = oddpixel("calibrate", tmp_path / "d", tmp_path / "others", "-o", tmp_path / "e")
    assert calibrated.returncode == 0, calibrated.stderr
    assert "calibrated on 12 images" in calibrated.stdout
    both = oddpixel(*arguments, "--fdr", "0.1")
    assert both.returncode == 2
    assert "give one of them" in both.stderr
    other = oddpixel("fit", tmp_path / "normals", "-o", tmp_path / "g", "--quick", "--group-from", "file")
    assert other.returncode == 0, other.stderr
    again = oddpixel(
        "flag", tmp_path / "incoming", "--detector", tmp_path / "g", "-o", tmp_path / "run2", "--group-from", "folder"
    )
    assert "come from folder, those of the detector's normals came from file" in again.stderr
    empty = oddpixel("fit", tmp_path / "others", "-o", tmp_path / "f", "--group-from", "folder")
    assert "at least 2 normal groups" in empty.stderr


@pytest.mark.parametrize("arguments", [["inspect"], ["nonsense"], ["inspect", "--workers", "0", "x"]])
def test_usage_errors_exit_2(arguments: list[str]) -> None:
    assert oddpixel(*arguments).returncode == 2


def test_corpora_are_listed_shown_and_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDPIXEL_CACHE", str(tmp_path))
    listed = json.loads(oddpixel("data", "list", "--json").stdout)["items"]
    assert {"photographs", "digits", "ct-series"} <= {item["name"] for item in listed}
    assert not any(item["cached"] for item in listed)
    fetched = oddpixel("data", "fetch", "textures", "--json")
    assert json.loads(fetched.stdout)["items"][0]["files"] == 3
    shown = json.loads(oddpixel("data", "show", "textures", "--json").stdout)["items"][0]
    assert shown["cached"]
    assert [file["role"] for file in shown["files"]] == ["test"] * 3
    assert oddpixel("data", "show", "nothing").returncode == 2


def test_runs_are_shown_merged_and_verified(save: Save, tmp_path: Path) -> None:
    from oddpixel.forensics.runs.verdicts import Verdicts

    for name in ("one", "two"):
        save(TILE, f"in/{name}.png")
        assert oddpixel("inspect", tmp_path / f"in/{name}.png", "-o", tmp_path / name).returncode == 0
    assert oddpixel("runs", "merge", tmp_path / "one", tmp_path / "two", "-o", tmp_path / "both").returncode == 0
    assert json.loads(oddpixel("runs", "show", tmp_path / "both", "--json").stdout)["rows"] == 2
    facts = json.loads(oddpixel("runs", "show", tmp_path / "one", "--json").stdout)
    assert (facts["rows"], facts["errors"], facts["verdicts"]) == (1, 0, 0)
    with Verdicts(tmp_path / "one" / "verdicts.sqlite") as verdicts:
        verdicts.record(facts["id"], "one.png", "odd", author="me")
    assert "ok" in oddpixel("runs", "verify", tmp_path / "one").stdout
    assert json.loads(oddpixel("runs", "show", tmp_path / "one", "--json").stdout)["verdicts"] == 1


def test_generate_writes_marked_pictures(tmp_path: Path, save: Save, photo: np.ndarray) -> None:
    import torch
    from PIL import Image as Pillow

    from oddpixel.generation.cascade import save_cascade
    from tests.generation import tiny
    from tests.generation.test_training import cascade

    torch.manual_seed(0)
    of = cascade()
    tiny.shaken(of)
    save_cascade(tmp_path / "cascade", of, {"title": "tiny", "stages": {}})
    reference = save(photo[:120, :160], "reference.png")
    common = ["generate", "sky", "--cascade", str(tmp_path / "cascade"), "--size", "96x112", "--steps", "2"]
    result = oddpixel(*common, "-n", "2", "--like", reference, "-o", tmp_path / "out", "--json")
    assert result.returncode == 0, result.stderr
    items = json.loads(result.stdout)["items"]
    assert [item["item"] for item in items] == ["000000.png", "000001.png"]
    with Pillow.open(tmp_path / "out/000001.png") as picture:
        assert picture.size == (112, 96)
        assert "trainedAlgorithmicMedia" in picture.info["XML:com.adobe.xmp"]
    for wrong, said in ((["--size", "big"], "HEIGHTxWIDTH"), (["--strength", "0.5"], "needs an image to start from")):
        result = oddpixel(*common, *wrong, "-o", tmp_path / "out")
        assert result.returncode == 2
        assert said in result.stderr
