"""Black and white come from the data or from the normals, never from the width of a container; what was lost is said."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from safetensors.numpy import load_file, save_file

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
from tests.forensics.detect.test_detector import surface
from tests.shared import surfaces

PREPARE = Preparation(unit="display", side=64)


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


def unsealed(folder: Path) -> None:
    """As earlier versions saved it: without the digests of its settings."""
    path = folder / "channels.safetensors"
    save_file(load_file(path), path)
    record = json.loads((folder / "detector.json").read_text())
    record["channels_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "detector.json").write_text(json.dumps(record))


def counts(values: np.ndarray, kind: str) -> Image:
    """The same stored values as a PNG of 16 bits, or a TIFF of signed or real numbers, gives them."""
    pixels = values[None].astype(np.float32)
    unit = "display" if kind == "uint16" else "modality"
    scale = np.float32(65535 if kind == "uint16" else 1)
    (image,) = images_of([surface(0)])
    assert isinstance(image, Image)
    return replace(image, pixels=pixels / scale, unit=unit, bits=16, sha256=kind, source=f"{kind}.x")  # type: ignore[arg-type]


KINDS = ["uint16", "int16", "float32"]


def normals_of(depth: str, kind: str) -> list[Image]:
    """Twenty normals whose stored values reach 255 or 4095, declared or not."""
    found = []
    for k in range(20):
        if depth == "8 bits declared":
            (image,) = images_of([surface(k)])
        elif depth == "12 bits declared":
            (image,) = images_of([deep(k)])
            assert isinstance(image, Image)
            image = replace(image, pixels=image.pixels * np.float32(65535 / 4095), bits=12)
        else:
            image = counts(deep(k), kind)
        assert isinstance(image, Image)
        found.append(replace(image, source=f"{k}", sha256=f"{k}", group=f"{k}"))
    return found


@pytest.mark.parametrize("depth", ["8 bits declared", "12 bits declared", "12 bits"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_values_are_judged_alike_in_every_container(depth: str, kind: str) -> None:
    """Whatever the normals came in: what is learned is about values, not about containers."""
    taken = take(normals_of(depth, kind), PREPARE, learns_levels=True)
    prepare = replace(PREPARE, levels=taken.levels, depths=taken.depths)
    values = surface(50) if depth.startswith("8") else deep(50)
    seen = [prepare(counts(values, each)) for each in KINDS]
    for image in seen:
        np.testing.assert_array_equal(image.pixels, seen[0].pixels)
        assert image.notes == seen[0].notes
        assert all(is_usual(note) for note in image.notes)
    if kind == "uint16" or "declared" in depth:
        np.testing.assert_allclose(seen[0].pixels[0] * 255, surface(50), atol=1.01)


@pytest.mark.parametrize("depth", ["8 bits declared", "12 bits declared", "12 bits"])
@pytest.mark.parametrize(("scale", "offset"), [(1 / 4095, 0), (1, -2000), (1000, 0), (1 / 300, -5)])
def test_values_of_another_range_are_refused_whatever_they_come_in(depth: str, scale: float, offset: float) -> None:
    taken = take(normals_of(depth, "uint16"), PREPARE, learns_levels=True)
    prepare = replace(PREPARE, levels=taken.levels, depths=taken.depths)
    with pytest.raises(InvalidImage, match="stored values run from"):
        prepare(counts(deep(50).astype(np.float64) * scale + offset, "float32"))


def test_a_scanners_units_are_refused_by_a_detector_of_hounsfield_units() -> None:
    normals = [replace(scan(k, -1000, 1000), unit="HU") for k in range(20)]
    taken = take(normals, PREPARE, learns_levels=True)
    assert (taken.levels, taken.depths) == (None, ())
    with pytest.raises(InvalidImage, match="HU"):
        replace(PREPARE, levels=None, depths=())(scan(50, 0, 800))


def test_a_model_of_hounsfield_units_says_what_it_takes() -> None:
    model = Preparation(unit="HU", side=64)
    (picture,) = images_of([surface(1)])
    for image, why in ((scan(1, 0, 800), "not known to be Hounsfield units"), (picture, "grey levels or colours")):
        with pytest.raises(InvalidImage, match=why) as caught:
            model(image)
        assert "--model photo-grey" in str(caught.value)


def test_what_lies_outside_of_its_own_range_is_no_warning_and_called_so() -> None:
    normals = [scan(k, 0, 100 * 2 ** (k % 5)) for k in range(20)]
    levels = take(normals, PREPARE, learns_levels=True).levels
    image = scan(50, 0, 50_000)
    rough = replace(image, pixels=image.pixels + np.random.default_rng(0).random(image.pixels.shape, np.float32))
    (note,) = replace(PREPARE, levels=levels)(rough).notes
    assert "of its own values" in note
    assert "detector takes" not in note
    assert is_usual(note)


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
    fitted = Detector(chooses=False).fit([deep(k) for k in range(24)])
    loaded = store.load(store.save(fitted, tmp_path / "d"))
    assert loaded.prepare_ == fitted.prepare_
    assert loaded.levels_ == Levels(unit="display", low=0.0, high=4095 / 65535)
    (image,) = images_of([deep(90)])
    assert loaded.judge(image).raw == fitted.judge(image).raw
    assert "0 to 4095" in (tmp_path / "d/README.md").read_text()


def test_folders_of_earlier_versions_open_and_judge_as_before(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(surfaces(24), tmp_path / "d"))
    record = json.loads((folder / "detector.json").read_text())
    del record["levels"], record["selection"], record["options"]["normal_labels"]
    (folder / "detector.json").write_text(json.dumps(record))
    unsealed(folder)
    old = store.load(folder)
    (dark,) = images_of([deep(1, 12)])
    assert len(np.unique(old.prepare_(dark).pixels)) < 20, "by the container's width, as it was fitted"
    store.save(old, tmp_path / "again")
    assert not store.load(tmp_path / "again").obeys_depth_


@pytest.mark.parametrize(
    "learned", [{"unit": "feet", "low": 0, "high": 1}, {"unit": "display", "low": 1, "high": 0}, {"unit": "display"}, 7]
)
def test_levels_that_cannot_be_are_a_damaged_detector(learned: object, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(surfaces(24), tmp_path / "d"))
    record = json.loads((folder / "detector.json").read_text())
    record["levels"]["learned"] = learned
    (folder / "detector.json").write_text(json.dumps(record))
    unsealed(folder)
    with pytest.raises(CorruptWeights, match="levels"):
        store.load(folder)


def test_a_run_notes_what_was_lost_and_warns_where_it_matters(tmp_path: Path) -> None:
    detector = store.save(Detector(chooses=False).fit([deep(k) for k in range(44)]), tmp_path / "d")
    (tmp_path / "in").mkdir()
    Pillow.fromarray(deep(90)).save(tmp_path / "in/same.png")
    Pillow.fromarray(deep(91, 14)).save(tmp_path / "in/brighter.png")
    found = flag_into(tmp_path / "run", Incoming(places=(str(tmp_path / "in"),)), detector, Rule(alpha=0.1))
    assert found is not None
    notes = {row.item: list(row.notes) for row in found.rows}
    assert all(is_usual(note) for note in notes["same.png"])
    assert notes["same.png"]
    assert any(note.startswith(WARNING) and "outside the range" in note for note in notes["brighter.png"])
    assert any("1 of 2 images went beyond the range" in warning for warning in found.decision["warnings"])
    assert "outside the range" in (tmp_path / "run/index.html").read_text()


def test_runs_of_earlier_versions_without_notes_are_read(tmp_path: Path) -> None:
    import pandas as pd

    from oddpixel.forensics.runs.table import RunTable

    detector = surfaces(44)
    (tmp_path / "in").mkdir()
    Pillow.fromarray(surface(90)).save(tmp_path / "in/x.png")
    found = flag_into(tmp_path / "run", Incoming(places=(str(tmp_path / "in"),)), detector, Rule(alpha=0.1))
    assert found is not None
    (part,) = found.run.parts()
    pd.read_parquet(part).drop(columns="notes").to_parquet(part, index=False)
    (row,) = RunTable(found.run).page()
    assert row.notes == ()
    assert row.item == "x.png"
    again = flag_into(tmp_path / "run", Incoming(places=(str(tmp_path / "in"),)), detector, Rule(alpha=0.2))
    assert again is not None


def test_nothing_of_a_screen_is_drawn_by_any_command(tmp_path: Path) -> None:
    from oddpixel.datasets.source import open_source
    from oddpixel.forensics.audit.audited import Options
    from oddpixel.forensics.audit.run import Handling, audit_into
    from oddpixel.forensics.density.measure import measure_source
    from oddpixel.forensics.density.store import load_model
    from oddpixel.forensics.inspection.inspect import inspect_into

    detector = surfaces(44)
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
    assert "burned into" in str(found.rows[0].notes)
    audit = audit_into(tmp_path / "audited", (str(screen),), Options(), Handling(with_pdf=True))
    assert audit.items[0]["error"] is None
    (item,) = measure_source(open_source(screen), load_model("photo-rgb"), maps=tmp_path / "maps")
    assert "burned into" in str(item["notes"])
    drawn = [path for path in tmp_path.rglob("*") if path.suffix in (".webp", ".png", ".jpg")]
    assert drawn == []
    page = next((tmp_path / "audited").rglob("report.html")).read_text()
    assert "data:image" not in page
    assert "No picture, map or visual aid is written" in page


def test_values_of_another_unit_than_the_normals_are_warned_of(tmp_path: Path) -> None:
    ct = [
        Image(np.rint(surface(k)[None].astype(np.float32) * 4 - 500), 16, "HU", None, f"{k}.dcm", f"{k}" * 8, f"p{k}")
        for k in range(24)
    ]
    detector = Detector(chooses=False, channels=["encoder vector"]).fit(ct)
    loaded = store.load(store.save(detector, tmp_path / "d"))
    for each in (detector, loaded):
        assert each.judge(ct[0]).notes == detector.judge(ct[0]).notes
        assert not any("Hounsfield" in note for note in each.judge(ct[0]).notes)
        (grey,) = images_of([surface(50)])
        assert any("those of the normals Hounsfield units" in note for note in each.judge(grey).notes)
