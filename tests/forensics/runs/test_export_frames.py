"""Objects of several frames: their results say which frame is meant and where it lies, and pass a validator."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, RTDoseStorage, UltrasoundMultiFrameImageStorage

from oddpixel.errors import NotExported
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.runs.export import export
from oddpixel.forensics.runs.export.dicom_frame import alone, check_place
from oddpixel.forensics.runs.run import Run
from tests.dashboards.conftest import made
from tests.datasets.dicom_maker import make_slice
from tests.forensics.detect.test_detector import ODD, surface

__all__ = ["made"]

FRAMES = 3
OF_PATIENT = {
    "PatientSex": "O", "StudyDate": "20260102", "StudyTime": "101500", "StudyID": "1", "AccessionNumber": "A1",
    "ReferringPhysicianName": "Roe^Ann", "SeriesNumber": 1, "InstanceNumber": 1, "Manufacturer": "Maker",
    "NumberOfFrames": FRAMES, "PixelSpacing": None, "RescaleSlope": None, "RescaleIntercept": None,
}  # fmt: skip
CLASSES = {"film": UltrasoundMultiFrameImageStorage, "dose": RTDoseStorage, "enhanced": EnhancedCTImageStorage}
Z = {"dose": [10.0, 12.5, 15.0], "enhanced": [5.0, 1.0, -3.0]}  # of each frame, mm


def _frames() -> np.ndarray:
    frames = np.stack([surface(800 + k) for k in range(FRAMES)])
    frames[1] = ODD["noise"]
    return frames.astype(np.uint8)


def _film(path: Path) -> None:
    make_slice(
        path, _frames(), SOPClassUID=CLASSES["film"], SeriesInstanceUID="1.2.3.1", Modality="US",
        BurnedInAnnotation="NO", **OF_PATIENT,
    )  # fmt: skip


def _dose(path: Path) -> None:
    elements = OF_PATIENT | {
        "PixelSpacing": [2.0, 2.0], "ImagePositionPatient": [0.0, 0.0, 10.0], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "GridFrameOffsetVector": [0.0, 2.5, 5.0], "FrameOfReferenceUID": "1.2.3.9", "SliceThickness": 2.5,
        "DoseGridScaling": 1, "PositionReferenceIndicator": "",
    }  # fmt: skip
    make_slice(path, _frames(), SOPClassUID=CLASSES["dose"], SeriesInstanceUID="1.2.3.2", Modality="RTDOSE", **elements)


def _enhanced(path: Path) -> None:
    def item(**values: Any) -> Sequence:
        of = Dataset()
        for name, value in values.items():
            setattr(of, name, value)
        return Sequence([of])

    shared = item(
        PixelMeasuresSequence=item(PixelSpacing=[0.7, 0.7], SliceThickness=4),
        PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
    )
    own = [item(PlanePositionSequence=item(ImagePositionPatient=[0.0, 0.0, z]))[0] for z in Z["enhanced"]]
    elements = OF_PATIENT | {
        "SharedFunctionalGroupsSequence": shared, "PerFrameFunctionalGroupsSequence": Sequence(own),
        "FrameOfReferenceUID": "1.2.3.8", "PositionReferenceIndicator": "",
    }  # fmt: skip
    make_slice(path, _frames(), SOPClassUID=CLASSES["enhanced"], SeriesInstanceUID="1.2.3.3", **elements)


@pytest.fixture(scope="module")
def flagged(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("frames")
    for name, make in (("film", _film), ("dose", _dose), ("enhanced", _enhanced)):
        make(place / f"in/{name}.dcm")
    result = flag_into(place / "run", Incoming(places=(str(place / "in"),)), made / "detector", Rule(alpha=0.5))
    assert result is not None
    assert [row.error for row in result.rows] == [None] * 9
    return result.run


def _valid(files: list[Path]) -> None:
    assert shutil.which("dciodvfy") or not os.environ.get("ODDPIXEL_REQUIRE_DCIODVFY"), "apt-get install dicom3tools"
    for file in files if shutil.which("dciodvfy") else ():
        done = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
        assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def test_segmentations_name_the_frame_and_lie_where_it_does(flagged: Run, tmp_path: Path) -> None:
    left_out = export(flagged, "seg", tmp_path / "seg")
    files = sorted((tmp_path / "seg").iterdir())
    assert len(files) + len(left_out) == 3 * FRAMES
    _valid(files)
    seen = set()
    originals = {str(CLASSES[name]): name for name in CLASSES}
    for each in map(pydicom.dcmread, files):
        (own,) = each.PerFrameFunctionalGroupsSequence
        (source,) = own.DerivationImageSequence[0].SourceImageSequence
        (referenced,) = each.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        name = originals[str(source.ReferencedSOPClassUID)]
        assert referenced.ReferencedSOPClassUID == source.ReferencedSOPClassUID
        seen.add((name, int(source.ReferencedFrameNumber)))
        if name in Z:
            position = own.PlanePositionSequence[0].ImagePositionPatient
            assert float(position[2]) == pytest.approx(Z[name][source.ReferencedFrameNumber - 1])
            assert each.FrameOfReferenceUID == {"dose": "1.2.3.9", "enhanced": "1.2.3.8"}[name]
        else:
            assert "FrameOfReferenceUID" not in each
    assert seen == {("film", 2), ("dose", 2), ("enhanced", 2)}, left_out


def test_a_report_holds_all_frames_of_an_object(flagged: Run, tmp_path: Path) -> None:
    import highdicom as hd

    (left_out,) = export(flagged, "sr", tmp_path / "sr")
    assert left_out.startswith("dose.dcm: "), "the standard knows no report about a dose"
    files = sorted((tmp_path / "sr").iterdir())
    assert len(files) == 2
    _valid(files)
    for file in files:
        groups = hd.sr.srread(file).content.get_image_measurement_groups()
        numbers = [item.referenced_frame_numbers for group in groups for item in group.source_images]
        assert numbers == [[1], [2], [3]]
        decisions = [group.get_qualitative_evaluations()[0].value.meaning for group in groups]
        others = "Not odd by itself; another image of its group is flagged"
        assert decisions == [others, "Flagged", others], "a group is flagged, and one frame of it is odd"
    # The same again makes the same objects; of fewer frames they are others.
    export(flagged, "sr", tmp_path / "again")
    export(flagged, "sr", tmp_path / "fewer", items=["film.dcm#0", "film.dcm#1"])
    uids = {
        name: {pydicom.dcmread(file).SOPInstanceUID for file in (tmp_path / name).iterdir()}
        for name in ("sr", "again", "fewer")
    }
    assert uids["sr"] == uids["again"]
    assert not uids["sr"] & uids["fewer"]


def test_captures_are_one_a_frame(flagged: Run, tmp_path: Path) -> None:
    export(flagged, "sc", tmp_path / "sc")
    files = sorted((tmp_path / "sc").iterdir())
    assert len(files) == 3, "of each odd frame"
    for file in files:
        (source,) = pydicom.dcmread(file).SourceImageSequence
        assert source.ReferencedFrameNumber == 2
    _valid(files)


@pytest.mark.parametrize(
    ("position", "cosines"),
    [
        ([0, 0], [1, 0, 0, 0, 1, 0]),
        ([0, 0, 1e30], [1, 0, 0, 0, 1, 0]),
        ([0, 0, 0], [0] * 6),
        ([0, 0, 0], [1, 0, 0, 1, 0, 0]),
    ],
)
def test_places_that_are_none_are_not_repeated(position: list[float], cosines: list[float]) -> None:
    data = Dataset()
    check_place(data)
    data.ImagePositionPatient, data.ImageOrientationPatient = [0.0, 1.5, -3.0], [0.8, 0.6, 0, -0.6, 0.8, 0]
    check_place(data)
    data.ImagePositionPatient, data.ImageOrientationPatient = position, cosines
    with pytest.raises(NotExported, match="that is none"):
        check_place(data)


def test_a_frame_without_a_position_lies_nowhere() -> None:
    data = Dataset()
    data.NumberOfFrames, data.FrameOfReferenceUID, data.Rows = 2, "1.2.3", 5
    frame = alone(data, 1)
    assert "FrameOfReferenceUID" not in frame
    assert "NumberOfFrames" not in frame
    assert frame.Rows == 5
