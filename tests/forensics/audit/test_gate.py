"""The gate: what is no photograph is known, and nothing that was measured on photographs counts there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from oddpixel.forensics.audit.borders import without_borders
from oddpixel.forensics.audit.checks import checks
from oddpixel.forensics.audit.checks.local_edits import log_odds
from oddpixel.forensics.audit.exhibit import LUMA, exhibit_of
from oddpixel.forensics.audit.gate import few_colours, strokes
from oddpixel.forensics.audit.judge import examine
from oddpixel.forensics.audit.verdict import decide, settled

SCREENS = Path(__file__).parents[3] / "docs" / "dashboard"


def encoded(pixels: np.ndarray, form: str, **options: int) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def page(photo: np.ndarray) -> np.ndarray:
    """Twenty-eight times the same line beside a photograph."""
    picture = Pillow.new("RGB", (1000, 800), (250, 250, 252))
    draw = ImageDraw.Draw(picture)
    for row in range(28):
        draw.text(
            (30, 20 + 27 * row),
            "Total amount due: 1,204.00 EUR (net 30 days)",
            (30, 30, 40),
            ImageFont.load_default(18),
        )
    picture.paste(Pillow.fromarray(photo).resize((400, 266)), (560, 300))
    return np.asarray(picture)


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("JPEG", {"quality": 75}), ("JPEG", {"quality": 95})])
def test_repeated_text_is_no_manipulation(photo: np.ndarray, form: str, options: dict[str, int]) -> None:
    exhibit = exhibit_of(encoded(page(photo), form, **options), "page")
    chosen = [checks()["copy-move"]]
    findings = settled(examine(exhibit, chosen), exhibit.gate)
    verdict = decide(exhibit.gate, [], findings)
    assert verdict.label == "inconclusive"
    assert "a page or a screen" in verdict.because[0]
    assert verdict.p_value is None
    assert verdict.likelihood_ratio is None
    assert all("does not count" in each.reliability for each in findings if each.status != "not-applicable")


def test_what_is_loud_on_a_page_is_told(photo: np.ndarray) -> None:
    exhibit = exhibit_of(encoded(page(photo), "JPEG", quality=75), "page")
    findings = settled(examine(exhibit, [checks()["copy-move"]]), exhibit.gate)
    assert (findings[0].log10_nfa or 0.0) <= -20
    assert any("copy-move" in reason for reason in decide(exhibit.gate, [], findings).because)


@pytest.mark.parametrize("quality", [None, 90, 70])
def test_photographs_are_no_pages(photo: np.ndarray, quality: int | None) -> None:
    content = encoded(photo, "PNG") if quality is None else encoded(photo, "JPEG", quality=quality)
    assert exhibit_of(content, "photo").gate.foreign is None


def test_most_screens_of_the_dashboard_are_known() -> None:
    files = sorted(SCREENS.glob("*.webp"))
    shares = [strokes(np.asarray(Pillow.open(file).convert("RGB")).astype(np.float32) @ LUMA) for file in files]
    assert len(files) >= 10
    assert np.mean([share is not None for share in shares]) >= 0.8


@pytest.mark.parametrize("size", [(0, 64), (7, 7), (64, 64), (65, 71)])
def test_small_and_plain_pictures_have_no_strokes(size: tuple[int, int]) -> None:
    assert strokes(np.zeros(size, np.float32)) is None


def bordered(photo: np.ndarray, width: int, level: int = 255) -> np.ndarray:
    return np.pad(photo, ((width, width), (width, width), (0, 0)), constant_values=level)


@pytest.mark.parametrize("level", [255, 0, 128])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_plain_border_makes_no_page(photo: np.ndarray, level: int, form: str) -> None:
    assert exhibit_of(encoded(bordered(photo, 50, level), form), "photo").gate.foreign is None


def test_borders_are_left_out_in_whole_places(photo: np.ndarray) -> None:
    rows, columns = photo.shape[:2]
    assert without_borders(photo.astype(np.float32)) == (0, 0, rows, columns)
    assert without_borders(bordered(photo, 50).astype(np.float32)) == (
        56,
        56,
        (rows + 50) // 8 * 8,
        (columns + 50) // 8 * 8,
    )
    assert without_borders(np.zeros((80, 90, 3), np.float32)) == (0, 0, 0, 0)
    assert without_borders(np.zeros((0, 90, 3), np.float32)) == (0, 0, 0, 0)


def test_a_border_is_no_local_edit(photo: np.ndarray) -> None:
    plain, framed = (
        log_odds(exhibit_of(encoded(picture, "PNG"), "x"))
        for picture in (photo[:384, :384], bordered(photo[:384, :384], 64))
    )
    assert framed[0].max() == pytest.approx(plain[0].max(), abs=1e-3)
    assert (framed[1][framed[0].argmax()] - plain[1][plain[0].argmax()]).tolist() == [8, 8, 8, 8]
    nothing = checks()["local-edits"].applies(exhibit_of(encoded(bordered(photo[:64, :64], 200), "PNG"), "x"))
    assert nothing is not None
    assert "borders" in nothing


def test_grey_is_grey_in_three_channels_too(photo: np.ndarray) -> None:
    grey = photo.mean(2).round()
    assert few_colours(grey[..., None].astype(np.float32)) is None
    assert few_colours(grey[..., None].repeat(3, 2).astype(np.float32)) is None
    assert few_colours((photo // 64 * 64).astype(np.float32)) is not None
    assert few_colours(photo[:64, :64].astype(np.float32)) is None, "a small photograph has few colours"


def test_sixteen_bits_that_hold_twelve_are_seen_as_twelve(photo: np.ndarray) -> None:
    fine = photo[..., 0].astype(np.uint16) * 16 + np.arange(photo.shape[1], dtype=np.uint16) % 16
    twelve = exhibit_of(encoded(fine, "TIFF"), "raw.tiff")
    eight = exhibit_of(encoded(photo[..., 0], "PNG"), "photo.png")
    assert (twelve.used_bits, twelve.gate.palette, twelve.gate.foreign) == (12, None, None)
    assert np.abs(twelve.pixels - eight.pixels).max() < 1.01
    full = exhibit_of(encoded(fine * 16, "TIFF"), "full.tiff")
    assert full.used_bits is None
    assert np.abs(full.pixels - eight.pixels).max() < 1.01
