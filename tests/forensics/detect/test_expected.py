"""An expected normal keeps the image, closes its seam, and comes nearer to the truth than the lesion and than inpainting."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.errors import InvalidImage, UsageError
from oddpixel.forensics.audit.facts import facts_of
from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.expected import _membrane, expected_normal
from oddpixel.forensics.detect.expected_run import write_expected
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
from tests.forensics.detect.test_detector import ODD, surface


def slices(count: int = 8, side: int = 96) -> list[np.ndarray]:
    """The same anatomy, a little different each time."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    found = []
    for _ in range(count):
        a, b = 0.35 + 0.02 * generator.normal(size=2)
        body = (rows / a) ** 2 + (columns / b) ** 2 < 1
        inner = np.cos(24 * rows + 0.3 * generator.normal()) * np.cos(18 * columns + 0.3 * generator.normal())
        grey = body * (0.5 + 0.2 * inner) + 0.01 * generator.normal(size=body.shape)
        found.append(grey[None].astype(np.float32))
    return found


def disc(side: int = 96, row: int = 48, column: int = 40, radius: int = 9) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def test_it_is_nearer_to_the_truth_than_the_lesion_and_than_inpainting() -> None:
    truth, *normals = slices()
    odd = disc()
    lesion = truth.copy()
    lesion[:, odd] += 0.3
    expected = expected_normal(lesion, odd, normals, aligned=True)
    painted = (
        cv2.inpaint((255 * lesion[0].clip(0, 1)).astype(np.uint8), odd.astype(np.uint8), 3, cv2.INPAINT_TELEA) / 255
    )

    def distance(other: np.ndarray) -> float:
        return float(np.sqrt(((other - truth[0])[odd] ** 2).mean()))

    assert distance(expected.pixels[0]) < 0.5 * distance(painted) < distance(lesion[0])
    assert np.array_equal(expected.pixels[:, ~odd], lesion[:, ~odd])  # nothing else changes
    assert set(expected.sources) <= set(range(len(normals)))


def test_without_alignment_the_place_is_searched_for() -> None:
    generator = np.random.default_rng(1)
    rows, columns = np.mgrid[:128, :128]
    pattern = (np.sin(rows / 3) * np.sin(columns / 4) + 0.05 * generator.normal(size=rows.shape)).astype(np.float32)[
        None
    ]
    image, normal = pattern[:, :96, :96].copy(), pattern[:, 20:, 25:]
    odd = disc()
    truth = image.copy()
    image[:, odd] = 0
    expected = expected_normal(image, odd, [normal], aligned=False)
    assert np.sqrt(((expected.pixels - truth)[:, odd] ** 2).mean()) < 0.15
    assert np.sqrt(((image - truth)[:, odd] ** 2).mean()) > 0.4


def test_the_membrane_is_harmonic_and_meets_its_border() -> None:
    rows, columns = np.mgrid[:40, :40]
    plane = (0.1 * rows - 0.2 * columns)[None].astype(np.float32)  # harmonic by itself
    inside = disc(40, 20, 20, 12)
    assert np.allclose(_membrane(plane, inside)[:, inside], plane[:, inside], atol=1e-3)
    assert np.array_equal(_membrane(plane, inside)[:, ~inside], np.zeros_like(plane[:, ~inside]))


def test_a_region_at_the_edge_and_several_channels() -> None:
    truth, *normals = slices()
    odd = np.zeros((96, 96), bool)
    odd[:12, 40:60] = True
    coloured, others = truth.repeat(3, 0), [each.repeat(3, 0) for each in normals]
    expected = expected_normal(coloured, odd, others, aligned=True)
    assert expected.pixels.shape == coloured.shape
    assert np.isfinite(expected.pixels).all()


def test_what_makes_no_sense_is_refused() -> None:
    image, *normals = slices(3)
    nothing, everything = np.zeros((96, 96), bool), np.ones((96, 96), bool)
    for odd in (nothing, everything):
        with pytest.raises(InvalidImage, match="of the image is odd"):
            expected_normal(image, odd, normals)
    with pytest.raises(InvalidImage, match="none of 1 normal images"):
        expected_normal(image, disc(), [np.zeros((3, 96, 96), np.float32)])


def test_flagged_images_get_their_expected_normal(tmp_path: Path) -> None:
    """Through the run: marked as synthetic, only where a map says, one that cannot be made is a record with its error."""
    store.save(Detector(chooses=False).fit([surface(k) for k in range(24)]), tmp_path / "detector")
    incoming, normals = tmp_path / "incoming", tmp_path / "normals"
    for folder, pictures in (
        (incoming, {"odd.png": ODD["noise"], **{f"{k}.png": surface(600 + k) for k in range(3)}}),
        (normals, {f"n{k}.png": surface(700 + k) for k in range(6)}),
    ):
        folder.mkdir()
        for name, picture in pictures.items():
            Pillow.fromarray(picture).save(folder / name)
    flagged = flag_into(tmp_path / "run", Incoming(places=(str(incoming),)), tmp_path / "detector", Rule(alpha=0.2))
    assert flagged is not None
    before = run_table(flagged.run)
    records = write_expected(flagged.run, flagged.rows, [str(normals)], aligned=False)
    assert {each["item"] for each in records} == {row.item for row in flagged.rows if row.flagged and row.map}
    assert "odd.png" in {each["item"] for each in records}
    for each in records:
        if each["expected"] is None:
            assert each["error"]["type"] == "InvalidImage"
            continue
        content = (flagged.run.path / each["expected"]).read_bytes()
        assert any(fact.declares == "synthetic" for fact in facts_of(content, "x.png"))
        assert set(each["from"]) <= {f"n{k}.png" for k in range(6)}
    assert run_table(flagged.run) == before  # no score and no decision changes
    with pytest.raises(UsageError, match="no normal image"):
        write_expected(flagged.run, flagged.rows, [str(tmp_path / "detector")], aligned=False)
    Pillow.fromarray(surface(999)).save(incoming / "odd.png")
    changed = write_expected(flagged.run, flagged.rows, [str(normals)], aligned=False)
    assert [each["error"]["message"] for each in changed if each["item"] == "odd.png"] == [
        "the file has changed since it was scored; flag it again"
    ]


def run_table(run: Run) -> str:
    return str(RunTable(run).rows())
