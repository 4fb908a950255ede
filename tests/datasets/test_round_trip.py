"""A picture written in every way at hand reads back equal: every container, depth, profile, orientation, alpha, masked value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oddpixel import Image, open_source
from tests.datasets.pictures import Case, draw
from tests.datasets.round_trip import fault
from tests.datasets.writers import EIGHT, WRITERS, Writer

by_name = pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)


@by_name
def test_every_combination_reads_back_equal(writer: Writer, tmp_path: Path) -> None:
    cases = list(writer.cases())
    assert cases
    assert [problem for case in cases if (problem := fault(writer, case, tmp_path)) is not None] == []


@pytest.mark.parametrize(
    "writer", [writer for writer in WRITERS if writer.sequence is not None], ids=lambda writer: writer.name
)
def test_every_frame_reads_back_in_order(writer: Writer, tmp_path: Path) -> None:
    assert writer.sequence is not None
    pictures = np.stack([np.roll(draw(Case(EIGHT, "rgb")), 3 * k, 1) for k in range(3)])
    if writer.name in ("DICOM", "NIfTI"):
        pictures = np.ascontiguousarray(pictures[..., 0])
    if writer.name == "GIF":
        pictures = pictures[..., 0]
    path = tmp_path / f"x{'.nii' if writer.name == 'NIfTI' else writer.suffix}"
    path.write_bytes(writer.sequence(pictures))
    images = list(open_source(path, sandboxed=False))
    assert len(images) == 3
    for k, image in enumerate(images):
        assert isinstance(image, Image), image.error
        top = 255 if image.unit == "display" else 1
        off = [np.abs(image.pixels * top - np.atleast_3d(picture).transpose(2, 0, 1)).mean() for picture in pictures]
        assert int(np.argmin(off)) == k
        assert off[k] < (1 if writer.name not in ("AVIF", "MP4, MOV") else 15)


def test_the_confined_decoders_read_the_same(tmp_path: Path) -> None:
    for k, writer in enumerate(WRITERS):
        cases = list(writer.cases())
        for j, case in enumerate((cases[0], cases[-1])):
            (tmp_path / f"{k:02}-{j}{writer.suffix}").write_bytes(writer.write(case, draw(case)))
    confined, direct = (list(open_source(tmp_path, sandboxed=sandboxed)) for sandboxed in (True, False))
    assert len(confined) == len(direct) == 2 * len(WRITERS)
    for first, second in zip(confined, direct, strict=True):
        assert isinstance(first, Image), first.error
        assert isinstance(second, Image)
        np.testing.assert_array_equal(first.pixels, second.pixels)
        assert (first.bits, first.unit, first.notes) == (second.bits, second.unit, second.notes)
        assert (first.valid is None) == (second.valid is None)
        assert first.valid is None or np.array_equal(first.valid, second.valid)


@by_name
def test_technical_metadata_is_kept(writer: Writer, tmp_path: Path) -> None:
    case = next(writer.cases())
    path = tmp_path / f"x{writer.suffix}"
    path.write_bytes(writer.write(case, draw(case)))
    image = next(iter(open_source(path, sandboxed=False)))
    assert isinstance(image, Image), image.error
    facts = {**image.meta, "spacing_mm": image.spacing_mm}
    assert {name: facts.get(name) for name in writer.metadata} == writer.metadata
