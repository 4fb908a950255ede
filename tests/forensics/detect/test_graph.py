"""A detector's ONNX file says what the detector says, at sizes smaller, larger and longer than it works at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from oddpixel.errors import ModelError, UsageError
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.graph import export as exporting
from oddpixel.forensics.detect.graph.export import export_detector
from oddpixel.forensics.detect.normals import in_memory
from oddpixel.forensics.detect.store import save
from tests.test_cli import oddpixel

SIZE = (96, 128)


def surface(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A rough surface in colour, with a bright cross at the same place."""
    generator = np.random.default_rng(seed)
    picture = generator.normal(120, 20, (*size, 3))
    picture[size[0] // 2 :: size[0], :] += 60
    picture[:, size[1] // 3 : size[1] // 3 + 3] += 60
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Of 24 surfaces."""
    return Detector(chooses=False, side=160).fit([surface(seed) for seed in range(24)])


@pytest.mark.parametrize("size", [SIZE, (40, 56), (300, 173)], ids=["its own", "smaller", "reduced"])
def test_score_p_value_and_map_are_the_detectors(detector: Detector, size: tuple[int, int], tmp_path: Path) -> None:
    import onnxruntime

    path = tmp_path / "detector.onnx"
    assert export_detector(detector, size, path) < 1e-3
    session = onnxruntime.InferenceSession(path)
    odd = surface(99, size)
    odd[10:30, 12:34] = 30
    for pixels in (surface(98, size), odd):
        score, p_value, heat = session.run(None, {"pixels": pixels})
        judged = detector.judge(in_memory(pixels, 0))
        assert float(score) == pytest.approx(judged.raw, abs=1e-3)
        assert float(p_value) == pytest.approx(float(detector.calibrated_.p_values(np.array([judged.raw]))[0]))
        np.testing.assert_allclose(heat, judged.heat, atol=2e-3)


def test_its_metadata_say_what_it_is(detector: Detector, tmp_path: Path) -> None:
    import onnxruntime

    export_detector(detector, SIZE, tmp_path / "detector.onnx")
    about = json.loads(
        onnxruntime.InferenceSession(tmp_path / "detector.onnx").get_modelmeta().custom_metadata_map["oddpixel"]
    )
    assert (about["height"], about["width"], about["encoder"]) == (*SIZE, "efficientnet-lite0")
    assert about["smallest_p_value"] == 1 / (about["calibration_groups"] + 1)


def test_a_graph_that_says_something_else_is_not_kept(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "TOLERATED", -1.0)
    with pytest.raises(ModelError, match="not kept"):
        export_detector(detector, SIZE, tmp_path / "detector.onnx")
    assert not list(tmp_path.iterdir())


def test_what_no_graph_is_written_of_is_named(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="16 to 8192 pixels"):
        export_detector(detector, (8, 8), tmp_path / "detector.onnx")
    deep = Detector(chooses=False, channels=["encoder vector"])
    deep.fit([surface(seed)[..., 0].astype(np.uint16) * 64 for seed in range(24)])
    with pytest.raises(UsageError, match="8 bits"):
        export_detector(deep, SIZE, tmp_path / "detector.onnx")
    without = Detector(chooses=False, encoder=None).fit([surface(seed)[:32, :32] for seed in range(24)])
    with pytest.raises(UsageError, match="an encoder"):
        export_detector(without, SIZE, tmp_path / "detector.onnx")


def test_by_command(detector: Detector, tmp_path: Path) -> None:
    save(detector, tmp_path / "detector")
    made = oddpixel("onnx", "--detector", tmp_path / "detector", "--size", "96x128", "-o", tmp_path / "one.onnx")
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == str(tmp_path / "one.onnx")
    assert "deviations from the detector's own" in made.stderr
    assert (tmp_path / "one.onnx").stat().st_size > 5e6
    for wrong in (("--detector", tmp_path / "detector"), (), ("--model", "photo-grey", "--size", "3x3")):
        refused = oddpixel("onnx", *wrong)
        assert refused.returncode == 2
        assert refused.stderr.startswith("UsageError")
