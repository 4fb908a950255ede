"""Faces: where they are, and what is said of each."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from oddpixel.forensics.audit.calibration import table
from oddpixel.forensics.audit.exhibit import Exhibit
from oddpixel.forensics.audit.faces.detector import Face, faces_of
from oddpixel.forensics.audit.faces.judged import judged_faces
from oddpixel.forensics.audit.finding import Finding
from oddpixel.forensics.audit.labels import Label
from tests.forensics.audit.images import exhibit


def test_a_face_is_found_where_it_is_and_none_where_none_is(capfd: pytest.CaptureFixture[str]) -> None:
    (face,) = faces_of(data.astronaut())
    top, left, bottom, right = face.box
    assert 40 < top < 90 < 150 < bottom < 200
    assert 150 < left < 200 < 240 < right < 300
    assert face.score > 0.8
    assert not faces_of(data.coffee())
    assert capfd.readouterr().err == ""


def test_a_small_face_in_a_large_picture_is_found_in_its_coordinates() -> None:
    large = np.zeros((1500, 2600, 3), np.uint8)
    large[900:1412, 1800:2312] = data.astronaut()
    (face,) = faces_of(large)
    (alone,) = faces_of(data.astronaut())
    assert np.allclose(face.box, np.add(alone.box, (900, 1800, 900, 1800)), atol=12)


@pytest.mark.parametrize("shape", [(9, 700, 3), (16, 16, 3), (1, 1, 3)])
def test_odd_sizes_have_no_face_and_no_error(shape: tuple[int, ...]) -> None:
    assert faces_of(np.zeros(shape, np.uint8)) == []


def counting(reference: str) -> str:
    return next(iter(table().counting(reference)))


def marked(shown: Exhibit, face: Face, name: str) -> Finding:
    where = np.zeros(shown.size, np.float32)
    top, left, bottom, right = face.box
    where[top:bottom, left:right] = 1
    return Finding(name, "evidence", p_value=1e-3, map=where)


def test_a_face_is_judged_by_what_marks_it() -> None:
    shown = exhibit(data.astronaut())
    (face,) = faces_of(shown.picture)
    name = counting(shown.gate.reference)
    (judged,) = judged_faces(shown, [marked(shown, face, name)], Label.MANIPULATION)
    assert (judged.label, judged.checks) == (Label.MANIPULATION, (name,))
    elsewhere = Finding(name, "evidence", p_value=1e-3, map=np.zeros(shown.size, np.float32))
    (judged,) = judged_faces(shown, [elsewhere], Label.MANIPULATION)
    assert judged.label == Label.NOTHING_FOUND
    # A test that does not count marks nothing.
    (judged,) = judged_faces(shown, [marked(shown, face, "median-filter")], Label.NOTHING_FOUND)
    assert judged.label == Label.NOTHING_FOUND
    (judged,) = judged_faces(shown, [], Label.INCONCLUSIVE)
    assert judged.label == Label.INCONCLUSIVE


def test_a_grey_picture_is_looked_at_too() -> None:
    assert len(judged_faces(exhibit(data.camera()), [], Label.NOTHING_FOUND)) == 1
