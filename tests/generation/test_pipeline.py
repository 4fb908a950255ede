"""From prompts to pictures, on a tiny cascade of random weights; and what is refused before any work."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from oddpixel.errors import (
    CorruptWeights,
    MissingWeights,
    NotEnoughMemory,
    UnsafeWeights,
    UsageError,
    WrongArchitecture,
)
from oddpixel.generation import lora
from oddpixel.generation import pipeline as pipeline_module
from oddpixel.generation.conditions.nothing import NoConditioner
from oddpixel.generation.conditions.text import TextConditioner
from oddpixel.generation.control import Control, ControlNetwork, edges, masked
from oddpixel.generation.growing import Growth, tiles, with_colours_of
from oddpixel.generation.guidance.guided import GuidanceNetworks
from oddpixel.generation.official.load import find, from_official
from oddpixel.generation.pipeline import Estimate, PassOptions, SamplingOptions, UltraPixelPipeline
from oddpixel.generation.sampler import Guidance
from oddpixel.generation.sizes import Geometry
from oddpixel.generation.stages.semantic import EfficientNetEncoder
from oddpixel.generation.stages.stage_a import StageA
from oddpixel.generation.stages.stage_b import build_stage_b
from oddpixel.generation.stages.stage_c import build_stage_c
from oddpixel.weights import read_weights
from tests.generation import tiny

SHORT = SamplingOptions(
    low=PassOptions(steps=2), high=PassOptions(steps=2), decode=PassOptions(steps=2, guidance=Guidance(scale=1.0))
)
SIZE = (130, 197)


@pytest.fixture(scope="module")
def cascade() -> UltraPixelPipeline:
    return tiny.pipeline()


def test_pictures_of_any_size_and_aspect(cascade: UltraPixelPipeline) -> None:
    calls: list[tuple[str, int, int]] = []
    output = cascade(["cat"], size=SIZE, options=SHORT, on_step=lambda *step: calls.append(step))
    assert output.pictures.shape == (1, *SIZE, 3)
    assert output.pictures.dtype == np.uint8
    assert output.semantic.shape[2:] == (5, 7)
    assert output.low.shape[2:] == (3, 5)
    parts = [part for part, _, _ in calls]
    assert parts == ["low", "low", "capture", "high", "high", "decode", "decode"]


def test_the_same_seed_gives_the_same_picture_whatever_its_mates(cascade: UltraPixelPipeline) -> None:
    alone = cascade(["cat"], size=SIZE, seeds=[5], options=SHORT)
    pair = cascade(["house", "cat"], size=SIZE, seeds=[4, 5], options=SHORT)
    assert np.abs(alone.pictures[0].astype(int) - pair.pictures[1]).max() <= 1
    assert np.abs(pair.pictures[0].astype(int) - pair.pictures[1]).max() > 5
    next_seed = cascade(["cat"], size=SIZE, seeds=[6], options=SHORT)
    assert np.abs(alone.pictures.astype(int) - next_seed.pictures).max() > 5


def test_a_reference_takes_the_place_of_the_low_pass(cascade: UltraPixelPipeline) -> None:
    first, second = torch.rand(2, 1, 3, 90, 140)
    of_first = cascade(size=SIZE, reference=first, options=SHORT)
    of_second = cascade(size=SIZE, reference=second, options=SHORT)
    assert not torch.equal(of_first.low, of_second.low)
    assert not torch.equal(of_first.semantic, of_second.semantic)
    assert torch.equal(of_first.low, cascade(size=SIZE, reference=first, seeds=[9], options=SHORT).low)


def test_image_to_image_stays_nearer_with_less_noise(cascade: UltraPixelPipeline) -> None:
    image = torch.rand(1, 3, *SIZE)
    encoded = cascade._encoded(image, cascade.geometry.semantic(SIZE)).detach()
    away = {}
    for strength in (0.05, 1.0):
        output = cascade(size=SIZE, image=image, strength=strength, options=SHORT)
        away[strength] = float((output.semantic - encoded).square().mean())
    assert away[0.05] < away[1.0]


def test_negative_prompts_and_the_published_way_of_capturing(cascade: UltraPixelPipeline) -> None:
    plain = cascade(["cat"], size=SIZE, options=SHORT)
    away = cascade(["cat"], negative_prompts=["house"], size=SIZE, options=SHORT)
    assert not np.array_equal(plain.pictures, away.pictures)
    published = cascade(["cat"], size=SIZE, options=dataclasses.replace(SHORT, captures_last_step=True))
    assert torch.equal(plain.low, published.low)
    assert not np.array_equal(plain.pictures, published.pictures)


def test_controls_change_nothing_until_they_are_trained(cascade: UltraPixelPipeline) -> None:
    pictures = torch.rand(1, 3, *SIZE)
    shown = edges(pictures)
    assert set(shown.unique().tolist()) <= {0.0, 1.0}
    network = ControlNetwork(1, width=16, hidden=4, halvings=2)
    plain = cascade(["cat"], size=SIZE, options=SHORT)
    with torch.no_grad():
        untrained = cascade(["cat"], size=SIZE, controls=[network(shown)], options=SHORT)
        for convolution in network.at.values():
            torch.nn.init.normal_(convolution.weight)  # type: ignore[arg-type]
        control: Control = network(shown)
        trained = cascade(["cat"], size=SIZE, controls=[control], options=SHORT)
    assert np.array_equal(plain.pictures, untrained.pictures)
    assert not np.array_equal(plain.pictures, trained.pictures)
    assert masked(pictures, torch.ones(1, 1, *SIZE))[:, :3].abs().max() == 0
    with pytest.raises(UsageError, match="takes 1 channels, got 3"):
        network(pictures)


def test_lora_starts_as_nothing_and_can_be_kept_for_good() -> None:
    stage = tiny.stage_c()
    x, t = torch.randn(1, 4, 4, 4), torch.tensor([0.3])
    conditions = tiny.pipeline().conditioner(["cat"])
    plain = stage.predict_noise(x, t, conditions).detach()
    names = lora.add(stage.unet, rank=2)
    assert len(names) == 16
    assert torch.allclose(stage.predict_noise(x, t, conditions), plain)
    trained = [name for name, p in stage.unet.named_parameters() if p.requires_grad]
    assert len(trained) == 32
    for value in lora.weights(stage.unet).values():
        value.add_(0.3)
    kept = {name: value.clone() for name, value in lora.weights(stage.unet).items()}
    adapted = stage.predict_noise(x, t, conditions).detach()
    assert not torch.allclose(adapted, plain, atol=1e-3)
    lora.merge(stage.unet)
    assert torch.allclose(stage.predict_noise(x, t, conditions), adapted, atol=1e-5)
    fresh = tiny.stage_c()
    lora.add(fresh.unet, rank=2)
    lora.load(fresh.unet, kept)
    assert torch.allclose(fresh.predict_noise(x, t, conditions), adapted, atol=1e-5)
    with pytest.raises(UsageError, match="other layers"):
        lora.load(fresh.unet, {"nowhere.a": torch.zeros(1)})
    with pytest.raises(UsageError, match="no linear layer"):
        lora.add(tiny.stage_c().unet, where="nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (40, 300)}, "too small"),
        ({"size": (128, 1000)}, "aspect ratio"),
        ({"size": SIZE, "seeds": [1, 2]}, "1 prompts, but 2 seeds"),
        ({"size": SIZE, "strength": 0.5}, "needs an image"),
        ({"size": SIZE, "strength": 0.0, "image": torch.rand(1, 3, 8, 8)}, "strength must be"),
        ({"size": SIZE, "prompts": ["dog"]}, "unknown label 'dog'; labels are cat, house"),
    ],
)
def test_what_makes_no_sense_is_refused_before_work(
    cascade: UltraPixelPipeline, options: dict[str, Any], message: str
) -> None:
    calls: list[Any] = []
    with pytest.raises(UsageError, match=message):
        cascade(**options, options=SHORT, on_step=lambda *step: calls.append(step))
    assert not calls


def test_too_little_memory_is_found_before_work(cascade: UltraPixelPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    estimate: Estimate = cascade.estimate((256, 256))
    assert estimate.activations["a"] > estimate.activations["c"] > 0
    assert estimate.flops["high"] > 0
    monkeypatch.setattr(pipeline_module, "_available", lambda device: 100_000)
    with pytest.raises(NotEnoughMemory, match="GiB at once"):
        cascade(size=(256, 256), options=SHORT)


def test_offloading_changes_no_picture(cascade: UltraPixelPipeline) -> None:
    plain = cascade(["cat"], size=SIZE, options=SHORT)
    offloading = dataclasses.replace(cascade, offload=True)
    assert np.array_equal(plain.pictures, offloading(["cat"], size=SIZE, options=SHORT).pictures)


def test_published_grids() -> None:
    geometry = Geometry()
    assert [geometry.semantic((side, side)) for side in (1024, 2048, 4096)] == [(24, 24), (48, 48), (96, 96)]
    assert geometry.latent((4096, 4096)) == (1024, 1024)
    assert geometry.latent((132, 140)) == (34, 36)
    assert geometry.low((2048, 4096)) == (17, 34)


def test_text_by_a_real_clip(tmp_path: Path) -> None:
    folder = _tiny_clip(tmp_path / "clip")
    conditioner = TextConditioner.from_folder(folder, picture=4)
    conditions = conditioner(["a cat", None])
    assert conditions.text is not None
    assert conditions.text.shape == (2, 16, 8)
    assert conditions.pooled.shape == (2, 1, 8)
    assert not torch.equal(conditions.text[0], conditions.text[1])
    with pytest.raises(UsageError, match="takes text, got int"):
        conditioner([3])
    with pytest.raises(MissingWeights, match=r"config\.json"):
        TextConditioner.from_folder(tmp_path)


def _tiny_clip(folder: Path) -> Path:
    import json

    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

    folder.mkdir()
    letters = [chr(code) for code in range(97, 123)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=16,
        projection_dim=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
    )
    CLIPTextModelWithProjection(config).save_pretrained(folder)
    return folder


def test_a_cascade_without_a_conditioner_makes_what_is_not_asked_for() -> None:
    nothing = NoConditioner(text=8, pooled=8, picture=4, slots=3)
    assert nothing([None]).pooled.abs().max() == 0
    with pytest.raises(UsageError, match="no text encoder"):
        nothing(["a cat"])


def official_folder(folder: Path) -> Path:
    """Random weights by released names: attention packed, a codebook, and guidance pickled under two integers."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    unet = tiny.shaken(build_stage_c(dataclasses.replace(tiny.STAGE_C, widths=(64, 64), heads=(1, 1))))
    b = tiny.shaken(build_stage_b(dataclasses.replace(tiny.STAGE_B, widths=(8, 8, 64, 64), heads=(-1, -1, 1, 1))))
    a, encoder = tiny.shaken(StageA(tiny.STAGE_A)), tiny.shaken(EfficientNetEncoder(4))
    networks = tiny.shaken(
        GuidanceNetworks(dataclasses.replace(tiny.IMPLICIT, width=64, inner=32, heads=1, head_width=32))
    )
    save_file(_released(unet), folder / "stage_c_bf16.safetensors")
    pooled = {name.replace("clip_txt_pooled_mapper", "clip_mapper"): value for name, value in _released(b).items()}
    save_file(pooled, folder / "stage_b_lite_bf16.safetensors")
    renamed = {
        name.removeprefix("network.").replace("vquantizer.embedding", "vquantizer.codebook"): value
        for name, value in a.state_dict().items()
    }
    save_file(renamed, folder / "stage_a.safetensors")
    torch.save({"state_dict": encoder.state_dict()}, folder / "effnet_encoder.safetensors")
    number = {"down0": "64.0", "down1": "64.1", "up0": "65.0", "up1": "65.1"}
    extras = {
        f"module.{number[name.split('.')[1]]}.{name.split('.', 2)[2]}": value
        for name, value in networks.state_dict().items()
    }
    torch.save(extras, folder / "ultrapixel_t2i.safetensors")  # a pickle under that name, as released
    return folder


def _released(unet: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Of our names: the projections of attention are packed, and its output has another name."""
    ours = unet.state_dict()
    shapes = {}
    for name, value in ours.items():
        if ".to_q." in name:
            parts = [ours[name.replace("to_q", f"to_{part}")] for part in "qkv"]
            shapes[name.replace("to_q.", "attn.in_proj_")] = torch.cat(parts)
        elif ".to_out.0." in name:
            shapes[name.replace("to_out.0", "attn.out_proj")] = value
        elif ".to_k." not in name and ".to_v." not in name:
            shapes[name] = value.clone()
    return shapes


def test_released_files_are_found_hashed_and_loaded(tmp_path: Path) -> None:
    folder = official_folder(tmp_path / "official")
    files = find(folder)
    assert set(files) == {"stage A", "stage B", "stage C", "guidance", "encoder"}
    assert not any(file.is_known for file in files.values())
    assert all(len(file.sha256) == 64 for file in files.values())
    cascade = from_official(folder)
    assert cascade.c.networks is not None
    output = dataclasses.replace(cascade, geometry=tiny.GEOMETRY)(size=SIZE, options=SHORT)
    assert output.pictures.std() > 1
    assert not any(parameter.is_meta for parameter in cascade.c.parameters())
    output = dataclasses.replace(cascade, geometry=tiny.GEOMETRY)(
        size=SIZE, options=SHORT, reference=torch.rand(1, 3, 64, 96)
    )
    assert output.pictures.std() > 1


def test_guidance_of_another_stage_c_is_refused(tmp_path: Path) -> None:
    folder = official_folder(tmp_path / "official")
    small = build_stage_c(dataclasses.replace(tiny.STAGE_C, widths=(128, 128), heads=(2, 2)))
    save_file(_released(small), folder / "stage_c_bf16.safetensors")
    with pytest.raises(WrongArchitecture, match="guidance is for features of width 64, but stage C has 128"):
        from_official(folder)
    (folder / "stage_a.safetensors").write_bytes((folder / "stage_c_bf16.safetensors").read_bytes())
    with pytest.raises(WrongArchitecture):
        from_official(folder)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"<!DOCTYPE html><html>access denied</html>", CorruptWeights, "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", CorruptWeights, "pointer"),
        (b"\x40\x00\x00\x00\x00\x00\x00\x00{", CorruptWeights, "truncated"),
        (b"", CorruptWeights, "truncated"),
    ],
)
def test_what_is_no_weights_is_refused(content: bytes, error: type[Exception], message: str, tmp_path: Path) -> None:
    folder = official_folder(tmp_path / "official")
    (folder / "stage_c_bf16.safetensors").write_bytes(content)
    with pytest.raises(error, match=message):
        from_official(folder)


@pytest.mark.parametrize("length", [0x80, 0x4B50])
def test_a_header_as_long_as_another_format_begins_is_no_other_format(length: int, tmp_path: Path) -> None:
    content = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header = json.dumps(content).encode().ljust(length)
    place = tmp_path / "model.safetensors"
    place.write_bytes(length.to_bytes(8, "little") + header + bytes(4))
    assert torch.equal(read_weights(place)["a"], torch.zeros(1))


def test_a_pickle_that_runs_code_is_not_loaded(tmp_path: Path) -> None:
    import pickle

    folder = official_folder(tmp_path / "official")
    (folder / "ultrapixel_t2i.safetensors").write_bytes(pickle.dumps({"a": print}))
    with pytest.raises((UnsafeWeights, CorruptWeights)):
        from_official(folder)


def test_missing_files_are_named(tmp_path: Path) -> None:
    folder = official_folder(tmp_path / "official")
    (folder / "stage_a.safetensors").unlink()
    with pytest.raises(MissingWeights, match=r"lacks stage A \(stage_a\.safetensors\)"):
        from_official(folder)
    with pytest.raises(MissingWeights, match="does not exist"):
        from_official(tmp_path / "nowhere")


GROWN = dataclasses.replace(SHORT, growth=Growth(side=128, steps=2, shift=1.0))


def test_large_pictures_are_grown_in_tiles(cascade: UltraPixelPipeline) -> None:
    calls: list[tuple[str, int, int]] = []
    size = (300, 421)
    output = cascade(["cat"], size=size, options=GROWN, on_step=lambda *step: calls.append(step))
    assert GROWN.sizes(size) == [(75, 106), (150, 211), (300, 421)]
    assert output.pictures.shape == (1, *size, 3)
    assert output.semantic.shape[2:] == cascade.geometry.semantic(size)
    twice = ["low"] * 2 + ["capture"] + ["high"] * 2 + ["decode"] * 2 + 2 * (["grow"] * 2 + ["decode"] * 2)
    assert [part for part, _, _ in calls] == twice
    again = cascade(["house", "cat"], size=size, seeds=[1, 0], options=GROWN)
    differs = np.abs(again.pictures[1].astype(int) - output.pictures[0]) > 1
    assert differs.mean() < 0.1, "the same whatever its mates, but for what random weights make of rounding"
    work = cascade.estimate(size, options=GROWN).flops
    assert work["grow"] > work["low"]


def test_what_is_grown_is_the_smaller_picture_larger(cascade: UltraPixelPipeline) -> None:
    """Tiles are told what the smaller picture shows where they are."""
    smaller = torch.zeros(1, 3, 64, 96)
    smaller[:, :, :, 48:] = 1
    size = (128, 192)
    places = tiles(cascade.geometry.semantic(size), 3)
    shown = [float(tile.part_of(smaller, size, cascade.geometry).mean()) for tile in places]
    middles = [(tile.columns.start + tile.columns.stop) / 2 for tile in places]
    assert (np.diff(np.array(shown)[np.argsort(middles, kind="stable")]) >= 0).all(), "brighter to the right"
    covered = np.zeros(cascade.geometry.semantic(size))
    for tile in places:
        covered[tile.rows, tile.columns] += 1
    assert covered.min() >= 1


def test_what_is_grown_has_no_image_to_start_from(cascade: UltraPixelPipeline) -> None:
    with pytest.raises(UsageError, match="grown"):
        cascade(["cat"], size=(300, 420), image=torch.rand(1, 3, 300, 420), strength=0.5, options=GROWN)


def test_larger_pictures_keep_the_colours_of_smaller_ones() -> None:
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 192), torch.linspace(0, 1, 128), indexing="ij")
    larger = torch.stack([rows, columns, rows * columns])[None]
    smaller = 0.8 * torch.nn.functional.interpolate(larger, size=(96, 64), mode="area") + 0.1
    kept = with_colours_of(smaller, larger)
    means = [torch.nn.functional.interpolate(each, size=(3, 2), mode="area") for each in (smaller, larger, kept)]
    assert (means[2] - means[0]).abs().mean() < 0.2 * (means[1] - means[0]).abs().mean()
