"""The audit's checks: what each finds, what it leaves alone, and a contract for all of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.stats import binom

from oddpixel.forensics.audit.aids import aids
from oddpixel.forensics.audit.checks import Check, checks
from oddpixel.forensics.audit.exhibit import Exhibit, exhibit_of
from oddpixel.forensics.audit.finding import Finding
from oddpixel.forensics.audit.grid_votes import vote, votes_of
from oddpixel.forensics.audit.judge import answers_of, examine
from oddpixel.forensics.audit.measurement import Answer, Measurement, NotApplicable, Question
from oddpixel.forensics.audit.nfa import REPORTED, log10_binomial_tail
from tests.forensics.audit.images import another, decoded, exhibit, jpeg, photograph, png, spliced


def findings(name: str, content: bytes) -> dict[str, Finding]:
    return answered(checks()[name], exhibit_of(content))


def answered(check: Check, shown: Exhibit) -> dict[str, Finding]:
    """What is measured, as findings by the NFA alone: without calibration, with every map."""
    return {answer.question: finding(answer, check) for answer in answers_of(check, shown)}


def finding(answer: Answer, check: Check) -> Finding:
    if isinstance(answer, NotApplicable):
        return Finding(answer.question, "not-applicable", because=answer.because)
    is_evidence = answer.log10_nfa is not None and answer.log10_nfa <= REPORTED
    return Finding(
        answer.question, "evidence" if is_evidence else "no-evidence", answer.statistic, log10_nfa=answer.log10_nfa,
        map=answer.map, because=answer.because, limits=answer.limits, details=answer.details,
        about=next(question.about for question in check.questions if question.name == answer.question),
    )  # fmt: skip


def grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def cmyk() -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(photograph()).convert("CMYK").save(file, "JPEG", quality=90)
    return file.getvalue()


# --- the bound ---------------------------------------------------------------------------------------------------


def test_the_tail_bound_is_one_and_does_not_underflow() -> None:
    n = np.array([10, 100, 1000, 10_000])
    for p in (1 / 64, 0.3, 0.5):
        for share in (0.05, 0.2, 0.6, 1.0):
            k = np.ceil(n * share)
            exact = binom.logsf(k - 1, n, p) / np.log(10)
            ours = log10_binomial_tail(n, k, p)
            finite = np.isfinite(exact)
            assert (ours[finite] >= exact[finite] - 1e-9).all()
            assert np.isfinite(ours).all()
    assert log10_binomial_tail(10**6, 10**6, 1 / 64) < -(10**6)


def test_noise_has_no_grid_and_undivided_votes_would_see_one() -> None:
    random = np.random.default_rng(0)
    by_right, by_wrong = 0, 0
    for _ in range(40):
        votes = vote(random.normal(128, 20, (128, 128)).astype(np.float32))
        counts = votes.cells.sum((1, 2))
        by_right += votes.grid is not None
        # The planted violation: every pixel's vote counted as if it were a trial of its own.
        by_wrong += (np.log10(64) + log10_binomial_tail(64 * 256, 4 * counts, 1 / 64)).min() <= REPORTED
    assert by_right == 0
    assert by_wrong > 4


# --- JPEG grid ---------------------------------------------------------------------------------------------------


def test_all_64_origins_are_recovered() -> None:
    whole = decoded(jpeg(photograph()[:160, :160], 80))
    for down in range(8):
        for right in range(8):
            found = votes_of(exhibit(np.ascontiguousarray(whole[down:, right:]))).grid
            assert found == (-down % 8, -right % 8)


def test_a_crop_by_a_block_keeps_the_map_and_one_by_three_moves_it() -> None:
    picture = spliced()
    whole = findings("jpeg-grid", png(picture))["jpeg-grid-local"]
    by_block = findings("jpeg-grid", png(np.ascontiguousarray(picture[8:, 8:])))["jpeg-grid-local"]
    by_three = findings("jpeg-grid", png(np.ascontiguousarray(picture[3:, :])))["jpeg-grid-local"]
    assert whole.details["grid"] == by_block.details["grid"]
    assert by_three.details["grid"] == [(whole.details["grid"][0] - 3) % 8, whole.details["grid"][1]]
    assert whole.map is not None
    assert by_block.map is not None
    # Windows begin elsewhere, so the borders may differ, the marked part not.
    assert (whole.map[8:, 8:] == by_block.map).mean() > 0.97


@pytest.mark.parametrize("quality", [75, 90])
def test_a_shifted_part_is_found_where_it_is(quality: int) -> None:
    found = findings("jpeg-grid", png(spliced(quality=quality)))
    local = found["jpeg-grid-local"]
    assert local.status == "evidence"
    assert local.log10_nfa is not None
    assert local.log10_nfa < -20
    assert local.map is not None
    mask = np.zeros(local.map.shape, bool)
    mask[120:264, 100:244] = True
    assert (local.map[mask] > 0.5).mean() > 0.5
    assert (local.map[~mask] > 0.5).mean() < 0.02


@pytest.mark.parametrize("quality", [None, 95, 75, 60])
def test_a_whole_photograph_has_no_foreign_part(quality: int | None) -> None:
    found = answered(checks()["jpeg-grid"], exhibit(photograph(), quality))
    assert found["jpeg-grid-local"].status == "no-evidence"
    assert (found["jpeg-grid"].status == "evidence") == (quality is not None)
    assert found["jpeg-grid"].about == "history"


def test_one_aligned_saving_hides_the_part_as_the_limits_say() -> None:
    assert findings("jpeg-grid", jpeg(spliced(), 60))["jpeg-grid-local"].status == "no-evidence"


def test_a_part_without_the_grid_of_the_rest_scores_high_and_is_marked() -> None:
    whole = decoded(jpeg(photograph(), 75))
    part = whole.copy()
    part[120:264, 100:244] = another()[120:264, 100:244]
    before, after = (findings("missing-grid", png(each))["missing-grid"] for each in (whole, part))
    assert (after.statistic or 0.0) > 3 * (before.statistic or 0.0) + 5
    assert after.map is not None
    mask = np.zeros(after.map.shape, bool)
    mask[120:264, 100:244] = True
    assert (after.map[mask] > 0.5).mean() > 0.1
    assert mask[after.map > 0.5].mean() > 0.8
    assert findings("missing-grid", jpeg(part, 90))["missing-grid"].status == "not-applicable"
    assert findings("missing-grid", png(photograph()))["missing-grid"].status == "not-applicable"


# --- the others ---------------------------------------------------------------------------------------------------


def mosaicked(picture: np.ndarray) -> np.ndarray:
    raw = picture[..., 1].copy()
    raw[0::2, 0::2], raw[1::2, 1::2] = picture[0::2, 0::2, 0], picture[1::2, 1::2, 2]
    return cv2.cvtColor(raw, cv2.COLOR_BayerBG2RGB)


def test_a_mosaic_is_seen_and_a_part_with_another_phase() -> None:
    whole = mosaicked(photograph())
    assert findings("demosaicing", png(whole))["demosaicing"].status == "evidence"
    assert findings("demosaicing", png(whole))["demosaicing-local"].status == "no-evidence"
    moved = whole.copy()
    moved[100:228, 100:228] = mosaicked(another())[101:229, 100:228]
    local = findings("demosaicing", png(moved))["demosaicing-local"]
    assert local.status == "evidence"
    assert local.details["regions"][0][0] in range(64, 129)
    assert findings("demosaicing", png(photograph()))["demosaicing"].status == "no-evidence"


def test_resizing_of_all_is_history_and_of_a_part_is_not() -> None:
    enlarged = cv2.resize(photograph(), None, fx=1.3, fy=1.3, interpolation=cv2.INTER_CUBIC)
    whole = findings("resampling", png(enlarged))
    assert whole["resampling"].status == "evidence"
    assert whole["resampling-local"].status == "no-evidence"
    assert any(abs(each - 1.3) < 0.02 for each in whole["resampling"].details["enlarged_by"])
    part = photograph().copy()
    part[90:290, 90:290] = cv2.resize(another(), None, fx=1.3, fy=1.3, interpolation=cv2.INTER_CUBIC)[90:290, 90:290]
    found = findings("resampling", png(part))
    assert found["resampling-local"].status == "evidence"
    assert found["resampling"].status == "no-evidence"


@pytest.mark.parametrize("factor", [0.8, 4 / 3])
def test_resizing_by_which_peaks_lie_where_a_jpeg_grid_has_its_own_is_seen_where_there_is_none(factor: float) -> None:
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(photograph(), None, fx=factor, fy=factor, interpolation=method)
    found = findings("resampling", png(resized))["resampling"]
    assert found.status == "evidence"
    assert all(abs(4 * each - round(4 * each)) < 0.05 for each in found.details["frequency"])
    jpeg = cv2.imdecode(cv2.imencode(".jpg", photograph(), [cv2.IMWRITE_JPEG_QUALITY, 80])[1], cv2.IMREAD_COLOR)
    assert findings("resampling", png(jpeg))["resampling"].status == "no-evidence", "a grid has such peaks, too"
    assert findings("resampling", png(photograph()))["resampling"].status == "no-evidence"


@pytest.mark.parametrize("factor", [4 / 3, 2.0])
def test_zeros_of_interpolation_are_no_jpeg_grid(factor: float) -> None:
    enlarged = cv2.resize(photograph(), None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    exhibit = exhibit_of(png(enlarged), "enlarged")
    votes = votes_of(exhibit)
    assert (votes.is_interpolated, votes.grid, exhibit.gate.stratum) == (votes.leading is not None, None, "lossless")
    assert votes.is_interpolated or factor == 2.0
    assert findings("jpeg-grid", png(enlarged))["jpeg-grid"].status == "no-evidence"
    assert findings("resampling", png(enlarged))["resampling"].status == "evidence"
    for quality in (60, 90):
        jpeg = cv2.imdecode(cv2.imencode(".jpg", enlarged, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        assert exhibit_of(png(jpeg), "jpeg").gate.grid == (0, 0)


@pytest.mark.parametrize("turn", [0.0, 30.0])
def test_a_copy_is_found_moved_or_turned(turn: float) -> None:
    picture = photograph().copy()
    rotation = cv2.getRotationMatrix2D((150, 120), turn, 1.0) + np.array([[0, 0, 90], [0, 0, 160]])
    copied = cv2.warpAffine(photograph(), rotation, picture.shape[1::-1], flags=cv2.INTER_CUBIC)
    picture[220:340, 180:300] = copied[220:340, 180:300]
    found = findings("copy-move", png(picture))["copy-move"]
    assert found.status == "evidence"
    assert len(found.details["regions"]) >= 2
    assert findings("copy-move", png(photograph()))["copy-move"].status == "no-evidence"


def test_double_compression_names_its_first_quality_and_the_part_without_it() -> None:
    before = decoded(jpeg(photograph(), 70))
    whole = answered(checks()["double-jpeg"], exhibit_of(jpeg(before, 92)))
    assert abs(whole["double-jpeg"].details["first_quality"] - 70) <= 1
    once = answered(checks()["double-jpeg"], exhibit_of(jpeg(photograph(), 92)))
    assert (whole["double-jpeg"].statistic or 0) > 20 * (once["double-jpeg"].statistic or 0) + 0.01
    part = before.copy()
    part[96:240, 96:240] = another()[96:240, 96:240]
    local = answered(checks()["double-jpeg"], exhibit_of(jpeg(part, 92)))["double-jpeg-local"]
    assert (local.statistic or 0) > 3 * (whole["double-jpeg-local"].statistic or 0) + 1
    top, left = local.details["regions"][0][:2]
    assert 64 <= top <= 200
    assert 64 <= left <= 200


def test_a_ghost_a_median_and_a_quiet_part_score_higher_than_the_whole() -> None:
    random = np.random.default_rng(0)
    noisy = np.clip(random.normal(128, 6, (384, 384, 3)), 0, 255).astype(np.uint8)
    pairs = {
        "jpeg-ghost": (photograph(), decoded(jpeg(photograph(), 65))),
        "median-filter": (noisy, cv2.medianBlur(noisy, 3)),
        "noise-level": (photograph(), cv2.GaussianBlur(photograph(), (0, 0), 1.2)),
    }
    for name, (whole, part) in pairs.items():
        changed = whole.copy()
        changed[96:256, 96:256] = part[96:256, 96:256]
        before, after = (findings(name, png(each))[name].statistic or 0.0 for each in (whole, changed))
        assert after > 1.5 * before, name


# --- the contract -------------------------------------------------------------------------------------------------


def deep() -> bytes:
    return png(grey(photograph()).astype(np.uint16) * 257)


def with_alpha() -> bytes:
    return png(np.dstack([photograph(), np.full((384, 384), 200, np.uint8)]))


PICTURES = {
    "colour": lambda: png(photograph()),
    "grey": lambda: png(grey(photograph())),
    "jpeg": lambda: jpeg(photograph(), 85),
    "grey jpeg": lambda: jpeg(grey(photograph()), 92),
    "progressive": lambda: jpeg(photograph(), 92, progressive=True),
    "cmyk": cmyk,
    "16 bit": deep,
    "alpha": with_alpha,
    "odd size": lambda: png(photograph()[:301, :277]),
    "one colour": lambda: png(np.full((320, 330, 3), 77, np.uint8)),
    "smallest": lambda: png(photograph()[:64, :70]),
    "noise": lambda: png(np.random.default_rng(0).integers(0, 256, (330, 340, 3), dtype=np.uint8)),
}


@pytest.mark.parametrize("picture", list(PICTURES))
def test_every_check_keeps_the_contract(picture: str) -> None:
    content = PICTURES[picture]()
    for name, check in checks().items():
        one, two = exhibit_of(content), exhibit_of(content)
        before = one.pixels.copy()
        first, second = ([finding(answer, check) for answer in answers_of(check, each)] for each in (one, two))
        assert np.array_equal(one.pixels, before), name
        assert [each.check for each in first] == [each.check for each in second]
        for a, b in zip(first, second, strict=True):
            assert a.check in {name, *(question.name for question in check.questions)}
            assert a.because
            assert (a.statistic, a.log10_nfa, a.status) == (b.statistic, b.log10_nfa, b.status), name
            for number in (a.statistic, a.p_value, a.log10_nfa):
                assert number is None or np.isfinite(number)
            if a.map is not None:
                assert b.map is not None
                assert a.map.shape == one.size
                assert a.map.min() >= 0
                assert a.map.max() <= 1
                assert np.array_equal(a.map, b.map)
            for top, left, bottom, right in a.details.get("regions", []):
                assert 0 <= top < bottom <= one.size[0]
                assert 0 <= left < right <= one.size[1]


@pytest.mark.parametrize("picture", ["colour", "grey jpeg", "one colour", "smallest"])
def test_every_aid_draws_something_of_its_own(picture: str) -> None:
    shown = exhibit_of(PICTURES[picture]())
    for name, aid in aids().items():
        drawn: Any = aid.draw(shown)
        assert drawn.dtype == np.uint8, name
        assert min(drawn.shape[:2]) >= 64
        assert np.array_equal(drawn, aid.draw(shown))


def test_pixels_are_those_of_the_file_and_not_turned() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Pillow.fromarray(photograph()[:300]).save(file, "JPEG", quality=90, exif=exif)
    shown = exhibit_of(file.getvalue())
    assert shown.size == (300, 384)
    assert shown.coefficients is not None
    rows = cv2.dct(shown.luma[:8, :8] - 128) / shown.coefficients.table
    assert np.abs(np.rint(rows) - shown.coefficients.blocks[0, 0]).max() <= 1


class Bright:
    """A planted check of two questions, which applies to bright tiles alone."""

    name = title = purpose = reference = needs = cannot = "bright"
    kind = "calibrated"
    questions = (Question("bright", about="history"), Question("bright-local", scope="tiles"))

    def applies(self, exhibit: Exhibit) -> str | None:
        return None if exhibit.pixels.max() > 200 else "dark"

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        yield Measurement("bright", 0.0, "history")
        yield Measurement("bright-local", float(exhibit.pixels.mean()), "measured")


@pytest.mark.parametrize("bright", ["first", "last"])
def test_a_tile_that_a_check_does_not_apply_to_hides_no_other(bright: str) -> None:
    picture = np.zeros((400, 1200), np.uint8)
    picture[:, slice(0, 380) if bright == "first" else slice(820, 1200)] = 250
    history, local = examine(exhibit_of(png(picture)), [Bright()])  # type: ignore[list-item]
    assert (history.check, history.about) == ("bright", "history")
    assert local.check == "bright-local"
    assert "no authentic images of this kind were measured" in local.because, "it was measured, and not calibrated"
