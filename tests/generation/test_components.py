"""The semantic latent is an exact projection, latents have unit deviation, and crops look as pictures of their kind do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from oddpixel.generation.schedule import CosineSchedule, add_noise, alpha_sigma
from oddpixel.generation.stages.components import ComponentEncoder
from oddpixel.generation.stages.stage_a import StageA, StageAOptions
from oddpixel.generation.stages.stage_b import build_stage_b
from oddpixel.generation.training.linear_start import can_start, start_from_components
from oddpixel.generation.training.pictures import Pictures
from oddpixel.generation.training.slices import CT_WINDOW, slices_of
from oddpixel.generation.training.stage_a import psnr, settle
from oddpixel.training import TrainingOptions
from tests.generation import tiny


def crops(photo: np.ndarray, count: int = 24, side: int = 64) -> torch.Tensor:
    return pictures(photo).crops(count, side, torch.Generator().manual_seed(0))[0]


def pictures(photo: np.ndarray, **options: object) -> Pictures:
    stored = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))
    return Pictures((stored,), (1,), **options)  # type: ignore[arg-type]


def fresh_stage(**options: int) -> StageA:
    torch.manual_seed(0)
    return StageA(StageAOptions(**{"hidden": 24, "blocks": 1, "codes": 16, **options})).eval()


def fitted(photo: np.ndarray) -> tuple[StageA, ComponentEncoder, torch.Tensor]:
    stage = fresh_stage()
    start_from_components(stage, crops(photo))
    encoder = ComponentEncoder(stage, channels=16)
    settle(stage, encoder, pictures(photo))
    with torch.no_grad():
        return stage, encoder, stage.encode(crops(photo))


def test_a_linear_start_beats_four_means(photo: np.ndarray) -> None:
    """Sixteen pixels of three colours in four numbers: better than their mean colour, before any training."""
    stage = fresh_stage()
    start_from_components(stage, crops(photo))
    for name, parameter in stage.named_parameters():
        if name.endswith("gammas"):
            parameter.data.zero_()
    x = crops(photo)
    with torch.no_grad():
        linear = stage.decode(stage.encode(x))
    means = torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(x, 4), scale_factor=4)
    assert psnr(linear, x) > psnr(means, x) + 0.5


def test_a_stage_too_narrow_starts_at_random() -> None:
    assert can_start(fresh_stage())
    assert not can_start(fresh_stage(hidden=16))
    assert not can_start(fresh_stage(levels=3))


def test_standardising_changes_latents_and_no_picture(photo: np.ndarray) -> None:
    stage, x = fresh_stage(), crops(photo)
    tiny.shaken(stage)
    with torch.no_grad():
        latent, codes = stage.encode(x), stage.quantise(x)[1]
        before = stage.decode(latent)
        stage.standardise(latent)
        after = stage.encode(x)
    assert torch.allclose(after.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(after.std((0, 2, 3)), torch.ones(4), atol=1e-4)
    with torch.no_grad():
        assert torch.allclose(stage.decode(after), before, atol=1e-4)
    assert codes.shape == stage.quantise(x)[1].shape


def test_settling_changes_no_picture(photo: np.ndarray) -> None:
    """Also straight out of training, where the normalisation would follow whatever it is shown."""
    stage, x = fresh_stage(), crops(photo)
    start_from_components(stage, x)
    with torch.no_grad():
        before = stage.decode(stage.encode(x))
        stage.train()
        settle(stage, ComponentEncoder(stage, channels=16), pictures(photo), side=64)
        assert torch.allclose(stage.decode(stage.encode(x)), before, atol=1e-3)


def test_a_latent_is_its_semantic_part_and_the_residual(photo: np.ndarray) -> None:
    _, encoder, latent = fitted(photo)
    semantic, residual = encoder.semantic(latent), encoder.residual(latent)
    assert torch.allclose(encoder.joined(semantic, residual), latent, atol=1e-4)
    assert torch.allclose(encoder.semantic(encoder.coarse(semantic)), semantic, atol=1e-4)
    gain = encoder.gain[:, None, None]
    left = (gain * residual * encoder.deviation[:, None, None]).square().sum() / (gain * latent).square().sum()
    assert left < 0.2


def test_no_residual_can_contradict_the_semantic_latent(photo: np.ndarray) -> None:
    _, encoder, latent = fitted(photo)
    semantic = encoder.semantic(latent)
    joined = encoder.joined(semantic, torch.randn(latent.shape, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(encoder.semantic(joined), semantic, atol=1e-4)
    assert not torch.allclose(joined, latent, atol=0.1)


def test_the_encoder_moves_with_its_stage_and_keeps_no_copy_of_it(photo: np.ndarray) -> None:
    stage, encoder, _ = fitted(photo)
    assert set(encoder.state_dict()) == {"weight", "scale", "deviation", "gain"}
    encoder.to(torch.float64)
    assert next(stage.parameters()).dtype == torch.float64


@pytest.mark.parametrize("t", [0.001, 0.5, 1.0])
def test_a_network_that_says_nothing_predicts_the_velocity_zero(t: float) -> None:
    """e_hat = sigma x, hence x_0 = alpha x: finite at every level, where a noise of zero would be x / alpha."""
    b = build_stage_b(dataclasses.replace(tiny.STAGE_B, parametrisation="velocity")).eval()
    b.initialise()
    times = torch.full((1,), t)
    x_0, noise = torch.ones(1, 4, 16, 16), torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    schedule = CosineSchedule()
    x = add_noise(x_0, noise, schedule.log_snr(times))
    alpha, sigma = alpha_sigma(schedule.log_snr(times))
    with torch.no_grad():
        e = b.predict_noise(x, schedule.timestep(times), pooled=torch.zeros(1, 1, 8), semantic=torch.zeros(1, 4, 4, 4))
    assert torch.allclose((x - sigma * e) / alpha, alpha * x, atol=2e-3)


def test_crops_are_upright_and_slices_whole(photo: np.ndarray) -> None:
    rows = np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[:, None], 200, 1)  # bright below
    slope = torch.from_numpy(np.repeat(rows[None], 3, 0))
    many = Pictures((slope, slope), (1, 2), whole=frozenset({2}))
    crops, labels = many.crops(64, 32, torch.Generator().manual_seed(3))
    assert bool((crops[:, :, -1].mean((1, 2)) > crops[:, :, 0].mean((1, 2))).all())
    contrast = crops[:, 0, -1].mean(1) - crops[:, 0, 0].mean(1)
    assert bool((contrast[labels == 2] > 0.7).all())  # the whole of it
    assert bool((contrast[labels == 1] < 0.7).any())


def test_labels_have_their_shares(photo: np.ndarray) -> None:
    small, large = torch.zeros(3, 64, 64, dtype=torch.uint8), torch.zeros(3, 640, 640, dtype=torch.uint8)
    dealt = Pictures((small, large, large), (1, 2, 2), shares={1: 0.5, 2: 0.5})
    _, labels = dealt.crops(400, 32, torch.Generator().manual_seed(0))
    assert 150 < int((labels == 1).sum()) < 250


def test_slices_of_a_ct_are_windowed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    import nibabel

    volume = np.full((40, 30, 5), -1000.0, np.float32)
    volume[5:35, 5:20, 1:4] = np.mean(CT_WINDOW)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "ct.nii.gz")  # type: ignore[attr-defined]
    slices = list(slices_of(tmp_path / "ct.nii.gz", "ct"))
    assert len(slices) == 3  # those that show something
    flipped = nibabel.Nifti1Image(
        volume[:, ::-1], np.diag([1.0, -1.0, 1.0, 1.0])
    )  # the same, stored the other way round
    nibabel.save(flipped, tmp_path / "flipped.nii.gz")  # type: ignore[attr-defined]
    assert all(np.array_equal(a, b) for a, b in zip(slices, slices_of(tmp_path / "flipped.nii.gz", "ct"), strict=True))
    assert all(picture.shape == (3, 40, 40) for picture in slices)
    assert sorted(np.unique(slices[0])) == [0, 128]


def test_training_by_the_clock_ends_and_decays_with_it() -> None:
    options = TrainingOptions(steps=1_000_000, minutes=2, decay="cosine", warm_up_steps=1)
    assert options.rate_factor(10, 0) == pytest.approx(1, abs=1e-6)
    assert options.rate_factor(10, 60) == pytest.approx(0.505, abs=1e-3)
    assert options.rate_factor(10, 120) == pytest.approx(0.01)
    assert options.progress(10, 119.9) < 1 <= options.progress(10, 120)
