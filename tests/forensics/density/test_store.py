"""Model folders and foreign checkpoints: round trips, and a clear typed error for everything else."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from oddpixel import Image
from oddpixel.errors import CorruptWeights, InvalidImage, MissingWeights, UnsafeWeights, UsageError, WrongArchitecture
from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.measure import measure
from oddpixel.forensics.density.quanta import Quanta
from oddpixel.forensics.density.sampling import sample_values, write_samples
from oddpixel.forensics.density.store import build, build_flat, load_model, load_official, save_model
from tests.forensics.density.test_training import TINY


@pytest.fixture
def model() -> Flat:
    torch.manual_seed(0)
    return build_flat(TINY).eval()


@pytest.fixture
def folder(model: Flat, tmp_path: Path) -> Path:
    save_model(tmp_path / "m", model, {})
    return tmp_path / "m"


def test_a_saved_model_answers_the_same(model: Flat, folder: Path) -> None:
    x = torch.randn(3, 1, 4, 4)
    torch.testing.assert_close(load_model(folder).log_likelihood(x), model.log_likelihood(x), rtol=0, atol=0)
    assert {path.name for path in folder.iterdir()} == {"model.json", "model.safetensors", "README.md"}


def test_an_official_checkpoint_loads_by_its_own_names(model: Flat, tmp_path: Path) -> None:
    """The reference saves several state dicts, its averaged one under a prefix of distributed training."""
    averaged = {f"module.{name}": value for name, value in model.network.state_dict().items()}
    other = {name: torch.zeros_like(value) for name, value in averaged.items()}
    torch.save(
        {"epoch": 3, "model_state_dict": other, "ema_model_state_dict": averaged, "loss": 0.1}, tmp_path / "c.pt"
    )
    x = torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(load_official(tmp_path / "c.pt", TINY).log_likelihood(x), model.log_likelihood(x))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch owned",)


def test_bad_weights_are_typed_errors(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptWeights, match="truncated"):
        load_model(folder)
    weights.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UnsafeWeights, match="more than tensors"):
        load_model(folder)
    torch.save({"model_state_dict": Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(UnsafeWeights, match="ask its author for safetensors"):
        load_official(tmp_path / "bomb.pt", TINY)
    assert not (tmp_path / "owned").exists()
    (tmp_path / "cut.pt").write_bytes((tmp_path / "bomb.pt").read_bytes()[:200])
    with pytest.raises(CorruptWeights):
        load_official(tmp_path / "cut.pt", TINY)
    with pytest.raises(MissingWeights, match="neither a folder"):
        load_model(tmp_path / "nothing")
    weights.write_bytes(whole)
    (folder / "model.json").write_text("{")
    with pytest.raises(CorruptWeights, match=r"model\.json"):
        load_model(folder)


def test_another_architecture_names_the_differences(folder: Path) -> None:
    content = json.loads((folder / "model.json").read_text())
    content["network"]["num_res_blocks"] = 2
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(WrongArchitecture, match=r"lacks down\.0\.block\.1"):
        load_model(folder)
    for options, says in (
        ({**TINY, "kind": "pyramidal"}, "no density model is of kind"),
        ({**TINY, "schedule": {"kind": "quadratic"}}, "no noise schedule is called 'quadratic'"),
        ({**TINY, "network": {"depth": 3}}, "do not fit together"),
    ):
        with pytest.raises(WrongArchitecture, match=says):
            build(options)


@pytest.mark.parametrize(
    ("shape", "says"),
    [((1, 3, 4, 4), "takes images of 1 x 4 x 4"), ((1, 1, 3, 4), "got 1 x 3 x 4"), ((1, 1, 8, 8), "crop or resize")],
)
def test_wrong_channels_and_sizes_are_refused(shape: tuple[int, ...], says: str, model: Flat) -> None:
    with pytest.raises(InvalidImage, match=says):
        model.log_likelihood(torch.zeros(shape))


def test_nan_is_refused(model: Flat) -> None:
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = torch.nan
    with pytest.raises(InvalidImage, match="NaN"):
        model.log_likelihood(x)


def test_labels_without_classes_are_refused(model: Flat) -> None:
    with pytest.raises(InvalidImage, match="without classes"):
        model.log_likelihood(torch.zeros(1, 1, 4, 4), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(UsageError, match="no classes"):
        sample_values(model, 1, label=0)


def image(pixels: np.ndarray, bits: int = 8) -> Image:
    return Image(pixels.astype(np.float32), bits, "display", None, "x.png", "ab" * 32, "x.png")


def test_a_likelihood_is_a_files_own(model: Flat) -> None:
    pixels = np.linspace(0, 1, 16).reshape(1, 4, 4)
    first, second = (measure(image(pixels), model, identity=True) for _ in range(2))
    assert first == second
    assert first["dims"] == 16
    assert first["nats"] == pytest.approx(-first["bits_per_dim"] * 16 * np.log(2))
    with pytest.raises(InvalidImage, match="takes 8-bit display images, got 16 bits"):
        measure(image(pixels, bits=16), model)


def test_dequantisation_gives_back_every_value() -> None:
    values = torch.arange(256).view(1, 1, 16, 16)
    for quanta in (Quanta(), Quanta(mean=(33.0,), std=(79.0,))):
        x = quanta.to_model(values, torch.Generator().manual_seed(0))
        assert torch.equal(quanta.to_values(x), values)
        assert not torch.equal(x, quanta.to_model(values, torch.Generator().manual_seed(1)))
    # The reference's + 7 at 8 bits.
    assert float(Quanta().bits_per_dim(torch.zeros(1), 10)) == 7.0


def test_samples_are_seeded_and_marked_as_synthetic(model: Flat, tmp_path: Path) -> None:
    from PIL import Image as Pillow

    first, again, other = (sample_values(model, 3, num_steps=5, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    path = write_samples(tmp_path / "out", first, 8, "a test <model>")
    for name in ("000.png", "002.png", path.name):
        text = Pillow.open(tmp_path / "out" / name).text  # type: ignore[attr-defined]
        assert "trainedAlgorithmicMedia" in text["XML:com.adobe.xmp"]
        assert "&lt;model&gt;" in text["XML:com.adobe.xmp"]
    with pytest.raises(UsageError, match="no sampler 'euler'"):
        sample_values(model, 1, sampler="euler")
