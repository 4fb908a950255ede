"""Black and white come from the data or from the normals, never from the width of a container; what was lost is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.errors import CorruptWeights, InvalidImage
from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.detect.levels import WARNING, Extent, Levels, is_usual
from oddpixel.forensics.detect.normals import images_of, take
from oddpixel.forensics.detect.prepare import Preparation
from oddpixel.image import Image
from tests.datasets.dicom_maker import make_slice
from tests.forensics.test_detector import surface

PREPARE = Preparation(unit="display", channels=1, side=64)


def deep(seed: int, bits: int = 12, offset: int = 0) -> np.ndarray:
    """The surfaces of the detector's tests with `bits` bits, at the lower end of 16."""
    rough = np.random.default_rng(1000 + seed).integers(0, 2 ** (bits - 8), (40, 40))
    return (surface(seed).astype(np.uint16) << (bits - 8)) + rough.astype(np.uint16) + np.uint16(offset)


def scan(seed: int, low: float, high: float) -> Image:
    """In a scanner's own unit."""
    (image,) = images_of([surface(seed)])
    assert isinstance(image, Image)
    values = (low + image.pixels * (high - low)).astype(np.float32)
    return replace(image, pixels=values, unit="modality", source=f"scan-{seed}", sha256=f"{seed:064x}", group=f"{seed}")


def prepared(normals: list[object], incoming: object) -> Image:
    levels = take(images_of(normals), PREPARE, learns_levels=True).levels
    (image,) = images_of([incoming])
    return replace(PREPARE, levels=levels)(image)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_deep_images_reach_the_networks_as_their_8_bit_twins(bits: int) -> None:
    image = prepared([deep(k, bits) for k in range(20)], deep(50, bits))
    np.testing.assert_allclose(image.pixels[0] * 255, surface(50), atol=1.01)


def test_values_far_from_zero_keep_their_levels() -> None:
    image = prepared([deep(k, 10, 30_000) for k in range(20)], deep(50, 10, 30_000))
    assert len(np.unique(image.pixels)) > 100


def test_a_scanners_common_scale_is_kept_and_a_shift_is_seen() -> None:
    image = prepared([scan(k, 0, 800) for k in range(20)], scan(50, 0, 800))
    shifted = prepared([scan(k, 0, 800) for k in range(20)], scan(50, 300, 1100))
    assert image.pixels.mean() + 0.2 < shifted.pixels.mean()
    assert any(note.startswith(WARNING) for note in shifted.notes)
    assert all(is_usual(note) for note in image.notes)


def test_scales_that_the_normals_do_not_share_are_each_images_own() -> None:
    normals = [scan(k, 0, 100 * 2 ** (k % 5)) for k in range(20)]
    levels = take(normals, PREPARE, learns_levels=True).levels
    assert levels == Levels(unit="modality")
    image = replace(PREPARE, levels=levels)(scan(50, 0, 50_000))
    assert image.pixels.max() > 0.99


def test_one_hot_normal_does_not_set_the_range() -> None:
    hot = deep(0)
    hot[:6, :6] = 65535
    levels = take(images_of([hot, *(deep(k) for k in range(1, 60))]), PREPARE, learns_levels=True).levels
    assert levels is not None
    assert levels.high == pytest.approx(4095 / 65535)


def test_8_bit_and_declared_depths_say_it_themselves() -> None:
    (image,) = images_of([surface(1)])
    assert isinstance(image, Image)
    assert take([image], PREPARE, learns_levels=True).levels is None
    declared = replace(image, bits=12)
    assert take([declared], PREPARE, learns_levels=True).levels is None
    np.testing.assert_allclose(PREPARE(declared).pixels * 255, np.rint(image.pixels * 255), atol=1e-4)


def test_a_depth_that_the_detector_never_saw_is_refused_and_a_full_one_is_not() -> None:
    (dark,) = images_of([deep(1, 12)])
    with pytest.raises(InvalidImage, match="sBIT"):
        PREPARE(dark)
    (full,) = images_of([deep(1, 16)])
    np.testing.assert_allclose(PREPARE(full).pixels[0] * 255, surface(1), atol=1.01)


def test_masked_values_set_no_range() -> None:
    image = scan(1, 500, 600)
    valid = np.ones(image.pixels.shape[1:], bool)
    valid[:20] = False
    masked = replace(image, pixels=np.where(valid, image.pixels, -9e5).astype(np.float32), valid=valid)
    assert Extent.of(masked).low >= 500


def test_levels_are_kept_with_the_detector(tmp_path: Path) -> None:
    fitted = Detector().fit([deep(k) for k in range(24)])
    loaded = Detector.load(fitted.save(tmp_path / "d"))
    assert loaded.prepare_ == fitted.prepare_
    assert loaded.levels_ == Levels(unit="display", low=0.0, high=4095 / 65535)
    (image,) = images_of([deep(90)])
    assert loaded.judge(image).raw == fitted.judge(image).raw
    assert "0 to 4095" in (tmp_path / "d/README.md").read_text()


def test_folders_of_earlier_versions_open_and_judge_as_before(tmp_path: Path) -> None:
    folder = Detector().fit([surface(k) for k in range(24)]).save(tmp_path / "d")
    record = json.loads((folder / "detector.json").read_text())
    del record["levels"], record["selection"], record["options"]["normal_labels"]
    (folder / "detector.json").write_text(json.dumps(record))
    old = Detector.load(folder)
    (dark,) = images_of([deep(1, 12)])
    assert len(np.unique(old.prepare_(dark).pixels)) < 20, "by the container's width, as it was fitted"
    old.save(tmp_path / "again")
    assert not Detector.load(tmp_path / "again").obeys_depth_


@pytest.mark.parametrize(
    "learned", [{"unit": "feet", "low": 0, "high": 1}, {"unit": "display", "low": 1, "high": 0}, {"unit": "display"}, 7]
)
def test_levels_that_cannot_be_are_a_damaged_detector(learned: object, tmp_path: Path) -> None:
    folder = Detector().fit([surface(k) for k in range(24)]).save(tmp_path / "d")
    record = json.loads((folder / "detector.json").read_text())
    record["levels"]["learned"] = learned
    (folder / "detector.json").write_text(json.dumps(record))
    with pytest.raises(CorruptWeights, match="levels"):
        Detector.load(folder)


def test_a_run_notes_what_was_lost_and_warns_where_it_matters(tmp_path: Path) -> None:
    detector = store.save(Detector().fit([deep(k) for k in range(44)]), tmp_path / "d")
    (tmp_path / "in").mkdir()
    Pillow.fromarray(deep(90)).save(tmp_path / "in/same.png")
    Pillow.fromarray(deep(91, 14)).save(tmp_path / "in/brighter.png")
    found = flag_into(tmp_path / "run", Incoming(places=(str(tmp_path / "in"),)), detector, Rule(alpha=0.1))
    assert found is not None
    notes = {row["item"]: json.loads(row["notes"]) for row in found.rows}
    assert all(is_usual(note) for note in notes["same.png"])
    assert notes["same.png"]
    assert any(note.startswith(WARNING) and "outside the range" in note for note in notes["brighter.png"])
    assert any("1 of 2 images left the range" in warning for warning in found.decision["warnings"])
    assert "outside the range" in (tmp_path / "run/index.html").read_text()


def test_runs_of_earlier_versions_without_notes_are_read(tmp_path: Path) -> None:
    import pandas as pd

    from oddpixel.forensics.run_table import RunTable

    detector = store.save(Detector().fit([surface(k) for k in range(44)]), tmp_path / "d")
    (tmp_path / "in").mkdir()
    Pillow.fromarray(surface(90)).save(tmp_path / "in/x.png")
    found = flag_into(tmp_path / "run", Incoming(places=(str(tmp_path / "in"),)), detector, Rule(alpha=0.1))
    assert found is not None
    (part,) = found.run.parts()
    pd.read_parquet(part).drop(columns="notes").to_parquet(part, index=False)
    (row,) = RunTable(found.run).page()
    assert row["notes"] is None
    assert row["item"] == "x.png"
    again = flag_into(tmp_path / "run", Incoming(places=(str(tmp_path / "in"),)), detector, Rule(alpha=0.2))
    assert again is not None


def test_nothing_of_a_screen_is_drawn_by_any_command(tmp_path: Path) -> None:
    from oddpixel.datasets.source import open_source
    from oddpixel.forensics.audit.audited import Options
    from oddpixel.forensics.audit.run import audit_into
    from oddpixel.forensics.density.measure import measure_source
    from oddpixel.forensics.density.store import load_model
    from oddpixel.forensics.inspect import inspect_into

    detector = store.save(Detector().fit([surface(k) for k in range(44)]), tmp_path / "d")
    colours = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    screen = make_slice(
        tmp_path / "in/screen.dcm", colours, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
        Rows=64, Columns=64, Modality="CT", ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"],
        RescaleSlope=None, RescaleIntercept=None,
    )  # fmt: skip
    (item,) = inspect_into(tmp_path / "inspected", open_source(screen))
    assert "burned into" in str(item["meta"]["notes"])
    found = flag_into(tmp_path / "flagged", Incoming(places=(str(screen),)), detector, Rule(alpha=0.1))
    assert found is not None
    assert "burned into" in found.rows[0]["notes"]
    audit = audit_into(tmp_path / "audited", (str(screen),), Options(), with_pdf=True)
    assert audit.items[0]["error"] is None
    (item,) = measure_source(open_source(screen), load_model("photo-rgb"), maps=tmp_path / "maps")
    assert "burned into" in str(item["notes"])
    drawn = [path for path in tmp_path.rglob("*") if path.suffix in (".webp", ".png", ".jpg")]
    assert drawn == []
    page = next((tmp_path / "audited").rglob("report.html")).read_text()
    assert "data:image" not in page
    assert "No picture, map or visual aid is written" in page
