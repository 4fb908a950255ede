"""Training a pyramid: crops, the loss, and that what is saved is what was trained."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddpixel import Image
from oddpixel.errors import InvalidImage, UsageError, WrongArchitecture
from oddpixel.forensics.density.crop_source import CropSource
from oddpixel.forensics.density.crops import PLAIN, Photographs, Variation, photographs, reduced
from oddpixel.forensics.density.dequantised import Dequantised
from oddpixel.forensics.density.measure import measure_source
from oddpixel.forensics.density.pyramid import Pyramid, PyramidOptions
from oddpixel.forensics.density.pyramid_task import PyramidTask
from oddpixel.forensics.density.recipe import prepare
from oddpixel.forensics.density.store import load_flat, load_model
from oddpixel.recipe import read_recipe
from oddpixel.training import Trainer, TrainingOptions

SMALL = PyramidOptions(
    channels=1,
    width=16,
    num_blocks=2,
    num_levels=12,
    top=12.0,
    num_networks=2,
    base_width=8,
    trunk_width=8,
    detail_std=((6.0,), (6.0,)),
)


def field(seed: int, height: int = 200, width: int = 260) -> np.ndarray:
    """A smooth random texture, `[1, h, w]` grey levels."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(0, 1, (height, width)), 1.5)
    return np.rint(128 + 40 * noise / noise.std()).clip(0, 255).astype(np.uint8)[None]


def task() -> PyramidTask:
    torch.manual_seed(0)
    train, held_out = Photographs([field(1), field(2)], {"title": "fields"}), Photographs([field(3)])
    return PyramidTask(Pyramid(SMALL), train, held_out, groups=2, coarse_share=0.5, variation=PLAIN, num_validated=2)


@given(start=st.integers(-300, 600), side=st.integers(1, 200), length=st.integers(40, 400))
def test_crops_stay_inside_the_photograph(start: int, side: int, length: int) -> None:
    picture = np.arange(length, dtype=np.uint8)[None, :, None].repeat(40, 2)
    held = Photographs([picture])
    crop = held.crop((0, start, 0), min(side, 2 * length))
    assert crop.shape == (1, min(side, 2 * length), min(side, 2 * length))
    if side <= length:
        assert len({int(value) for value in crop[0, :, 0]}) == min(side, 256)


def test_every_cell_is_seen_once_an_epoch() -> None:
    cells = Photographs([field(0)]).cells
    assert len(cells) == len(set(cells)) == 12
    assert Photographs([field(0)]).megapixels == pytest.approx(0.052)


def test_crops_are_varied_within_stored_levels() -> None:
    held, generator = Photographs([field(0, 400, 500), field(1, 70, 90)]), torch.Generator().manual_seed(0)
    source = CropSource(held, torch.device("cpu"))
    crops = source.crops(40, 64, Variation(), generator, generator)
    assert crops.shape == (40, 1, 64, 64)
    assert torch.equal(crops, crops.round())
    assert crops.min() >= 0
    assert crops.max() <= 255
    assert crops.mean((1, 2, 3)).std() > 5, "tone"
    again = [source.crops(40, 64, Variation(), *(torch.Generator().manual_seed(2) for _ in range(2))) for _ in range(2)]
    assert torch.equal(*again)
    with pytest.raises(InvalidImage, match="use larger ones"):
        source.crops(1, 512, PLAIN, generator, generator)


@pytest.mark.parametrize("channels", [1, 3])
def test_plain_crops_are_squares_of_the_photographs(channels: int) -> None:
    pixels = [np.concatenate([field(10 * n + k, 90, 120) for k in range(channels)]) for n in range(3)]
    crops = CropSource(Photographs(pixels), torch.device("cpu")).crops(
        6, 64, PLAIN, torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    )
    for crop in crops.numpy().astype(np.uint8):
        turns = [np.rot90(crop, k, (1, 2))[:, :, ::mirror] for k in range(4) for mirror in (1, -1)]
        windows = [np.lib.stride_tricks.sliding_window_view(p[0], (64, 64)) for p in pixels]
        places = [
            (n, t, *at) for n, w in enumerate(windows) for t, turn in enumerate(turns) for at in _found(w, turn[0])
        ]
        assert places, "untouched, but for turning"
        n, t, row, column = places[0]
        assert np.array_equal(pixels[n][:, row : row + 64, column : column + 64], turns[t]), "all channels alike"


def test_reduced_crops_are_means() -> None:
    held = Photographs([np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64) % 4096], {}, 4095, 1 / 16)
    variation = Variation(reductions=(0.0, 1.0), tone=False, noise=0.0)
    generator = torch.Generator().manual_seed(0)
    crop = CropSource(held, torch.device("cpu")).crops(1, 32, variation, generator, generator)[0, 0].numpy()
    means = held.pixels[0][0].reshape(32, 2, 32, 2).mean((1, 3)).round()
    assert any(np.array_equal(np.rot90(crop, k)[:, ::mirror], means) for k in range(4) for mirror in (1, -1))


def _found(windows: np.ndarray, crop: np.ndarray) -> list[tuple[int, int]]:
    places = np.argwhere((windows[:, :, 0, 0] == crop[0, 0]) & (windows[:, :, 0, 1] == crop[0, 1]))
    return [(row, column) for row, column in places.tolist() if np.array_equal(windows[row, column], crop)]


def test_reducing_averages_and_rounds_to_stored_levels() -> None:
    pixels = np.array([[0, 1], [2, 5]], np.float32).repeat(70, 0).repeat(70, 1)[None] / 255
    image = Image(pixels, 8, "display", None, "a", "0" * 64, "a")
    assert reduced(image, 3, 140).tolist() == [[[2]], [[2]], [[2]]]
    with pytest.raises(InvalidImage, match="none of 1 image can be trained on: each side needs"):
        photographs([image], 3, 4)


def test_images_too_small_for_the_largest_crops_train_with_fewer_sizes() -> None:
    small = Photographs([field(1, 96, 130), field(2, 70, 90)])
    task = PyramidTask(Pyramid(SMALL), small, small, groups=3, variation=PLAIN)
    assert task.groups == 1
    batch = task.batch(torch.arange(4), torch.Generator().manual_seed(0))
    assert batch["crops0"].shape == (4, 1, 64, 64)
    assert "crops1" not in batch
    assert torch.isfinite(task.objective(**batch).total)


def test_small_images_of_ones_own_are_held_out_as_they_are(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    for index in range(40):
        Pillow.fromarray(field(index, 80, 96)[0]).save(tmp_path / f"{index}.png")
    trainer = prepare(read_recipe("photo-grey"), [str(tmp_path)], tmp_path / "model", minutes=1)
    assert {picture.shape for picture in trainer.task.validation.pixels} == {(1, 80, 96)}
    assert not hasattr(trainer.task.objective.to_normal, "_torchdynamo_orig_callable")  # too short a time to compile


def test_halves_of_a_batch_have_the_gradients_of_the_whole() -> None:
    """What makes two processes compute the gradients of one."""

    def gradients(parts: list[slice]) -> dict[str, torch.Tensor]:
        model = task()
        model.objective.train()
        batch = model.batch(torch.arange(8), torch.Generator().manual_seed(5))
        for part in parts:
            losses = model.objective(**{name: value[part] for name, value in batch.items()})
            (losses.total / len(parts)).backward()
        return {name: p.grad for name, p in model.objective.named_parameters() if p.grad is not None}

    whole, halves = gradients([slice(None)]), gradients([slice(0, None, 2), slice(1, None, 2)])
    largest = max(float(value.abs().max()) for value in whole.values())
    for name, value in whole.items():
        torch.testing.assert_close(halves[name], value, rtol=1e-4, atol=1e-5 * largest)


def test_training_lowers_the_bits_and_what_is_saved_is_what_was_trained(tmp_path: Path) -> None:
    trained = task()
    before = trained.validate()
    options = TrainingOptions(
        steps=60, batch_size=8, learning_rate=3e-3, warm_up_steps=5, ema_decay=0.9, ema_start=5, validate_every=60
    )
    Trainer(trained, options, tmp_path).run()
    after = trained.figures
    assert after["identity_bits_per_dim"] < before["identity_bits_per_dim"] - 0.3
    assert after["bits_per_dim"] < before["bits_per_dim"]
    loaded = load_model(tmp_path)
    assert isinstance(loaded, Pyramid)
    assert loaded.options == SMALL
    card = (tmp_path / "README.md").read_text()
    assert "1 x any size" in card
    assert "fields" in card
    with pytest.raises(WrongArchitecture, match="pyramid"):
        load_flat(tmp_path)


def test_bits_of_a_file_at_any_size_and_depth() -> None:
    torch.manual_seed(0)
    model = Pyramid(SMALL).eval()
    values = field(4, 61, 127)
    eight = Image((values / 255).astype(np.float32), 8, "display", None, "a", "0" * 64, "a")
    found = model.measure(eight, identity=True)
    assert found["dims"] == 61 * 127 == sum(scale["dims"] for scale in found["scales"])
    total = sum(scale["dims"] * scale["bits_per_dim"] for scale in found["scales"]) / found["dims"]
    assert total == pytest.approx(found["bits_per_dim"], abs=1e-4)
    assert math.isfinite(found["identity_bits_per_dim"])
    assert model.measure(eight)["bits_per_dim"] == found["bits_per_dim"], "seeded by the file's own hash"
    deep = Image((values.astype(np.float32) * 257 / 65535), 16, "display", None, "a", "0" * 64, "a")
    assert model.measure(deep)["bits_per_dim"] == pytest.approx(found["bits_per_dim"] + 8, abs=0.1)


def test_weights_that_diverged_are_an_error_and_no_likelihood() -> None:
    model = Pyramid(SMALL).eval()
    with torch.no_grad():
        model.coarsest.network.first.weight.fill_(math.nan)  # type: ignore[union-attr, operator]
    image = Image((field(4, 61, 127) / 255).astype(np.float32), 8, "display", None, "a", "f" * 64, "a")
    (item,) = measure_source([image], model)
    assert item["error"]["type"] == "CorruptWeights"
    assert "diverged" in item["error"]["message"]


def test_windows_see_the_same_dequantised_image() -> None:
    values = (field(4, 61, 127) / 255).astype(np.float32)
    grey = Dequantised(Image(values, 8, "display", None, "a", "f" * 64, "a"), "display", 1)
    whole = grey.read((slice(None), slice(None)))
    assert torch.equal(grey.read((slice(7, 40), slice(90, 127))), whole[:, :, 7:40, 90:127])
    noise = whole[0].numpy() - np.rint(values * 255)
    assert 0 <= noise.min() < 0.01
    assert 0.99 < noise.max() <= 1
    assert abs(noise.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(noise[0, :, 1:].ravel(), noise[0, :, :-1].ravel())[0, 1]) < 0.04
    other = Dequantised(Image(values, 8, "display", None, "b", "0" * 64, "b"), "display", 1)
    assert not torch.equal(other.read((slice(None), slice(None))), whole)


def test_ct_is_read_in_hounsfield_units_and_nothing_else_is() -> None:
    hounsfield = np.array([[-1024.0, 0.0, 3056.0]], np.float32)[None]
    ct = Image(hounsfield, 12, "HU", None, "a", "0" * 64, "a")
    grey = Dequantised(ct, "HU", 1)
    assert grey.quantum == 1 / 16
    torch.testing.assert_close(
        grey.read((slice(None), slice(None)))[0, 0, 0], torch.tensor([0.0, 64.0, 255.0]), rtol=0, atol=1 / 16
    )
    with pytest.raises(InvalidImage, match="unit display"):
        Dequantised(ct, "display", 1)


def test_maps_are_pictures_on_an_absolute_scale(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    torch.manual_seed(0)
    image = Image((field(4, 61, 127) / 255).astype(np.float32), 8, "display", None, "a", "f" * 64, "a")
    (item,) = measure_source([image], Pyramid(SMALL).eval(), maps=tmp_path)
    with Pillow.open(tmp_path / item["map"]) as picture:
        assert picture.size == (127, 61)
        assert "bits a sample" in picture.text["Description"]
    flat = load_model("digits")
    (refused,) = measure_source([image], flat, maps=tmp_path)
    assert "pyramid" in refused["error"]["message"]


def test_a_recipe_for_ones_own_photographs(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    for k in range(30):
        Pillow.fromarray(field(k, 80, 90)[0]).save(tmp_path / f"{k}.png")
    recipe = read_recipe("photo-rgb")
    assert recipe["data"]["corpora"] == ["photographs", "web-photographs", "objects"]
    recipe["data"] = {"reduce": 1}
    recipe["model"]["network"] |= {"width": 8, "num_blocks": 1, "base_width": 8, "trunk_width": 8}
    recipe["training"] |= {"steps": 1, "batch_size": 2, "groups": 1, "num_validated": 1, "compiled": False}
    trainer = prepare(recipe, [str(tmp_path)], tmp_path / "model")
    trainer.run()
    assert json.loads((tmp_path / "model/model.json").read_text())["record"]["data"]["num_examples"] > 15
    few = tmp_path / "few"
    few.mkdir()
    (tmp_path / "0.png").rename(few / "0.png")
    with pytest.raises(UsageError, match="of 1 images none is"):
        prepare(recipe, [str(few)], tmp_path / "third")
    with pytest.raises(UsageError, match="your own images"):
        prepare({**recipe, "data": {}}, [], tmp_path / "other")


@pytest.mark.parametrize("recipe", ["photo-rgb", "photo-grey", "ct"])
def test_bundled_recipes_train_only_on_what_may_ship(recipe: str) -> None:
    from oddpixel.datasets.corpora import card

    for name in read_recipe(recipe)["data"]["corpora"]:
        assert card(name).weights_may_ship
