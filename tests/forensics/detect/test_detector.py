"""The detector: learns from normals, keeps its word, says why, survives being saved, and refuses what it cannot do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

from oddpixel.errors import CalibrationTooSmall, CorruptWeights, MissingWeights, RunError, UsageError
from oddpixel.forensics.detect import channels, store
from oddpixel.forensics.detect.channels import Context
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.evidence import Evidence
from oddpixel.forensics.detect.normals import images_of
from oddpixel.forensics.detect.observation import Observer
from oddpixel.forensics.detect.prepare import Preparation
from oddpixel.image import Image
from tests.shared import surfaces

SIDE = 40


class Colours(nn.Module):
    """An encoder of the caller's own: mean, deviation and gradients of cells of 8 pixels."""

    def forward(self, x):  # type: ignore[no-untyped-def]
        grey = x.mean(1, keepdim=True)
        maps = [grey, grey**2, (grey[..., 1:] - grey[..., :-1]).abs(), (grey[..., 1:, :] - grey[..., :-1, :]).abs()]
        import torch

        return torch.cat([nn.functional.adaptive_avg_pool2d(part, x.shape[2] // 8) for part in maps], 1)


def colours() -> nn.Module:
    return Colours()


def surface(seed: int, side: int = SIDE) -> np.ndarray:
    """Smooth noise around mid-grey."""
    from scipy.ndimage import gaussian_filter

    grey = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 1.2, mode="wrap")
    return np.clip(128 + 40 * grey / grey.std(), 0, 255).astype(np.uint8)


ODD = {
    "noise": np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype(np.uint8),
    "constant": np.full((SIDE, SIDE), 128, np.uint8),
    "stripes": np.tile(np.array([40, 40, 210, 210], np.uint8), (SIDE, SIDE // 4)),
}


@pytest.fixture(scope="module")
def fitted() -> Detector:
    return Detector(encoder=Colours(), chooses=False).fit([surface(k) for k in range(60)])


@pytest.fixture(scope="module")
def plain() -> Detector:
    return store.load(surfaces(44))


@pytest.mark.parametrize("kind", ODD)
def test_odd_images_are_flagged_with_a_reason(fitted: Detector, kind: str) -> None:
    score = fitted.explain(next(iter(images_of([ODD[kind]]))))
    assert score.flagged
    assert score.p_value == pytest.approx(1 / 37)
    assert score.reasons[0].because
    assert score.map is not None
    assert score.map.shape == (SIDE, SIDE)


def test_of_a_normal_image_nothing_unusual_is_said(fitted: Detector) -> None:
    scores = [fitted.explain(image) for image in images_of([surface(k) for k in range(900, 906)])]
    reasons = [reason for score in scores for reason in score.reasons if reason.p_value is not None]
    assert any(reason.p_value > 0.2 for reason in reasons)
    assert all((reason.because == "nothing unusual by itself") == (reason.p_value > 0.2) for reason in reasons)


def test_scikit_learn_conventions(fitted: Detector) -> None:
    images = [surface(900), *ODD.values()]
    assert fitted.predict(images).tolist() == [1, -1, -1, -1]
    assert np.array_equal(fitted.score_samples(images), -fitted.score(images))
    assert ((fitted.decision_function(images) >= 0) == (fitted.predict(images) == 1)).all()
    copy = clone(Detector(alpha=0.1, side=64))
    assert copy.get_params()["alpha"] == 0.1
    with pytest.raises(NotFittedError):
        copy.predict(images)


@pytest.mark.parametrize(
    "check",
    [
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
        "check_set_params",
        "check_parameters_default_constructible",
        "check_estimator_cloneable",
        "check_estimator_repr",
    ],
)
def test_scikit_learns_own_checks_as_far_as_images_allow(check: str) -> None:
    """The others feed tables of numbers, which are no images."""
    from sklearn.utils import estimator_checks

    getattr(estimator_checks, check)("Detector", Detector())


def test_few_normal_images_are_flagged(fitted: Detector) -> None:
    flagged = int((fitted.predict([surface(k) for k in range(1000, 1060)]) == -1).sum())
    assert flagged <= 8, "5 % of 60, and what chance and a calibration of 36 may add"


def test_predict_is_what_the_p_values_say(plain: Detector) -> None:
    images = [surface(k) for k in range(500, 520)] + list(ODD.values())
    for alpha in (0.05, 0.2, 0.5):
        plain.alpha = alpha
        assert ((plain.p_values(images) <= alpha) == (plain.predict(images) == -1)).all()
    plain.alpha = 0.05


def test_saved_and_loaded_it_says_the_same(plain: Detector, tmp_path: Path) -> None:
    store.save(plain, tmp_path / "d")
    loaded = store.load(tmp_path / "d")
    images = [surface(77), ODD["noise"]]
    assert np.array_equal(loaded.score(images), plain.score(images))
    assert (
        loaded.explain(next(iter(images_of([images[1]])))).reasons
        == plain.explain(next(iter(images_of([images[1]])))).reasons
    )
    assert {path.suffix for path in (tmp_path / "d").iterdir()} <= {".json", ".safetensors", ".parquet", ".md"}
    assert "groups" in (tmp_path / "d/README.md").read_text()


@pytest.mark.parametrize("name", ["channels.safetensors", "calibration.parquet", "detector.json"])
def test_a_changed_folder_is_refused(plain: Detector, tmp_path: Path, name: str) -> None:
    store.save(plain, tmp_path / "d")
    whole = (tmp_path / "d" / name).read_bytes()
    (tmp_path / "d" / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptWeights):
        store.load(tmp_path / "d")
    with pytest.raises(MissingWeights, match="oddpixel fit"):
        store.load(tmp_path / "nothing")


def test_another_version_of_a_bundled_model_matters_where_a_channel_asks_it(
    plain: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Detector(channels=["density vector"], chooses=False).fit([surface(k) for k in range(44)])
    store.save(plain, tmp_path / "plain")
    store.save(asking, tmp_path / "asking")
    later = store.find_model("photo-rgb")
    monkeypatch.setattr(store, "find_model", lambda model: later)
    assert np.array_equal(store.load(tmp_path / "plain").score([ODD["noise"]]), plain.score([ODD["noise"]]))
    with pytest.raises(CorruptWeights, match="photo-grey has changed"):
        store.load(tmp_path / "asking")


def test_saving_never_touches_strangers(plain: Detector, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="something other"):
        store.save(plain, tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_a_folder_may_not_name_code_to_run(plain: Detector, tmp_path: Path) -> None:
    store.save(plain, tmp_path / "d")
    path = tmp_path / "d/detector.json"
    record = json.loads(path.read_text()) | {"encoder": "os:getcwd"}
    path.write_text(json.dumps(record))
    with pytest.raises(CorruptWeights, match="encoder changed"):
        store.load(tmp_path / "d")
    weights = tmp_path / "d/channels.safetensors"
    save_file(load_file(weights), weights)  # as earlier versions did, without the digests of its settings
    path.write_text(json.dumps(record | {"channels_sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}))
    with pytest.raises(UsageError, match="name it again"):
        store.load(tmp_path / "d")


def test_calibrating_on_what_was_fitted_to_is_refused(plain: Detector) -> None:
    images = list(images_of([surface(k) for k in range(44)]))
    with pytest.raises(UsageError, match="is remembered"):
        plain.calibrate(images)


def test_more_normals_never_raise_a_score(tmp_path: Path) -> None:
    """What keeps the old calibration valid. A planted violation (new banks instead of larger ones) would."""
    detector = Detector(encoder=Colours(), chooses=False).fit([surface(k) for k in range(24)])
    images = [surface(k) for k in range(300, 312)] + list(ODD.values())
    before = detector.score(images)
    detector.update([surface(k) for k in range(400, 420)])
    after = detector.score(images)
    assert (after <= before + 1e-6).all()
    assert (after < before - 1e-6).any()
    detector.update([surface(k) for k in range(24)])
    assert np.array_equal(detector.score(images), after), "what is remembered already is not taken in twice"
    detector.calibrate([surface(k) for k in range(600, 612)])
    with pytest.raises(UsageError, match="calibrated on"):
        detector.update([surface(k) for k in range(600, 612)])


def test_bad_normals_are_named(save: Callable[..., Path]) -> None:
    with pytest.raises(CalibrationTooSmall, match="no normal images"):
        Detector(chooses=False).fit([])
    with pytest.raises(CalibrationTooSmall, match="at least 2 normal groups.*got 1 with"):
        Detector(chooses=False).fit([surface(0)])
    with pytest.raises(CalibrationTooSmall, match="got 1 with 30 images"):
        Detector(chooses=False).fit([surface(k) for k in range(30)], groups=["one"] * 30)
    (one,) = images_of([surface(0)])
    assert isinstance(one, Image)
    slices = [replace(one, unit="HU", source=f"slice-{k}", pixels=one.pixels + k) for k in range(3)]
    with pytest.raises(UsageError, match=r"several kinds \(3 in HU, such as slice-0, 1 in display"):
        Detector(chooses=False).fit([*slices, one])
    with pytest.raises(UsageError, match="floating-point values must lie in 0..1"):
        Detector(chooses=False).fit([np.full((40, 40), 7.0)])


def test_duplicates_nan_and_corrupt_files_are_left_out_and_said(save: Callable[..., Path]) -> None:
    from oddpixel import open_source

    for k in range(22):
        save(surface(k), f"in/{k:02d}.png")
    folder = save(surface(3), "in/again.png").parent
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    nan = next(iter(images_of([surface(50)])))
    broken = replace(nan, pixels=np.where(nan.pixels > 0.5, np.nan, nan.pixels).astype(np.float32), source="nan")
    detector = Detector(chooses=False).fit([*open_source(folder), broken])
    said = "\n".join(detector.left_out_)
    assert "same picture" in said
    assert "broken.png: CorruptFile" in said
    assert "nan: InvalidImage" in said
    assert detector.calibrated_.num_groups == 13


def test_groups_stay_on_one_side() -> None:
    groups = [f"patient-{k // 3}" for k in range(48)]
    detector = Detector(chooses=False).fit([surface(k) for k in range(48)], groups=groups)
    calibrating = {row.group for row in detector.calibrated_.rows}
    assert len(calibrating) == detector.calibrated_.num_groups == 10
    assert len(detector.calibrated_.rows) == 30


def test_a_memory_without_room_for_all_has_some_of_every_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """One large group would fill it, and then be compared with itself."""
    from oddpixel.forensics.detect.channels import places

    monkeypatch.setattr(places, "MOST_IMAGES", 12)
    groups = ["large"] * 20 + [f"small-{k}" for k in range(8)]
    detector = Detector(chooses=False, encoder=Colours(), channels=["place patches"], calibration_share=0.9).fit(
        [surface(k) for k in range(28)], groups=groups
    )
    channel = detector.channels_["place patches"]
    assert isinstance(channel, places.PlacePatches)
    assert len(channel.images) == 12
    assert len(set(channel.groups)) > 5
    assert detector.left_out_ == ()


def test_mixed_sizes_and_colour_are_taken(plain: Detector) -> None:
    wide = np.repeat(np.tile(surface(5), (1, 3))[..., None], 3, 2)
    assert np.isfinite(plain.score([wide, surface(6, 17), surface(7, 700)])).all()


@pytest.fixture(scope="module")
def observations() -> list:  # type: ignore[type-arg]
    from oddpixel.forensics.density.store import load_pyramid

    observe = Observer(load_pyramid("photo-grey"), Colours(), {"density", "probes"})
    prepare = Preparation(unit="display", side=64)
    return [observe(prepare(image)) for image in images_of([*(surface(k) for k in range(14)), ODD["noise"]])]


@pytest.mark.parametrize("kind", channels.kinds())
def test_every_channel_keeps_the_contract(kind: str, observations: list, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[type-arg]
    from oddpixel.forensics.density.store import load_pyramid
    from oddpixel.forensics.detect.channels import patch_ratio

    monkeypatch.setattr(patch_ratio, "STEPS", 20)
    monkeypatch.setattr(patch_ratio, "COMPONENTS", 4)
    context = Context(Observer(load_pyramid("photo-grey")).names, 14)
    normals, odd = observations[:-1], observations[-1]
    channel, again = channels.kinds()[kind](), channels.kinds()[kind]()
    groups = [str(index) for index in range(len(normals))]
    for each in (channel, again):
        each.fit(normals, context)
        for normal, group in zip(normals, groups, strict=True):
            each.remember(normal, group)
        each.settle(normals, groups)
    look = channel.look(odd)
    assert np.isfinite(look.score)
    assert look.score == again.look(odd).score, "deterministic"
    restored = channels.kinds()[kind]()
    restored.restore(channel.state())
    assert restored.look(odd).score == look.score
    assert restored.look(odd).why == look.why != ""
    assert look.heat is None or (look.heat.ndim == 2 and np.isfinite(look.heat).all())
    left_out = [channel.look(odd, without=group).score for group in groups]
    if kind != "coarse picture":  # its memory holds nobody who is calibrated on
        assert look.score <= min(left_out) + 1e-9, "what the promise rests on"
    assert channel.look(normals[0], without="0").score >= channel.look(normals[0]).score - 1e-9
    for normal in normals[:3]:
        channel.add(normal)
    assert channel.look(odd).score <= look.score + 1e-9


def test_channels_are_named_by_those_who_want_others() -> None:
    with pytest.raises(UsageError, match="no channel 'tea leaves'"):
        Detector(channels=["tea leaves"]).fit([surface(k) for k in range(12)])
    with pytest.raises(UsageError, match="needs an encoder"):
        Detector(encoder=None, channels=["encoder patches"]).fit([surface(k) for k in range(12)])


def test_evidence_rises_without_a_jump() -> None:
    evidence = Evidence(np.random.default_rng(0).normal(size=400))
    grid = np.linspace(-4, 12, 2000)
    values = evidence(grid)
    assert (np.diff(values) >= -1e-12).all()
    assert values[0] == pytest.approx(0, abs=1e-9)
    assert values[-1] > 5, "beyond the largest normal it goes on"
    assert np.abs(np.diff(values)).max() < 0.2


def test_the_same_normals_give_the_same_detector_byte_for_byte(tmp_path: Path) -> None:
    for name in ("one", "other"):
        store.save(
            Detector(channels=["density vector", "place patches"], chooses=False).fit([surface(k) for k in range(24)]),
            tmp_path / name,
        )
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert "channels.safetensors" in files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes(), file
