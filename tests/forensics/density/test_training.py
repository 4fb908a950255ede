"""Exact resume, several processes, Ctrl-C, and the guidance's null class."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from oddpixel.errors import CorruptWeights, UsageError, WrongArchitecture
from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.loss import drop_labels
from oddpixel.forensics.density.recipe import prepare
from oddpixel.forensics.density.store import load_model
from oddpixel.forensics.density.task import DensityTask, Examples
from oddpixel.recipe import read_recipe
from oddpixel.training import Trainer, TrainingOptions
from tests.conftest import ROOT
from tests.patience import PATIENCE

TINY = {
    "kind": "flat",
    "schedule": {"kind": "linear", "num_steps": 10},
    "network": {
        "channels": 32,
        "ch_mult": [1],
        "num_res_blocks": 1,
        "attn_resolutions": [],
        "image_size": 4,
        "in_channels": 1,
        "dropout": 0.1,
    },
}
OPTIONS = {
    "steps": 12,
    "batch_size": 4,
    "warm_up_steps": 3,
    "ema_start": 2,
    "ema_decay": 0.9,
    "checkpoint_every": 5,
    "validate_every": 100,
    "log_every": 1,
}


def examples(count: int = 16) -> Examples:
    values = np.random.default_rng(0).integers(0, 256, (count, 1, 4, 4))
    return Examples(torch.from_numpy(values))


def trainer(folder: Path, **changes: object) -> Trainer:
    torch.manual_seed(7)
    task = DensityTask(Flat.from_options(TINY), examples(), examples(), num_validated=2)
    return Trainer(task, TrainingOptions(**(OPTIONS | changes)), folder)  # type: ignore[arg-type]


def losses(folder: Path) -> dict[int, float]:
    lines = (folder / "training/curve.jsonl").read_text().splitlines()
    return {row["step"]: row["total"] for line in lines if "total" in (row := json.loads(line))}


SCRIPT = """
import sys, os, signal
from pathlib import Path
from tests.forensics.density.test_training import trainer
t = trainer(Path(sys.argv[1]))
def on_step(step, figures):
    if step == int(sys.argv[2]):
        os.kill(os.getpid(), int(sys.argv[3]))
t.run(on_step)
print("reached", t.step)
"""


def run_and_signal(folder: Path, step: int, number: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder), str(step), str(number)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_a_killed_training_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    """kill -9 between two checkpoints: what was done since the last is done again, and the curve joins up."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    trainer(whole).run()
    assert run_and_signal(killed, 8, signal.SIGKILL).returncode == -signal.SIGKILL
    resumed = trainer(killed)
    assert resumed.step == 5
    resumed.run()
    uninterrupted, joined = losses(whole), losses(killed)
    assert list(joined) == list(uninterrupted) == list(range(1, 13))
    for step, value in uninterrupted.items():
        assert joined[step] == pytest.approx(value, rel=1e-6, abs=1e-6)
    for name, value in load_model(whole).state_dict().items():
        torch.testing.assert_close(load_model(killed).state_dict()[name], value, rtol=1e-6, atol=1e-7)


def test_a_run_that_forgets_its_optimizer_would_be_caught(tmp_path: Path) -> None:
    """The planted violation: resume with the weights alone, and the numbers differ by more than the tolerance."""
    trainer(tmp_path / "whole").run()
    first = trainer(tmp_path / "broken", steps=5)
    first.run()
    broken = trainer(tmp_path / "broken")
    broken.optimizer.optimizer.state.clear()
    broken.run()
    assert losses(tmp_path / "broken")[12] != pytest.approx(losses(tmp_path / "whole")[12], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_and_stops(number: int, tmp_path: Path) -> None:
    result = run_and_signal(tmp_path, 7, number)
    assert result.returncode == 0, result.stderr
    assert "reached 7" in result.stdout
    assert trainer(tmp_path).step == 7


def test_other_options_are_not_mixed_into_a_training(tmp_path: Path) -> None:
    trainer(tmp_path, steps=5).run()
    trainer(tmp_path, steps=6).run()
    with pytest.raises(UsageError, match="other options"):
        trainer(tmp_path, learning_rate=1.0)
    wider = TINY | {"network": TINY["network"] | {"channels": 64}}  # type: ignore[operator] # a dict
    task = DensityTask(Flat.from_options(wider), examples(), examples(), num_validated=2)
    with pytest.raises(WrongArchitecture, match="resume with the same recipe"):
        Trainer(task, TrainingOptions(**(OPTIONS | {"steps": 6})), tmp_path)  # type: ignore[arg-type]
    state = tmp_path / "training/state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CorruptWeights, match="delete it to start again"):
        trainer(tmp_path)


@pytest.mark.parametrize("option", [{"batch_size": 0}, {"steps": -1}, {"log_every": 0}])
def test_options_that_no_training_can_have_are_named(option: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        trainer(tmp_path, **option)


GRADIENTS = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from tests.forensics.density.test_training import TINY, examples
from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.task import DensityTask
from oddpixel.training import Trainer, TrainingOptions
torch.manual_seed(7)
quiet = TINY | {"network": TINY["network"] | {"dropout": 0.0}}
task = DensityTask(Flat.from_options(quiet), examples(), examples(), num_validated=2)
t = Trainer(task, TrainingOptions(steps=1, batch_size=8, warm_up_steps=1, seed=3), Path(sys.argv[1]) / "m")
t._step()
if t.accelerator.is_main_process:
    save_file({n: p.grad.contiguous() for n, p in t.parameters.items()}, Path(sys.argv[1]) / "gradients.safetensors")
print("processes", t.accelerator.num_processes)
"""


def test_two_gloo_processes_compute_the_gradients_of_one(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    script = tmp_path / "gradients.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{GRADIENTS}")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    found = {}
    for count in (1, 2):
        folder = tmp_path / str(count)
        folder.mkdir()
        launch = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node=2",
            "--master-port=0",
            "--standalone",
        ]
        command = [*(launch if count == 2 else [sys.executable]), str(script), str(folder)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert result.returncode == 0, result.stderr[-2000:]
        assert f"processes {count}" in result.stdout
        found[count] = load_file(folder / "gradients.safetensors")
    largest = max(float(value.abs().max()) for value in found[1].values())
    for name, value in found[1].items():
        torch.testing.assert_close(found[2][name], value, rtol=1e-4, atol=1e-6 * largest)


def test_the_null_class_is_trained() -> None:
    """What the reference forgets: guidance leans on a class that training must have shown."""
    labels = torch.arange(1000) % 4
    dropped = drop_labels(labels, 4, 0.1, torch.Generator().manual_seed(0))
    assert 60 < int((dropped == 4).sum()) < 140
    assert torch.equal(dropped[dropped != 4], labels[dropped != 4])


def test_every_epoch_sees_every_example_once(tmp_path: Path) -> None:
    plan = trainer(tmp_path)
    first = torch.cat([plan._plan(step)[0] for step in range(4)])
    second = torch.cat([plan._plan(step)[0] for step in range(4, 8)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(16))
    assert not torch.equal(first, second)


def test_published_recipes_are_as_published() -> None:
    for name, multipliers, size in (("cifar10", [1, 2, 2, 2], 32), ("celeba64", [1, 2, 2, 2, 4], 64)):
        recipe = read_recipe(name)
        network, training = recipe["model"]["network"], recipe["training"]
        assert (network["ch_mult"], network["image_size"], network["channels"]) == (multipliers, size, 128)
        assert (training["steps"], training["batch_size"], training["learning_rate"]) == (500_000, 128, 2e-4)
        options = TrainingOptions(steps=1)
        assert (options.rate_factor(0), options.rate_factor(4_999), options.rate_factor(200_000)) == (
            1 / 5000,
            1.0,
            0.1,
        )
    with pytest.raises(UsageError, match="name where they are"):
        prepare(read_recipe("cifar10"), [], Path("unused"))
    with pytest.raises(UsageError, match="neither a file nor one of cascade, celeba64, cifar10, ct, digits"):
        read_recipe("imagenet")


def test_training_on_a_folder_of_images(tmp_path: Path) -> None:
    """`oddpixel train SOURCE`: any readable images, split by file, the model usable at once."""
    from PIL import Image as Pillow

    for k in range(40):
        pixels = np.random.default_rng(k).integers(0, 256, (9, 12, 3), np.uint8)
        (tmp_path / "images").mkdir(exist_ok=True)
        Pillow.fromarray(pixels).save(tmp_path / f"images/{k}.png")
    (tmp_path / "images/bad.png").write_bytes(b"no")
    recipe = {"title": "noise", "model": TINY, "training": OPTIONS | {"steps": 2, "num_validated": 2}}
    text = tmp_path / "tiny.toml"
    text.write_text(_toml(recipe))
    command = [
        sys.executable,
        "-m",
        "oddpixel",
        "train",
        str(tmp_path / "images"),
        "--recipe",
        str(text),
        "-o",
        str(tmp_path / "m"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert result.returncode == 0, result.stderr
    card = (tmp_path / "m/README.md").read_text()
    assert "One pass minus identity" in card or "can justify" in card
    record = json.loads((tmp_path / "m/model.json").read_text())["record"]
    assert record["data"]["skipped"] == 1
    assert {"mse", "ce", "bits_per_dim", "identity_bits_per_dim"} <= record["figures"].keys()


def _toml(value: dict[str, object], name: str = "") -> str:
    plain = [f"{k} = {json.dumps(v)}" for k, v in value.items() if not isinstance(v, dict)]
    tables = [_toml(v, f"{name}.{k}" if name else k) for k, v in value.items() if isinstance(v, dict)]
    return "\n".join([*([f"[{name}]"] if name else []), *plain, *tables])
