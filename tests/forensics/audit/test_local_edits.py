"""The network for local edits: traces, regions, edits, rounds of training, the check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oddpixel.errors import CorruptWeights, UsageError, WrongArchitecture
from oddpixel.forensics.audit.checks import checks
from oddpixel.forensics.audit.exhibit import exhibit_of
from oddpixel.forensics.audit.judge import answers_of
from oddpixel.forensics.audit.local_edits import recipe as recipes
from oddpixel.forensics.audit.local_edits.composites import composite
from oddpixel.forensics.audit.local_edits.edits import EDITS, region_in
from oddpixel.forensics.audit.local_edits.examples import examples
from oddpixel.forensics.audit.local_edits.network import NetworkOptions, RegionNetwork
from oddpixel.forensics.audit.local_edits.regions import INNER, OUTER, SUMS, description_of, regions_in, regions_of
from oddpixel.forensics.audit.local_edits.store import BUNDLED, load_network, save_network, trained_on
from oddpixel.forensics.audit.local_edits.traces import PLACE, num_traces, traces_of
from oddpixel.forensics.audit.measurement import Measurement, NotApplicable
from tests.forensics.audit.images import another, exhibit, jpeg, photograph, png

SMALL = NetworkOptions(members=2, width=8, narrow=4, dropout=0.0)


def as_input(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32))[None]


# --- traces and regions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_traces_of_a_flat_picture_are_finite(grey: int) -> None:
    traces = traces_of(torch.full((1, 3, 64, 96), float(grey)))
    assert traces.shape == (1, num_traces(), 8, 12)
    assert torch.isfinite(traces).all()


def test_a_picture_and_its_transpose_have_the_same_traces_in_other_places() -> None:
    picture = photograph()[:128, :160]
    traces = traces_of(as_input(picture))[0]
    turned = traces_of(as_input(np.ascontiguousarray(picture.transpose(1, 0, 2))))[0].transpose(1, 2)
    # Means of colours, contrast and clipping know no direction.
    assert torch.allclose(traces[-5:], turned[-5:], atol=1e-3)
    assert not torch.allclose(traces[:63], turned[:63], atol=1e-3)


def test_noise_in_a_part_changes_the_traces_of_that_part() -> None:
    picture = photograph()[:128, :128].copy()
    before = traces_of(as_input(picture))[0]
    noise = np.random.default_rng(0).normal(0, 8, (64, 64, 3))
    picture[32:96, 32:96] = np.clip(picture[32:96, 32:96] + noise, 0, 255)
    change = (traces_of(as_input(picture))[0] - before).abs()
    power = slice(num_traces() - 5 - 4 - 6 - 3 - 8, num_traces() - 5 - 4 - 6 - 3 - 4)
    assert change[power, 5:11, 5:11].mean() > 5 * change[power, :3, :3].mean() + 0.1


def test_a_region_of_the_scan_is_described_as_it_is_alone() -> None:
    traces = torch.randn(3, 24, 30, generator=torch.Generator().manual_seed(0))
    descriptions, boxes = regions_of(traces)
    assert descriptions.shape == (len(boxes), SUMS * 3)
    number = int((boxes == torch.tensor([4, 8, 12, 16])).all(1).nonzero()[0, 0])
    down, across = torch.arange(24) - 7.5, torch.arange(30) - 11.5
    distance = (down[:, None] ** 2 + across[None] ** 2) / 16
    alone = description_of(traces, (distance <= INNER**2).float(), (distance <= OUTER**2).float())
    assert torch.allclose(descriptions[number], alone, atol=1e-4)


def test_all_regions_lie_within_and_leave_a_rest() -> None:
    _, boxes = regions_of(torch.randn(2, 16, 48))
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 16).all()
    assert (boxes[:, 3] <= 48).all()
    assert len(boxes) > 0


# --- edits and composites ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(EDITS))
def test_an_edit_changes_its_region_and_hardly_anything_else(kind: str) -> None:
    import cv2

    changed_within = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        host, other = photograph()[:256, :256].copy(), another()[:256, :256].copy()
        edited, region = EDITS[kind][0](host.copy(), other, region_in(host.shape, random), random)
        difference = np.abs(edited.astype(int) - host).max(2)
        near = cv2.dilate(region.astype(np.uint8), np.ones((33, 33), np.uint8)) > 0
        assert (difference[~near] == 0).mean() > 0.99
        changed_within.append((difference[region] > 0).mean())
    assert np.median(changed_within) > 0.4


def test_a_composite_is_drawn_alike_from_the_same_seed() -> None:
    pictures = [photograph(), another()]
    first, again = (composite(pictures, 128, np.random.default_rng(5)) for _ in range(2))
    assert (first.pixels == again.pixels).all()
    made = [composite(pictures, 128, np.random.default_rng(seed)) for seed in range(60)]
    assert {each.pixels.shape for each in made} == {(128, 128, 3)}
    assert {each.kind for each in made} == {"authentic", *EDITS}
    assert all(not each.region.any() for each in made if each.kind == "authentic")


# --- examples, network, rounds -----------------------------------------------------------------------------------


class Loud(RegionNetwork):
    """Takes what is brightest for an edit."""

    def forward(self, descriptions: torch.Tensor) -> torch.Tensor:
        return descriptions[:, -5]  # the mean of red


def test_the_most_misleading_regions_of_authentic_crops_are_learnt_from() -> None:
    pictures = [photograph(), another()]
    at_random = examples(pictures, range(30), 192, 3, None)
    mined = examples(pictures, range(30), 192, 3, Loud(SMALL))
    red = [each.descriptions[each.is_edited == 0, -5].mean() for each in (at_random, mined)]
    assert red[1] > red[0]
    assert (at_random.is_edited == mined.is_edited).all()


def recipe() -> dict[str, Any]:
    return {
        "data": {"corpora": ["web-photographs"]},
        "model": {"kind": "local-edits", "members": 2, "width": 8, "narrow": 4, "dropout": 0.0},
        "examples": {"crops": [12, 8], "side": 160},
        "training": {"num_validated": 12, "steps": 20, "batch_size": 32, "warm_up_steps": 2, "ema_start": 2},
    }


@pytest.fixture
def few_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "fetch", lambda name: None)
    monkeypatch.setattr(recipes, "_photographs", lambda names, role: [photograph(), another()])


def test_rounds_of_training_are_kept_and_not_made_twice(
    few_photographs: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stages: list[str] = []

    def on_stage(name: str, done: int, steps: int) -> Any:
        stages.append(name)
        return lambda step, figures: None

    assert recipes.train(recipe(), [], tmp_path, on_stage, device="cpu") == "round 1"
    assert stages == ["examples of round 0", "round 0", "examples of round 1", "round 1"]
    first = (tmp_path / "model.safetensors").read_bytes()
    stages.clear()
    monkeypatch.setattr(recipes, "examples", None)  # nothing is made again
    recipes.train(recipe(), [], tmp_path, on_stage, device="cpu")
    assert (tmp_path / "model.safetensors").read_bytes() == first
    assert trained_on(tmp_path) == ("web-photographs",)
    assert "Unsplash" in (tmp_path / "README.md").read_text()


def test_examples_of_another_recipe_and_damaged_ones_are_refused(few_photographs: None, tmp_path: Path) -> None:
    def again(content: dict[str, Any]) -> str:
        return recipes.train(content, [], tmp_path, lambda *_: lambda *_: None, device="cpu")

    again(recipe())
    with pytest.raises(UsageError, match="another recipe"):
        again(recipe() | {"data": {"corpora": ["photographs"]}})
    with pytest.raises(UsageError, match="another recipe"):
        again(recipe() | {"examples": {"crops": [12, 8], "side": 192}})
    path = tmp_path / "rounds/1/examples-0.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CorruptWeights, match="delete it"):
        again(recipe())


def test_the_recipe_names_its_own_photographs(few_photographs: None, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name no images"):
        recipes.train(recipe(), ["mine/"], tmp_path, lambda *_: lambda *_: None)
    unknown = recipe() | {"training": recipe()["training"] | {"sides": 3}}
    with pytest.raises(UsageError, match="sides"):
        recipes.train(unknown, [], tmp_path, lambda *_: lambda *_: None)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("examples", {"crops": []}),
        ("examples", {"crops": [-3]}),
        ("examples", {"crops": "many"}),
        ("examples", {"side": 50}),
        ("examples", {"side": 9000}),
        ("model", {"members": 0}),
        ("model", {"dropout": 1.5}),
        ("model", {"membres": 2}),
        ("training", {"num_validated": 0}),
        ("training", {"steps": 0}),
        ("data", {"corpora": "photographs"}),
        ("data", {"corpora": []}),
    ],
)
def test_a_recipe_that_cannot_be_trained_by_is_refused_before_anything_is_made(
    section: str, values: dict[str, Any], few_photographs: None, tmp_path: Path
) -> None:
    wrong = recipe() | {section: recipe()[section] | values}
    with pytest.raises(UsageError):
        recipes.train(wrong, [], tmp_path, lambda *_: lambda *_: None)
    assert list(tmp_path.iterdir()) == []


def test_the_bundled_recipe_can_be_trained_by(few_photographs: None, tmp_path: Path) -> None:
    from oddpixel.recipe import read_recipe

    bundled = read_recipe("local-edits")
    small = bundled | {
        "examples": {"crops": [8], "side": 160},
        "training": bundled["training"] | {"steps": 3, "num_validated": 4},
    }
    assert recipes.train(small, [], tmp_path, lambda *_: lambda *_: None, device="cpu") == "round 0"


def test_whoever_interrupts_the_last_measurement_of_a_round_has_stopped(
    few_photographs: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import os
    import signal

    from oddpixel.forensics.audit.local_edits.task import LocalEditTask

    def interrupted(self: LocalEditTask) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGINT)
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(LocalEditTask, "validate", interrupted)
        reached = recipes.train(recipe(), [], tmp_path, lambda *_: lambda *_: None, device="cpu")
    assert reached == "round 0, stopped"
    assert not (tmp_path / "rounds/1").exists()
    assert recipes.train(recipe(), [], tmp_path, lambda *_: lambda *_: None, device="cpu") == "round 1"


def test_a_damaged_folder_is_a_typed_error(tmp_path: Path) -> None:
    save_network(tmp_path, RegionNetwork(SMALL), {})
    assert load_network(tmp_path).options == SMALL
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | {"network": content["network"] | {"width": 9}}))
    with pytest.raises(WrongArchitecture):
        load_network(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(CorruptWeights):
        load_network(tmp_path)


# --- the check ---------------------------------------------------------------------------------------------------


def measured(content: bytes) -> Measurement:
    (answer,) = answers_of(checks()["local-edits"], exhibit_of(content))
    assert isinstance(answer, Measurement)
    return answer


def test_a_part_with_another_history_scores_higher_and_is_marked() -> None:
    import cv2

    host = photograph()
    edited = host.copy()
    edited[120:248, 96:224] = cv2.GaussianBlur(host, (0, 0), 1.5)[120:248, 96:224]
    before, after = measured(png(host)), measured(png(edited))
    assert after.statistic > before.statistic + 2
    assert after.map is not None
    mask = np.zeros(host.shape[:2], bool)
    mask[120:248, 96:224] = True
    assert (after.map[mask] > 0.5).mean() > 0.5
    assert (after.map[~mask] > 0.5).mean() < 0.15


def test_grey_pictures_deep_ones_and_odd_sizes_are_measured() -> None:
    for picture in (photograph()[:203, :331, 0], photograph()[:130, :128]):
        answer = measured(png(np.ascontiguousarray(picture)))
        assert np.isfinite(answer.statistic)
        assert answer.map is not None
        assert answer.map.shape == picture.shape[:2]
    (plain,) = answers_of(checks()["local-edits"], exhibit_of(jpeg(np.full((256, 256, 3), 90, np.uint8), 80), "plain"))
    assert isinstance(plain, NotApplicable), "nothing is left within its borders"


def test_what_is_too_small_is_not_asked() -> None:
    (answer,) = answers_of(checks()["local-edits"], exhibit(photograph()[:120, :300]))
    assert isinstance(answer, NotApplicable)


def test_the_bundled_network_has_learnt_from_no_photograph_that_measures_it() -> None:
    from oddpixel.bench.audit.calibration import fair

    (learnt, *_) = trained_on(BUNDLED)
    finding = {"statistic": 1.0, "log10_nfa": None, "about": "manipulation"}
    row = {"kind": "x", "stratum": "lossless", "findings": {"local-edits": finding, "noise-level": finding}}
    rows = [
        row | {"source": f"{learnt}/a.jpg", "manipulated": False},
        row | {"source": f"{learnt}/b.jpg", "manipulated": True},
        row | {"source": "animals/c.webp", "manipulated": True},
    ]
    kept = fair(rows)
    assert [sorted(each["findings"]) for each in kept] == [["noise-level"], ["local-edits", "noise-level"]]


def test_descriptions_are_cut_to_whole_places() -> None:
    descriptions, boxes = regions_in(photograph()[:205, :333])
    assert len(descriptions) == len(boxes)
    assert boxes[:, 3].max() <= 333 // PLACE


@pytest.mark.parametrize("option", [["--minutes", "3"], ["--start-from", "x"], ["--stage", "a"]])
def test_what_rounds_do_not_know_is_refused(option: list[str], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from oddpixel.commands import app

    result = CliRunner().invoke(app, ["train", "--recipe", "local-edits", "-o", str(tmp_path / "out"), *option])
    assert isinstance(result.exception, UsageError)
