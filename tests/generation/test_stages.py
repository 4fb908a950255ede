"""Networks of the cascade: tiles, guidance, full-size names and shapes on the meta device."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import torch
from diffusers import StableCascadeUNet
from torch import Tensor, nn

from oddpixel.errors import UsageError, WrongArchitecture
from oddpixel.generation.conditions.tokens import Conditions
from oddpixel.generation.guidance.guided import PLACES, GuidanceNetworks, GuidedStageC, Plan
from oddpixel.generation.guidance.implicit import BAND_LIMITED, ImplicitGuidance, ImplicitOptions
from oddpixel.generation.guidance.scale_norm import scale_of
from oddpixel.generation.guidance.strength import published, smooth
from oddpixel.generation.official import names, sizes
from oddpixel.generation.stages import stage_b, stage_c
from oddpixel.generation.stages.previewer import Previewer
from oddpixel.generation.stages.semantic import EfficientNetEncoder
from oddpixel.generation.stages.stage_a import StageA, StageAOptions, receptive_margin, work_ratio
from oddpixel.generation.stages.unet import CascadeUNet
from oddpixel.weights import load_weights
from tests.conftest import ROOT
from tests.generation import tiny

OFFICIAL = ROOT / "tests/fixtures/ultrapixel/official_keys.json.gz"


def prompted(count: int = 2) -> Conditions:
    return Conditions(torch.randn(count, 1, 8), torch.randn(count, 3, 8), torch.randn(count, 1, 4))


@pytest.fixture(scope="module")
def published_a() -> StageA:
    """As deep as the published stage A, narrow, with gains that let everything through."""
    torch.manual_seed(0)
    stage = StageA(StageAOptions(hidden=8, codes=8))
    for parameter in stage.parameters():
        parameter.data.normal_(std=0.3)
    return stage.eval()


@torch.no_grad()
def test_tiles_of_stage_a_equal_the_whole(published_a: StageA) -> None:
    assert published_a.options.margin == receptive_margin(published_a) == 13
    latent = torch.randn(1, 4, 75, 94)
    whole = published_a.decode(latent)
    assert torch.allclose(published_a.decode_tiled(latent, tile=32), whole, atol=1e-5 * float(whole.abs().max()))
    off = published_a.decode_tiled(latent, tile=32, margin=4) - whole
    assert float(off.abs().max()) > 1e-3 * float(whole.abs().max())


def test_tiles_cost_little_more_than_the_whole() -> None:
    assert work_ratio(1024, 1024, tile=128, margin=13) <= 1.6


@torch.no_grad()
def test_without_guidance_stage_c_is_bitwise_diffusers() -> None:
    stage = tiny.stage_c()
    theirs = StableCascadeUNet.from_config(stage.unet.config).eval()
    theirs.load_state_dict(stage.unet.state_dict())
    x, t, conditions = torch.randn(2, 4, 5, 7), torch.tensor([0.3, 0.9]), prompted()
    ours = stage.predict_noise(x, t, conditions)
    plain = theirs(x, t, conditions.pooled, conditions.text, conditions.picture).sample
    assert torch.equal(ours, plain)
    _, features = stage.capture(x[:, :, :3, :4], t, conditions)
    assert not torch.equal(stage.predict_noise(x, t, conditions, Plan(features)), plain)
    assert torch.equal(stage.predict_noise(x, t, conditions), plain)  # and guidance leaves no trace


def test_time_is_embedded_in_float32_under_bfloat16() -> None:
    unet = tiny.stage_c().unet
    exact = unet.get_timestep_ratio_embedding(torch.tensor([0.1234]))
    rough = unet.bfloat16().get_timestep_ratio_embedding(torch.tensor([0.1234]))
    assert rough.dtype == torch.bfloat16
    assert torch.allclose(rough.float(), exact, atol=5e-3)


@torch.no_grad()
def test_implicit_maps_agree_where_places_coincide_and_in_areas() -> None:
    torch.manual_seed(0)
    common = {"width": 16, "inner": 16, "heads": 4, "head_width": 4, "hidden": 32, "groups": 4, "positions": 1024}
    mismatch = {}
    for finest in (BAND_LIMITED.finest, 1024.0):
        network = ImplicitGuidance(ImplicitOptions(**common, finest=finest)).eval()  # type: ignore[arg-type]
        matrices = network.written(network.weight_tokens(torch.randn(1, 16, 24, 24)))
        low, high = network.map(matrices, (24, 24)), network.map(matrices, (72, 72))
        assert torch.allclose(high[..., 1::3, 1::3], low, atol=2e-3 if finest > 8 else 1e-4)
        means = nn.functional.avg_pool2d(high, 3)
        mismatch[finest] = float((means - low).std() / low.std())
    assert mismatch[8.0] <= 0.1
    assert mismatch[1024.0] > 0.3  # why the published band is not ours


def test_strength_of_guidance() -> None:
    sizes_ = ((71, 72), (72, 72), (95, 96), (96, 96))
    assert [published(*size) for size in sizes_] == [0.3, 0.5, 0.5, 0.7]
    assert [smooth(*size) for size in ((48, 48), (72, 72), (96, 96), (144, 144))] == pytest.approx([0.3, 0.5, 0.7, 0.7])
    assert 0.3 < smooth(60, 60) < 0.5
    assert scale_of(24, 24) == 1


def test_a_low_resolution_feature_beyond_what_was_learned() -> None:
    network = ImplicitGuidance(tiny.IMPLICIT)
    with pytest.raises(UsageError, match="has 64 positions"):
        network.weight_tokens(torch.randn(1, 16, 9, 9))


def test_guidance_kept_for_a_sampling_equals_guidance_made_anew() -> None:
    stage = tiny.stage_c()
    x, t, conditions = torch.randn(2, 4, 8, 8), torch.tensor([0.4, 0.4]), prompted()
    with torch.no_grad():
        _, features = stage.capture(torch.randn(2, 4, 4, 4), t, conditions)
        plan = Plan(features)
        first = stage.predict_noise(x, t, conditions, plan)
        cached = stage.predict_noise(x, t, conditions, plan)
    assert torch.equal(first, cached)
    assert torch.equal(first, stage.predict_noise(x, t, conditions, Plan(features, remember=False)).detach())


def test_only_guidance_takes_gradients_and_checkpointing_changes_none() -> None:
    stage = tiny.stage_c()
    stage.unet.requires_grad_(False)
    x, t, conditions = torch.randn(2, 4, 8, 8), torch.tensor([0.4, 0.7]), prompted()
    with torch.no_grad():
        _, features = stage.capture(torch.randn(2, 4, 4, 4), t, conditions)
    gradients: list[dict[str, Tensor]] = []
    for checkpointing in (False, True):
        stage.unet.gradient_checkpointing = checkpointing
        stage.unet._gradient_checkpointing_func = _checkpointed
        stage.zero_grad()
        stage.predict_noise(x, t, conditions, Plan(features, remember=False)).square().mean().backward()
        gradients.append({name: p.grad.clone() for name, p in stage.named_parameters() if p.grad is not None})
    assert gradients[0]
    assert all(name.startswith("networks.") for name in gradients[0])
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.allclose(gradients[0][name], gradients[1][name], atol=1e-6) for name in gradients[0])


def _checkpointed(module: nn.Module, *args: Any) -> Any:
    return torch.utils.checkpoint.checkpoint(module, *args, use_reentrant=False)


@pytest.fixture(scope="module")
def official() -> dict[str, dict[str, Tensor]]:
    modules = json.loads(gzip.decompress(OFFICIAL.read_bytes()))["modules"]
    return {
        name: {key: torch.empty(shape, device="meta") for key, shape in about["keys"].items()}
        for name, about in modules.items()
    }


@pytest.mark.parametrize(("name", "parameters"), [("stage_c_3_6b", 3_589_103_632), ("stage_c_1b", 1_030_785_040)])
def test_stage_c_at_full_size(name: str, parameters: int, official: dict[str, dict[str, Tensor]]) -> None:
    options = sizes.stage_c(official[name])
    assert options == {"stage_c_3_6b": stage_c.LARGE, "stage_c_1b": stage_c.SMALL}[name]
    with torch.device("meta"):
        unet = stage_c.build_stage_c(options)
    load_weights(unet, names.unet(official[name]))
    assert _count(unet) == parameters


@pytest.mark.parametrize(("name", "parameters"), [("stage_b_3b", 1_562_941_136), ("stage_b_lite_700m", 699_471_248)])
def test_stage_b_at_full_size(name: str, parameters: int, official: dict[str, dict[str, Tensor]]) -> None:
    options = sizes.stage_b(official[name])
    with torch.device("meta"):
        unet = stage_b.build_stage_b(options)
        constant = stage_b.build_stage_b({"stage_b_3b": stage_b.LARGE, "stage_b_lite_700m": stage_b.LITE}[name])
    load_weights(unet, names.unet(official[name]))
    load_weights(constant, names.unet(official[name]))
    assert _count(unet) == parameters


def test_the_other_parts_at_full_size(official: dict[str, dict[str, Tensor]]) -> None:
    with torch.device("meta"):
        a, encoder, previewer = StageA(StageAOptions()), EfficientNetEncoder(), Previewer()
    load_weights(a, names.stage_a(official["stage_a"]))
    load_weights(encoder, official["effnet_encoder"])
    load_weights(previewer, official["previewer"])
    assert [_count(a), _count(encoder), _count(previewer)] == [18_406_894, 20_197_968, 3_979_651]


@pytest.mark.parametrize("prefix", ["module.64.", "7.", "module.3."])
def test_guidance_at_full_size_whatever_its_numbers(prefix: str, official: dict[str, dict[str, Tensor]]) -> None:
    up = prefix.replace("64", "65").replace("7", "8").replace("3", "4")
    renamed = {
        key.replace("module.64.", prefix).replace("module.65.", up): value
        for key, value in official["ultrapixel_extras"].items()
    }
    ours = names.guidance(renamed)
    options = sizes.guidance(ours)
    assert options == ImplicitOptions()
    with torch.device("meta"):
        networks = GuidanceNetworks(options)
    load_weights(networks, ours)
    unused = 4 * 2 * (2048 * 2048 + 2048)
    assert _count(networks) == 105_524_224 - unused
    assert set(networks.at) == set(PLACES)


def test_files_mixed_up_are_refused(official: dict[str, dict[str, Tensor]]) -> None:
    with pytest.raises(WrongArchitecture, match="not weights of stage C"):
        sizes.stage_c(official["stage_b_3b"])
    with pytest.raises(WrongArchitecture, match="not weights of stage B"):
        sizes.stage_b(official["stage_c_1b"])
    with pytest.raises(WrongArchitecture, match="not a weight of UltraPixel"):
        names.guidance(official["stage_a"])
    with torch.device("meta"):
        small = stage_c.build_stage_c(stage_c.SMALL)
    with pytest.raises(WrongArchitecture, match="and 1546 more"):
        load_weights(small, names.unet(official["stage_c_3_6b"]))


def test_training_starts_from_a_network_that_says_nothing() -> None:
    unet = CascadeUNet.from_config(tiny.stage_c().unet.config)
    unet.initialise()
    conditions = prompted(1)
    noise = unet.predict_noise(torch.randn(1, 4, 6, 6), torch.tensor([0.5]), **conditions.arguments()).detach()
    assert float(noise.abs().max()) == 0


def test_each_sample_may_have_its_own_scale() -> None:
    stage = tiny.stage_c()
    x, t, conditions = torch.randn(2, 4, 4, 4), torch.tensor([0.3, 0.3]), prompted()
    both = stage.predict_noise(x, t, conditions, sca=torch.tensor([0.1, 0.8]))
    second = stage.predict_noise(x[1:], t[1:], conditions.at(slice(1, 2)), sca=torch.tensor([0.8]))
    assert torch.allclose(both[1:], second, atol=1e-5)


def test_a_second_stage_c_on_the_same_network_is_another_object() -> None:
    stage = tiny.stage_c()
    second = GuidedStageC(stage.unet)
    x, t, conditions = torch.randn(1, 4, 4, 4), torch.tensor([0.3]), prompted(1)
    _, features = second.capture(x, t, conditions)
    assert set(features) == set(PLACES)
    assert torch.equal(second.predict_noise(x, t, conditions), stage.predict_noise(x, t, conditions))


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
