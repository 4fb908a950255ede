"""The reference implementation's numbers, committed under tests/fixtures/cdm; missing files fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from oddpixel.bench.parity.parity import run
from oddpixel.errors import CorruptFile, MissingFile
from tests.conftest import ROOT

FIXTURES = ROOT / "tests/fixtures/cdm"
FILES = ["cdm_fm.safetensors", "cdm_samplers.safetensors", "cdm_unet.safetensors", "cdm_unet_cond.safetensors"]


def test_every_fixture_is_within_its_tolerance() -> None:
    (rows,) = run(FIXTURES).tables.values()
    assert sorted(row["file"] for row in rows) == FILES
    assert all(row["verdict"] == "ok" for row in rows), rows
    assert sum(row["tensors"] for row in rows) >= 60


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(FIXTURES, tmp_path / "fixtures")
    for path in (tmp_path / "fixtures").iterdir():
        path.chmod(0o644)
    return tmp_path / "fixtures"


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("cdm_unet.safetensors", "eps"),
        ("cdm_unet.safetensors", "train.grad_norms"),
        ("cdm_fm.safetensors", "log_likelihood_nats"),
        ("cdm_samplers.safetensors", "full.ddim.x0"),
    ],
)
def test_a_planted_difference_is_out(name: str, tensor: str, copy: Path) -> None:
    tensors = load_file(copy / name)
    about = json.loads((copy / "manifest.json").read_text())["files"][name]["tensors"][tensor]
    tensors[tensor].view(-1)[0] += 3 * about["tolerance_max_abs"]
    save_file(tensors, copy / name)
    report = run(copy)
    assert not report.passed
    assert [row["worst"] for row in report.tables["parity"] if row["verdict"] == "OUT"] == [tensor]


def test_an_output_that_nobody_computes_is_out(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    about = manifest["files"]["cdm_fm.safetensors"]["tensors"]
    about["new"] = {"role": "output", "tolerance_max_abs": 1.0}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    rows = {row["file"]: row for row in run(copy).tables["parity"]}
    assert rows["cdm_fm.safetensors"]["worst"] == "not computed: new"


def test_a_folder_that_is_not_whole_says_so(copy: Path) -> None:
    (copy / "cdm_fm.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(CorruptFile, match="cdm_fm"):
        run(copy)
    (copy / "cdm_fm.safetensors").unlink()
    with pytest.raises(MissingFile, match="named in the manifest but missing"):
        run(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(MissingFile, match=r"manifest\.json"):
        run(copy)
