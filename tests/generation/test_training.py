"""Every stage learns, resumes to the same numbers, and on one process as on two; guidance alone learns in its stage."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from oddpixel.errors import InvalidImage, UsageError
from oddpixel.generation.cascade import Cascade, CascadeOptions, load_cascade, save_cascade
from oddpixel.generation.training import recipe as recipes
from oddpixel.generation.training.guidance import GuidanceTask
from oddpixel.generation.training.latents import LatentMaker
from oddpixel.generation.training.pictures import Pictures, take
from oddpixel.generation.training.stage_a import StageATask
from oddpixel.generation.training.stage_b import StageBTask
from oddpixel.generation.training.stage_c import StageCTask
from oddpixel.image import Image
from oddpixel.recipe import read_recipe
from oddpixel.training import Trainer, TrainingOptions
from tests.conftest import ROOT
from tests.generation import tiny

OPTIONS = CascadeOptions(
    a=tiny.STAGE_A,
    b=dataclasses.replace(tiny.STAGE_B, coarse=4, parametrisation="velocity"),
    c=dataclasses.replace(tiny.STAGE_C, picture=8, parametrisation="velocity"),
    guidance=tiny.IMPLICIT,
    geometry=dataclasses.replace(tiny.GEOMETRY, compression=16, encoder=16),
    labels=("sky", "wall"),
    slots=3,
)
TRAINING = TrainingOptions(
    steps=4,
    batch_size=4,
    learning_rate=1e-2,
    warm_up_steps=1,
    ema_start=1,
    validate_every=4,
    checkpoint_every=2,
    log_every=1,
)


def pictures(count: int = 4, side: int = 150) -> Pictures:
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side] / side
    stored = []
    for _ in range(count):
        waves = np.sin(2 * np.pi * (generator.uniform(1, 6) * rows + generator.uniform(1, 6) * columns))
        stored.append(torch.from_numpy((127 + 90 * np.stack([waves, waves**2, -waves])).astype(np.uint8)))
    return Pictures(tuple(stored), tuple(index % 3 for index in range(count)), credits={"title": "waves"})


def cascade(seed: int = 0) -> Cascade:
    torch.manual_seed(seed)
    return Cascade(OPTIONS)


def task(stage: str, of: Cascade, folder: Path) -> Any:
    if stage == "a":
        return StageATask(of.a, pictures(), pictures(2), side=32)
    if stage == "b":
        maker = LatentMaker(of.a.eval().encode, of.a, pictures(), 0)
        return StageBTask(of, maker.latents({64: 8, 128: 8}, folder / "b.st"), pictures(2), [0.5, 0.5])
    counts = {128: 8} if stage == "guidance" else {64: 8, 128: 8}
    torch.manual_seed(3)
    if stage == "guidance":
        tiny.shaken(of.c.unet)  # one that says nothing would let no gradient through
    low_side = 64 if stage == "guidance" else None
    learnt, held_out = (
        LatentMaker(of.encoder, of.encoder.eval(), pictures(), seed, low_side).latents(
            counts, folder / f"{stage}-{seed}.st"
        )
        for seed in (0, 1)
    )
    return {"c": StageCTask, "guidance": GuidanceTask}[stage](of, learnt, held_out, [1.0] * len(counts))


class Unsaved:
    """A task whose model is not written: the state is what is compared."""

    def __init__(self, task: Any) -> None:
        self.task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        pass


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    return load_file(trainer.state_path)


@pytest.mark.parametrize("stage", recipes.STAGES)
def test_a_stopped_training_goes_on_to_the_same_numbers(stage: str, tmp_path: Path) -> None:
    whole = Trainer(Unsaved(task(stage, cascade(), tmp_path)), TRAINING, tmp_path / "whole")  # type: ignore[arg-type]
    whole.run()
    half = dataclasses.replace(TRAINING, steps=2)
    Trainer(Unsaved(task(stage, cascade(), tmp_path)), half, tmp_path / "parts").run()  # type: ignore[arg-type]
    resumed = Trainer(Unsaved(task(stage, cascade(7 if stage == "a" else 0), tmp_path)), TRAINING, tmp_path / "parts")  # type: ignore[arg-type]
    assert resumed.step == 2
    resumed.run()
    uninterrupted, stopped = state(whole), state(resumed)
    assert uninterrupted.keys() == stopped.keys()
    assert all(torch.allclose(uninterrupted[name].float(), stopped[name].float(), atol=1e-6) for name in uninterrupted)


@pytest.mark.parametrize("stage", recipes.STAGES)
def test_only_the_stage_in_turn_learns(stage: str, tmp_path: Path) -> None:
    of = cascade()
    learning = task(stage, of, tmp_path)
    before = {name: value.clone() for name, value in of.named_parameters()}
    Trainer(Unsaved(learning), TRAINING, tmp_path / "out").run()  # type: ignore[arg-type]
    changed = {
        name.split(".")[0] + "." + name.split(".")[1]
        for name, value in of.named_parameters()
        if not torch.equal(value, before[name])
    }
    wanted = {
        "a": {"a.network"},
        "c": {"c.unet", "labels.text", "labels.pooled"},
        "guidance": {"c.networks"},
    }
    if stage == "b":
        assert {name.partition(".")[0] for name in changed} == {"b"}
    else:
        assert changed == wanted[stage]


def test_guidance_starts_as_nothing(tmp_path: Path) -> None:
    figures = task("guidance", cascade(), tmp_path).validate()
    assert figures["mse_128_guided"] == pytest.approx(figures["mse_128_unguided"], rel=1e-6)


def test_two_processes_take_the_gradients_of_one(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, pathlib, torch\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.generation.test_training import TRAINING, Trainer, Unsaved, cascade, task, tiny\n"
        "torch.set_num_threads(1)\n"
        "of = cascade(); torch.manual_seed(1); tiny.shaken(of.c.networks)\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "Trainer(Unsaved(task('guidance', of, folder)), TRAINING, folder / 'out').run()\n"
    )
    environment = os.environ | {"ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1"}
    states = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [*launcher, str(script), str(folder)] if processes > 1 else [sys.executable, str(script), str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        states.append(load_file(folder / "out/training/state.safetensors"))
    single, two = states
    learnt = [name for name in single if name.startswith("adam.exp_avg.")]
    assert learnt
    assert all(torch.allclose(single[name], two[name], atol=1e-6, rtol=1e-3) for name in learnt)


def test_a_cascade_is_kept_and_makes_pictures(tmp_path: Path) -> None:
    of = cascade()
    tiny.shaken(of)
    record = {
        "title": "tiny",
        "stages": {"a": {"step": 1, "seconds": 1.0, "figures": {"psnr": 20.0}}},
        "data": {"title": "waves"},
    }
    save_cascade(tmp_path, of, record)
    loaded = load_cascade(tmp_path)
    size = (64, 80)
    first, second = (
        part.pipeline()(["sky"], size=size, options=part.sampling(size)).pictures.astype(int) for part in (of, loaded)
    )
    assert np.abs(first - second).mean() < 3  # half precision
    card = (tmp_path / "README.md").read_text()
    assert "| stage A | 1 | 0.00 | psnr 20 |" in card
    assert "guidance | not trained" in card


def test_a_whole_recipe_trains_stage_after_stage(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    folder = tmp_path / "mine"
    folder.mkdir()
    for index, stored in enumerate(pictures(14).stored):
        Pillow.fromarray(stored.permute(1, 2, 0).contiguous().numpy()).save(folder / f"{index}.png")
    section = {
        "steps": 2,
        "batch_size": 2,
        "warm_up_steps": 1,
        "validate_every": 2,
        "checkpoint_every": 1,
        "ema_start": 1,
    }
    content: dict[str, Any] = {
        "title": "mine",
        "data": {"least": 64},
        "model": json.loads(json.dumps(dataclasses.asdict(OPTIONS))) | {"kind": "cascade"},
        "a": section | {"side": 32},
        "b": section | {"sides": [64], "crops": [4], "shares": [1.0]},
        "c": section | {"sides": [64, 128], "crops": [4, 4], "shares": [0.5, 0.5]},
        "guidance": section | {"sides": [128], "crops": [4], "shares": [1.0]},
    }
    stages: list[tuple[str, int, int]] = []

    def on_stage(*stage: Any) -> Any:
        stages.append(stage)
        return lambda step, losses: None

    reached = recipes.train(content, [str(folder)], tmp_path / "out", on_stage)
    assert reached == "guidance"
    assert stages == [(stage, 0, 2) for stage in recipes.STAGES]
    cascade_of_out = load_cascade(tmp_path / "out")
    assert cascade_of_out.options == OPTIONS
    kept = json.loads((tmp_path / "out/model.json").read_text())["record"]
    assert list(kept["stages"]) == list(recipes.STAGES)
    stages.clear()
    recipes.train(content, [str(folder)], tmp_path / "out", on_stage)
    assert stages == [(stage, 2, 2) for stage in recipes.STAGES]  # nothing is trained again
    stages.clear()
    assert recipes.train(content, [str(folder)], tmp_path / "out", on_stage, only="b") == "b"
    assert stages == [("b", 2, 2)]
    with pytest.raises(UsageError, match="stage b needs stage a"):
        recipes.train(content, [str(folder)], tmp_path / "empty", on_stage, only="b")


def test_bundled_recipe_fits_its_own_options() -> None:
    content = read_recipe("cascade")
    Cascade(CascadeOptions.from_json(content["model"]))
    for device in ("cpu", "cuda"):
        assert tuple(recipes._sections(content, 8.0, device)) == recipes.STAGES
    with pytest.raises(UsageError, match="unknown options: colour"):
        recipes._sections(content | {"a": content["a"] | {"colour": 1}}, None, "cpu")


def test_an_accelerator_has_its_own_options() -> None:
    content = read_recipe("cascade")
    on_cpu, on_cuda = (recipes._sections(content, None, device)["b"][0].batch_size for device in ("cpu", "cuda"))
    assert on_cuda > on_cpu


def test_pictures_too_small_are_left_out() -> None:
    image = Image(np.zeros((1, 40, 40), np.float32), 8, "display", None, "a", "0" * 64, "a")
    with pytest.raises(InvalidImage, match="64 pixels or more"):
        take([(image, 0)], 64, {})
    assert len(take([(image, 0)], 32, {})) == 1
