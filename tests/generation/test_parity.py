"""The reference implementation's numbers, committed under tests/fixtures/ultrapixel; missing files fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from oddpixel.bench.parity.parity import run
from tests.conftest import ROOT

FIXTURES = ROOT / "tests/fixtures/ultrapixel"
FILES = [
    "effnet.safetensors",
    "stage_a.safetensors",
    "stage_b.safetensors",
    "ultrapixel_sampler.safetensors",
    "ultrapixel_stage_c.safetensors",
]


def test_every_fixture_is_within_its_tolerance() -> None:
    (rows,) = run(FIXTURES).tables.values()
    assert sorted(row["file"] for row in rows) == FILES
    assert all(row["verdict"] == "ok" for row in rows), rows
    assert sum(row["tensors"] for row in rows) >= 120


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("stage_b.safetensors", "odd.out"),
        ("stage_a.safetensors", "vq_loss"),
        ("ultrapixel_stage_c.safetensors", "hr.12x18.guided_train_mode"),
        ("ultrapixel_sampler.safetensors", "run.cfg_schedule.rho07.x0"),
    ],
)
def test_a_planted_difference_is_out(name: str, tensor: str, tmp_path: Path) -> None:
    manifest = json.loads((FIXTURES / "manifest.json").read_text())
    needed = {name, "ultrapixel_stage_c.safetensors"}
    manifest["files"] = {file: about for file, about in manifest["files"].items() if file in needed}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for file in needed:
        shutil.copyfile(FIXTURES / file, tmp_path / file)
    tensors = load_file(tmp_path / name)
    tensors[tensor].view(-1)[0] += 3 * manifest["files"][name]["tensors"][tensor]["tolerance_max_abs"]
    save_file(tensors, tmp_path / name)
    out = [row["worst"] for row in run(tmp_path).tables["parity"] if row["verdict"] == "OUT"]
    assert out == [tensor]


def test_the_own_stage_a_equals_diffusers() -> None:
    import torch
    from diffusers.pipelines.deprecated.wuerstchen.modeling_paella_vq_model import PaellaVQModel as Theirs

    from oddpixel.generation.stages.paella import PaellaVQModel as Ours

    options = {"levels": 2, "bottleneck_blocks": 3, "embed_dim": 16, "latent_channels": 4, "num_vq_embeddings": 8}
    theirs = Theirs(**options, scale_factor=0.43).eval()  # type: ignore[arg-type]
    for parameter in theirs.parameters():
        parameter.data.normal_()
    ours = Ours(**options, scale_factor=0.43).eval()
    ours.load_state_dict(theirs.state_dict())
    pictures = torch.rand(2, 3, 16, 24)
    latent = theirs.encode(pictures).latents
    assert torch.equal(ours.encode(pictures).latents, latent)
    assert torch.equal(ours.decode(latent).sample, theirs.decode(latent).sample)
    for mine, reference in zip(ours.vquantizer(latent)[:2], theirs.vquantizer(latent)[:2], strict=True):
        assert torch.allclose(mine, reference)
