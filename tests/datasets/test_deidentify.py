"""De-identified files: nothing that names somebody is left in any byte, and what research needs is."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from oddpixel.commands import app
from oddpixel.datasets.deidentify.burned_in import boxes, clean_pixels
from oddpixel.datasets.deidentify.dates_and_uids import holds_date, uids_in
from oddpixel.datasets.deidentify.header import deidentify
from oddpixel.datasets.deidentify.naming import naming_words
from oddpixel.datasets.deidentify.profile import Action, Profile, table
from oddpixel.datasets.deidentify.pseudonyms import Pseudonyms, key_of, moved
from oddpixel.datasets.deidentify.sandboxed import Deidentifier
from oddpixel.datasets.limits import Limits
from oddpixel.errors import DecodingStopped, NotDeidentified, UsageError
from tests.datasets.dicom_maker import make_slice

SECRETS = ("Quackenbush", "Zoltan", "PID-77120", "Fitzwilliam", "ACC-5512", "Ravensburg", "19590304", "1.2.3.4.5.6.7")


def body(seed: int = 0, side: int = 256) -> np.ndarray:
    """A round body with texture on black, 12 bits."""
    rows, columns = np.mgrid[:side, :side]
    inside = np.hypot(rows - side / 2, columns - side / 2) < side * 0.42
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 3)
    return np.where(inside, 900 + 1500 * noise / noise.std() * 0.2, 20).clip(0, 3000).astype(np.uint16)


def with_text(stored: np.ndarray, text: str, place: tuple[int, int], size: float) -> np.ndarray:
    """The picture with a line of text in its brightest value."""
    ink = np.zeros(stored.shape, np.uint8)
    cv2.putText(ink, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 1, cv2.LINE_AA)
    return np.maximum(stored, (ink.astype(np.uint16) * 3000) // 255).astype(np.uint16)


def slice_of(path: Path, stored: np.ndarray, **elements: Any) -> Path:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5.6.7.1"
    reference.ReferringPhysicianName = "Fitzwilliam^Ada"
    named = {"SOPInstanceUID": "1.2.3.4.5.6.7.1"} | elements
    make_slice(
        path, stored, PatientName="Quackenbush^Zoltan", PatientID="PID-77120", PatientBirthDate="19590304",
        ReferringPhysicianName="Fitzwilliam^Ada", AccessionNumber="ACC-5512", InstitutionName="Ravensburg Hospital",
        StudyInstanceUID="1.2.3.4.5.6.7.8", StudyDate="20250110",
        SeriesDescription="Thorax of QUACKENBUSH", BodyPartExamined="CHEST", PatientAge="066Y", StationName="CT-3",
        ReferencedImageSequence=Sequence([reference]), RescaleIntercept=0, ImageComments="Zoltan came late",
        **named,
    )  # fmt: skip
    data = pydicom.dcmread(path)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.private_block(0x0011, "MAKER", create=True).add_new(1, "LO", "Quackenbush PID-77120")
    data.add_new((0x5000, 0x3000), "OW", b"Quackenbush ")
    data.add_new((0x6000, 0x3000), "OW", b"Quackenbush ")
    data.file_meta.SourceApplicationEntityTitle = "RAVENSBURG"
    data.save_as(path, enforce_file_format=True)
    return path


def ran(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["deidentify", *map(str, arguments)])


def test_no_byte_names_anybody_and_studies_stay_together(tmp_path: Path) -> None:
    slice_of(tmp_path / "in/Quackenbush-1.dcm", body(0))
    slice_of(tmp_path / "in/Quackenbush-2.dcm", body(1), AcquisitionDate="20250112", SOPInstanceUID="1.2.3.4.5.6.7.2")
    (tmp_path / "in/broken.dcm").write_bytes(bytes(128) + b"DICM" + b"Quackenbush")
    result = ran(tmp_path / "in", "-o", tmp_path / "out", "--key", tmp_path / "k", "--text", "leave", "--json")
    assert result.exit_code == 1, result.output
    assert [each["error"] is None for each in json.loads(result.stdout)["items"]].count(True) == 2
    written = sorted((tmp_path / "out").rglob("*.dcm"))
    assert len(written) == 2
    assert len({path.parent for path in written}) == 1, "one patient, one study"
    for path in [*written, tmp_path / "out/report.json"]:
        for secret in SECRETS:
            assert secret.lower().encode() not in path.read_bytes().lower(), (path.name, secret)
            assert secret.lower() not in str(path.relative_to(tmp_path)).lower()
    first, second = sorted((pydicom.dcmread(path) for path in written), key=lambda each: "AcquisitionDate" in each)
    assert first.PatientID == second.PatientID == first.PatientName
    assert first.StudyDate == second.StudyDate != "20250110"
    interval = np.datetime64(_iso(second.AcquisitionDate)) - np.datetime64(_iso(second.StudyDate))
    assert interval == np.timedelta64(2, "D"), "intervals stay"
    assert first.ReferencedImageSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID, "references follow"
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    assert "SeriesDescription" not in first or not first.SeriesDescription
    assert first.BodyPartExamined == "CHEST"
    assert np.array_equal(first.pixel_array, body(0)) or np.array_equal(first.pixel_array, body(1))
    assert first.PatientIdentityRemoved == "YES"
    assert [each.CodeValue for each in first.DeidentificationMethodCodeSequence] == ["113100", "113107"]
    again = ran(tmp_path / "in", "-o", tmp_path / "again", "--key", tmp_path / "k", "--text", "leave")
    assert again.exit_code == 1
    for path in written:
        assert (tmp_path / "again" / path.relative_to(tmp_path / "out")).read_bytes() == path.read_bytes()
    ran(tmp_path / "in", "-o", tmp_path / "other", "--key", tmp_path / "k2", "--text", "leave")
    assert {path.name for path in (tmp_path / "other").iterdir()}.isdisjoint({first.PatientID}), "by another key others"


def _iso(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:]}"


def test_options_keep_what_they_name(tmp_path: Path) -> None:
    path = slice_of(tmp_path / "a.dcm", body())
    plain, kept = pydicom.dcmread(path), pydicom.dcmread(path)
    deidentify(plain, Profile.of([], move_dates=False), Pseudonyms(b"k" * 32))
    deidentify(kept, Profile.of(["patient", "device"]), Pseudonyms(b"k" * 32))
    assert kept.PatientAge == "066Y"
    assert kept.StationName == "CT-3"
    assert not plain.get("PatientAge")
    assert plain.get("StationName") != "CT-3"
    assert plain.get("StudyDate") in ("", None, "19000101")
    assert not kept.PatientBirthDate, "no option keeps a date of birth"
    with pytest.raises(UsageError, match="no option"):
        Profile.of(["patients"])


def test_a_name_in_free_text_is_found_wherever_it_stands(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "a.dcm", body()))
    data.AcquisitionDeviceProcessingDescription = "kernel of Zoltan"
    data.ConvolutionKernel = "of_Quackenbush's"
    data.SoftwareVersions = ["v1", "Zoltan"]
    data.add_new((0x0018, 0x1FFE), "UN", b"seen by zoltan")
    data.ICCProfile = b"profile of quackenbush"
    assert {"quackenbush", "zoltan", "77120"} <= naming_words(data).folded
    done = deidentify(data, Profile(), Pseudonyms(b"k" * 32))
    assert "ConvolutionKernel" in done.named
    assert not data.ConvolutionKernel
    assert not data.SoftwareVersions
    assert (0x0018, 0x1FFE) not in data, "what the dictionary does not know could hold anything"
    assert data.ICCProfile == b""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (name, text)
        for name in ("Lee^Kim", "Yamada^Tarou=山田^太郎", "Müller^Zoë", "Hartwig^Friederike")
        for text in (f"({name.partition('^')[0]}).", f"CT_471_{name.partition('=')[2] or name.upper()}_1", "ID:471;")
    ],
)
def test_names_of_all_kinds_in_all_surroundings(name: str, text: str, tmp_path: Path) -> None:
    path = make_slice(tmp_path / "a.dcm", body(), PatientName=name, PatientID="471", SpecificCharacterSet="ISO_IR 192")
    data = pydicom.dcmread(path)
    data.ManufacturerModelName = text
    data.SoftwareVersions = ["v1", text]
    deidentify(data, Profile(), Pseudonyms(b"k" * 32))
    assert not data.ManufacturerModelName
    assert not data.SoftwareVersions


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        ((0x0010, 0x1040), "TM", "Mainstreet 5"), ((0x0010, 0x1040), "DT", "20200101 Mainstreet"),
        ((0x0008, 0x0030), "TM", "Mainstreet"), ((0x0008, 0x0020), "DA", "20200101Mainstreet"),
        ((0x0010, 0x1010), "AS", "Mainstreet"), ((0x0008, 0x1090), "OB", b"Mainstreet"),
        ((0x0010, 0x1998), "LO", "Mainstreet 5"), ((0x0010, 0x1999), "UN", b"Mainstreet"), ((0x0010, 0x0033), "LO", "Mainstreet"),
        ((0x0018, 0x100A), "SQ", None),
    ],
)  # fmt: skip
def test_elements_are_what_the_dictionary_says_or_go(tag: Any, vr: str, value: Any, tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "a.dcm", body()))
    with pydicom.config.disable_value_validation():
        if vr == "SQ":
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99WARD", "Dr. Meier, Mainstreet"
            told = Dataset()
            told.ValueType, told.TextValue = "TEXT", "Lives at Mainstreet 5"
            data.ProcedureCodeSequence, data.ContentSequence = Sequence([item]), Sequence([told])
        else:
            data.add_new(tag, vr, value)
        deidentify(data, Profile.of(["patient"]), Pseudonyms(b"k" * 32))
        data.save_as(tmp_path / "out.dcm", enforce_file_format=True)
    assert b"Mainstreet" not in (tmp_path / "out.dcm").read_bytes()


def test_nothing_but_values_is_left_in_pixels(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "a.dcm", body() | np.uint16(1 << 13)))
    data.BitsStored, data.HighBit = 12, 11
    data.PixelData += b"Quackenbush "
    clean_pixels(data)
    assert np.array_equal(np.frombuffer(data.PixelData, "<u2").reshape(body().shape), body() & 0xFFF)
    signed = pydicom.dcmread(make_slice(tmp_path / "b.dcm", body().astype(np.int16) - 1000, PatientID="1"))
    before = signed.pixel_array.copy()
    signed.BitsStored, signed.HighBit = 13, 12
    clean_pixels(signed)
    assert np.array_equal(signed.pixel_array, before)
    inner = Dataset()
    inner.PixelData = b"\0\0"
    inner["PixelData"].VR = "OW"
    data.ReferencedImageSequence = Sequence([inner])
    with pytest.raises(NotDeidentified, match="in a sequence"):
        clean_pixels(data)


def test_two_files_of_one_uid_do_not_overwrite_each_other(tmp_path: Path) -> None:
    slice_of(tmp_path / "in/a.dcm", body(0))
    slice_of(tmp_path / "in/b.dcm", body(1))
    nameless = pydicom.dcmread(slice_of(tmp_path / "in/c.dcm", body(1)))
    del nameless.SOPInstanceUID
    nameless.save_as(tmp_path / "in/c.dcm")
    result = ran(tmp_path / "in", "-o", tmp_path / "out", "--key", tmp_path / "k", "--text", "leave", "--json")
    messages = [each["error"] and each["error"]["message"] for each in json.loads(result.stdout)["items"]]
    assert messages[0] is None
    assert "same SOP Instance UID" in messages[1]
    assert messages[2] is not None


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def cleaned(data: Dataset, path: Path) -> bytes:
    deidentify(data, Profile.of([]), Pseudonyms(bytes(32)))
    data.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def test_codes_of_people_and_places_go_and_those_of_the_standard_stay(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
    operator = Dataset()
    operator.PersonIdentificationCodeSequence = Sequence([coded("EMP00417", "99HOSP", "Dr. Doe")])
    data.OperatorIdentificationSequence = Sequence([operator])
    data.InstitutionCodeSequence = Sequence([coded("KH-0815XYZ", "99LOC", "Clinic")])
    data.AnatomicRegionSequence = Sequence([coded("51185008", "SCT", "Chest")])
    content = cleaned(data, tmp_path / "out.dcm")
    for secret in (b"EMP00417", b"99HOSP", b"KH-0815XYZ", b"99LOC", b"Doe", b"Clinic"):
        assert secret not in content
    assert data.AnatomicRegionSequence[0].CodeValue == "51185008"
    assert data.AnatomicRegionSequence[0].CodeMeaning == "Chest"


def test_dates_uids_and_order_numbers_go_from_texts_too(tmp_path: Path) -> None:
    """A date that stays as it was beside one that moved tells by how much all of a patient's moved."""
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
    data.StudyDate, data.PatientBirthDate = "20040119", "19500101"
    data.PlacerOrderNumberImagingServiceRequest = "PLACER5551"
    data.add_new(0x00402006, "SH", "PLACER5551")
    data.TrackingID, data.RetrieveURL = f"of {data.SOPInstanceUID}", f"http://x/{data.StudyInstanceUID}"
    data.ConvolutionKernel = ["B30", "19 Jan 2004", "2004-01-19", "01/19/2004"]
    data.ProtocolName, data.DoseComment, data.FilterType = "PLACER5551", "seen 20040119", "A 1950-01-01"
    secrets = [str(data.SOPInstanceUID), str(data.StudyInstanceUID), "5551", "Jan 2004", "2004-01-19", "20040119"]
    content = cleaned(data, tmp_path / "out.dcm")
    for secret in (*secrets, "1950-01-01", "01/19/2004"):
        assert secret.encode() not in content, secret


@pytest.mark.parametrize(
    "text",
    [
        "20210305101500", "2021 Mar 05", "2021-Mar-5", "2021, March 5", "2021:03:05", "Fri Mar 5 10:15:00 2021",
        "5th of March 2021", "March the 5th, 2021", "5 de marzo de 2021", "5.III.2021", "2021\u5e743\u67085\u65e5",
        "on 5.3.2021", "2021/3/5", "5.3.21", "05/03/21", "210305",
    ],
)  # fmt: skip
def test_a_day_in_a_text_is_seen_however_it_is_written(text: str) -> None:
    assert holds_date(text.casefold(), frozenset({"20210305"}))


@pytest.mark.parametrize(
    "text", ["b2000 2 mm", "VA44A_2000", "syngo 2000", "5.3.2.1", "B31f", "t2_tse_2000_sag", "3.1.20"]
)
def test_numbers_that_are_no_days_stay(text: str) -> None:
    assert not holds_date(text, frozenset({"20210305"}))


def test_uids_are_seen_inside_of_names_of_files() -> None:
    uid = "1.2.826.0.1.3680043.8.498.1"
    for text in (f"ct.{uid}.dcm", uid.replace(".", "_"), f"x/{uid}"):
        assert uids_in(text), text
    assert not uids_in("1.2.840.10008.1.2.1"), "the standard's own"


def test_measurements_and_tables_are_no_texts(tmp_path: Path) -> None:
    """In enough numbers there are the bytes of every short name."""
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
    data.PatientName, data.PatientID = "Li^Na=\u674e^\u5a1c", "123456"
    data.RedPaletteColorLookupTableData = bytes(range(256))
    channel = Dataset()
    noise = np.random.default_rng(0).integers(0, 256, 240_000, np.uint8).tobytes()
    channel.add_new("WaveformData", "OW", noise)
    data.WaveformSequence = Sequence([channel])
    deidentify(data, Profile.of([]), Pseudonyms(bytes(32)))
    assert len(data.RedPaletteColorLookupTableData) == 256
    assert len(data.WaveformSequence[0].WaveformData) == 240_000


def test_classes_stay_and_directories_are_refused(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "a.dcm", body()))
    data.SOPClassUID = "1.2.840.113619.4.27"
    deidentify(data, Profile.of([]), Pseudonyms(bytes(32)))
    assert data.SOPClassUID == "1.2.840.113619.4.27"
    (tmp_path / "in").mkdir()
    (tmp_path / "in/LIST").write_bytes(Path(str(get_testdata_file("DICOMDIR"))).read_bytes())
    result = ran(tmp_path / "in", "-o", tmp_path / "out", "--key", tmp_path / "k", "--text", "leave")
    assert result.exit_code == 3
    assert "DICOMDIR" in result.stdout


def test_all_dates_go_where_none_is_wanted(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
    data.SecondaryReviewDate, data.SecondaryReviewTime, data.ExpiryDate = "20210305", "101500", "20300101"
    deidentify(data, Profile.of([], move_dates=False), Pseudonyms(bytes(32)))
    assert not data.SecondaryReviewDate
    assert not data.SecondaryReviewTime
    assert not data.ExpiryDate


def test_padding_is_no_part_of_an_identity(tmp_path: Path) -> None:
    names = set()
    for identity in ("HX7788Q", " HX7788Q"):
        data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
        data.PatientID = identity
        deidentify(data, Profile.of([]), Pseudonyms(bytes(32)))
        names.add(data.PatientID)
    assert len(names) == 1


def test_a_claimed_scheme_makes_no_code_of_an_institution_anybodys(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
    data.InstitutionCodeSequence = Sequence([coded("4711", "SCT", "St Mary Hospital")])
    urn = Dataset()
    urn.URNCodeValue, urn.CodeMeaning = "urn:hospital:stmary:42", "St Mary"
    data.InstitutionalDepartmentTypeCodeSequence = Sequence([urn])
    data.PixelDataProviderURL, data.CodingSchemeName = "https://pacs.stmary.example/x", "St Mary"
    content = cleaned(data, tmp_path / "out.dcm")
    assert b"4711" not in content
    assert b"tmary" not in content.lower().replace(b" ", b"")


def test_a_file_without_its_preamble_keeps_its_coding(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    whole = Path(get_testdata_file("JPEG2000.dcm"))
    (tmp_path / "in/cut.dcm").write_bytes(whole.read_bytes()[132:])
    result = ran(tmp_path / "in", "-o", tmp_path / "out", "--key", tmp_path / "k", "--text", "leave")
    assert result.exit_code == 0, result.output
    (written,) = (tmp_path / "out").rglob("*.dcm")
    assert np.array_equal(pydicom.dcmread(written).pixel_array, pydicom.dcmread(whole).pixel_array)


def test_what_the_standard_defines_stays_whatever_somebody_is_called(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
    data.PatientName, data.PatientID, data.OperatorsName = "REMO^CT", "CQ500-CT-310", "Enter Text"
    data.Manufacturer, data.ValueType, data.RelationshipType = "Maker", "TEXT", "HAS OBS CONTEXT"
    data.ConceptNameCodeSequence = Sequence([coded("TEXT1", "TEXT", "Text")])
    data.SeriesDescription = "of Remo"
    content = cleaned(data, tmp_path / "out.dcm")
    assert (data.Modality, data.ValueType, data.RelationshipType) == ("CT", "TEXT", "HAS OBS CONTEXT")
    assert data.ConceptNameCodeSequence[0].CodingSchemeDesignator == "removed", "it must not be empty"
    assert b"Remo" not in content


def test_the_same_number_at_two_hospitals_is_two_people(tmp_path: Path) -> None:
    names = set()
    for issuer in ("A", "B", ""):
        data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
        data.PatientID, data.IssuerOfPatientID = "0001", issuer
        deidentify(data, Profile.of([]), Pseudonyms(bytes(32)))
        names.add(str(data.PatientID))
    assert len(names) == 3


def test_numbers_equal_to_an_identifier_go_however_they_are_kept(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
    data.PatientID = "47110815"
    data.RescaleSlope, data.DataPointRows, data.ExposureTimeInms = "47110815.0", 47110815, 47110815.0
    deidentify(data, Profile.of([]), Pseudonyms(bytes(32)))
    assert not data.RescaleSlope
    assert not data.DataPointRows
    assert not data.ExposureTimeInms


def test_a_device_that_is_kept_keeps_its_uid(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body(), DeviceUID="1.2.3.4.5.6.7.8.9"))
    deidentify(data, Profile.of(["device"]), Pseudonyms(bytes(32)))
    assert data.DeviceUID == "1.2.3.4.5.6.7.8.9"


def test_a_data_set_without_a_file_header_is_read(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "a.dcm", body()))
    (tmp_path / "in").mkdir()
    with (tmp_path / "in/bare.dcm").open("wb") as file:
        pydicom.dcmwrite(
            file, data, implicit_vr=False, little_endian=True, force_encoding=True, enforce_file_format=False
        )
    content = (tmp_path / "in/bare.dcm").read_bytes()
    start = content.index(b"\x08\x00")
    (tmp_path / "in/bare.dcm").write_bytes(content[start:])
    result = ran(tmp_path / "in", "-o", tmp_path / "out", "--key", tmp_path / "k", "--text", "leave")
    assert result.exit_code == 0, result.output
    (written,) = (tmp_path / "out").rglob("*.dcm")
    assert np.array_equal(pydicom.dcmread(written).pixel_array, body())


def test_what_was_written_is_no_input_and_reports_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slice_of(tmp_path / "in/a.dcm", body())
    monkeypatch.chdir(tmp_path / "in")
    for _ in range(2):
        result = ran(".", "-o", "shared", "--key", tmp_path / "k", "--text", "leave")
        assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "in/shared").rglob("*.dcm"))) == 1
    assert "in shared itself" in result.stdout
    assert (tmp_path / "in/shared/report-2.json").exists()
    assert isinstance(ran("a.dcm", "-o", "a.dcm", "--key", tmp_path / "k", "--text", "leave").exception, UsageError)


def test_the_table_is_the_standards() -> None:
    found = table()
    assert len(found) > 600
    for tag, action in ((0x00100010, "emptied"), (0x00080018, "mapped"), (0x00104000, "removed")):
        assert found[tag] == action
    assert Profile().action(0x00190010, "LO", "") is Action.REMOVE
    assert moved("20240229", 366) == "20250301"
    assert moved("20240229101500.5", 1) == "20240301101500.5"
    assert moved("yesterday", 1) == ""


@pytest.mark.parametrize("size", [0.4, 0.6, 1.0])
@pytest.mark.parametrize("place", [(8, 24), (8, 240)])
def test_text_in_pixels_is_found_masked_and_gone(size: float, place: tuple[int, int], tmp_path: Path) -> None:
    picture = with_text(body(3), "QUACKENBUSH Z", place, size)
    data = pydicom.dcmread(slice_of(tmp_path / "a.dcm", picture))
    with pytest.raises(NotDeidentified, match="text in the pixels"):
        clean_pixels(data, mask=False)
    assert clean_pixels(data) > 0
    changed = data.pixel_array != body(3)
    assert not (data.pixel_array[picture != body(3)] > 1500).any(), "no letter is left"
    assert changed.mean() < 0.35, "and the picture is"
    assert clean_pixels(data) == 0


def test_pictures_without_text_stay_as_they_are(tmp_path: Path) -> None:
    for seed in range(4):
        data = pydicom.dcmread(slice_of(tmp_path / f"{seed}.dcm", body(seed)))
        assert clean_pixels(data) == 0
    assert boxes(np.zeros((200, 300), np.uint8)) == []


def test_files_of_others_end_in_a_file_or_a_reason(tmp_path: Path) -> None:
    names = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "examples_ybr_color.dcm", "reportsi.dcm", "rtplan.dcm",
             "color-px.dcm", "image_dfl.dcm", "priv_SQ.dcm", "no_meta.dcm", "SC_rgb_jpeg_gdcm.dcm")  # fmt: skip
    (tmp_path / "in").mkdir()
    for name in names:
        if (path := get_testdata_file(name, download=False)) is not None:
            (tmp_path / "in" / name).write_bytes(Path(str(path)).read_bytes())
    result = ran(tmp_path / "in", "-o", tmp_path / "out", "--key", tmp_path / "k", "--text", "leave", "--json")
    items = json.loads(result.stdout)["items"]
    assert items
    assert all(each["error"] is None or each["error"]["type"] == "NotDeidentified" for each in items), items
    written = list((tmp_path / "out").rglob("*.dcm"))
    assert len(written) >= 5
    for path in written:
        data = pydicom.dcmread(path)
        assert str(data.PatientID).startswith("P")
        assert not [each for each in data.iterall() if each.tag.is_private]


def test_the_key_is_its_owners_and_lies_elsewhere(tmp_path: Path) -> None:
    key = key_of(tmp_path / "k")
    assert key == key_of(tmp_path / "k")
    assert (tmp_path / "k").stat().st_mode & 0o077 == 0
    (tmp_path / "short").write_text("abcd")
    with pytest.raises(UsageError, match="is no key"):
        key_of(tmp_path / "short")
    slice_of(tmp_path / "in/a.dcm", body())
    beside = ran(tmp_path / "in", "-o", tmp_path / "out", "--key", tmp_path / "out/k")
    assert isinstance(beside.exception, UsageError)


def test_files_are_read_in_a_confined_process_that_is_replaced_when_it_dies(tmp_path: Path) -> None:
    path = slice_of(tmp_path / "in.dcm", body())
    with closing(Deidentifier(Limits(), Profile.of([]), Pseudonyms(bytes(32)), "leave")) as worker:
        held = worker.start()
        assert held["no_new_privileges"]
        assert held["no_file_writes"] or not Path("/sys/kernel/security/landlock").exists()
        with path.open("rb") as file:
            done, content = worker.deidentify(file)
        assert b"Quackenbush" not in content
        assert done.actions["removed"] > 0
        assert worker.process is not None
        worker.process.kill()
        with path.open("rb") as file, pytest.raises(DecodingStopped, match="signal 9"):
            worker.deidentify(file)
        with path.open("rb") as file:
            assert worker.deidentify(file) == (done, content)


@pytest.mark.parametrize(
    "lie",
    [{"names": ["../../etc", "1", "2"]}, {"names": ["P" + "A" * 12, "/", "2"]}, {"size": 2**40}, {"masked": None}],
)
def test_what_a_worker_says_is_checked(lie: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = slice_of(tmp_path / "in.dcm", body())
    with closing(Deidentifier(Limits(), Profile.of([]), Pseudonyms(bytes(32)), "leave")) as worker:
        asked = worker._ask
        monkeypatch.setattr(worker, "_ask", lambda message, files=(): asked(message, files) | lie)
        with path.open("rb") as file, pytest.raises(DecodingStopped, match="invalid"):
            worker.deidentify(file)


FAMILY = "\u0418\u0432\u0430\u043d\u043e\u0432"  # Ivanov


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SeriesNumber", "47110815"),
        ("RescaleIntercept", "47110815"),
        ("ICCProfile", FAMILY.encode()),
        ("ICCProfile", FAMILY.encode("iso8859-5")),
        ("ICCProfile", "Smithson".encode("utf-16-le")),
        ("SequenceName", "b 19500203"),
        ("SequenceName", "ADM998877"),
        ("SequenceName", "STU998877"),
        ("SequenceName", "Musterstadt"),
        ("SequenceName", "ROOMNINE"),
    ],
)
def test_what_names_somebody_goes_wherever_and_however_it_is_written(keyword: str, value: Any, tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
    data.SpecificCharacterSet, data.PatientName, data.PatientID = "ISO_IR 192", f"{FAMILY}^Smithson", "47110815"
    data.AdmissionID, data.StudyID, data.StationName = "ADM998877", "STU998877", "ROOMNINE"
    data.InstitutionAddress, data.PatientBirthDate, data.Manufacturer = "5 Musterstadt", "19500203", "Maker"
    setattr(data, keyword, value)
    deidentify(data, Profile.of([]), Pseudonyms(bytes(32)))
    assert not data.get(keyword)
    assert data.Manufacturer == "Maker"


def test_numbers_that_spell_a_name_go(tmp_path: Path) -> None:
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", body()))
    table_ = Dataset()
    table_.add_new(0x00283002, "US", [5, 0, 16])
    table_.add_new(
        0x00283006, "US", [int.from_bytes(pair, "little") for pair in (b"Qu", b"ac", b"ke", b"nb", b"us", b"h\0")]
    )
    data.ModalityLUTSequence = Sequence([table_])
    deidentify(data, Profile.of([]), Pseudonyms(bytes(32)))
    assert not data.ModalityLUTSequence[0].LUTData


def test_pixels_written_anew_keep_their_values(tmp_path: Path) -> None:
    stored = body()
    path = slice_of(tmp_path / "in.dcm", stored, BitsStored=12, HighBit=11)
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    data.PixelData = stored.astype(">u2").tobytes()
    clean_pixels(data)
    assert np.array_equal(np.frombuffer(data.PixelData, ">u2").reshape(stored.shape), stored)

    shifted = pydicom.dcmread(path)
    shifted.BitsStored, shifted.HighBit = 8, 15
    shifted.PixelData = (((stored >> 4).astype(np.uint16) << 8) | 77).tobytes()
    clean_pixels(shifted)
    assert shifted.HighBit == 7
    assert np.array_equal(shifted.pixel_array, stored >> 4), "and 77 is nowhere"


def _coloured(kind: str, path: Path) -> Dataset:
    """Text that is seen in its colours alone: 0 and 1 are neighbours, red is as bright as green."""
    ink = np.zeros((256, 256), np.uint8)
    cv2.putText(ink, "QUACKENBUSH", (8, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1, 2, cv2.LINE_8)
    ink = ink > 0
    data: Dataset = pydicom.dcmread(slice_of(path, ink.astype(np.uint8) + 100))
    if kind == "palette":
        table_ = np.zeros(256, np.uint16)
        table_[101] = 65535
        data.PhotometricInterpretation = "PALETTE COLOR"
        for colour in ("Red", "Green", "Blue"):
            setattr(data, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
            setattr(data, f"{colour}PaletteColorLookupTableData", table_.tobytes())
    else:
        pixels = np.where(ink[..., None], (200, 0, 0), (0, 200, 0)).astype(np.uint8)
        data.PhotometricInterpretation, data.SamplesPerPixel, data.PlanarConfiguration = "RGB", 3, 0
        data.PixelData = pixels.tobytes()
    return data


@pytest.mark.parametrize("kind", ["palette", "colours"])
def test_text_is_looked_for_in_what_is_seen(kind: str, tmp_path: Path) -> None:
    data = _coloured(kind, tmp_path / "in.dcm")
    assert clean_pixels(data) > 0
    assert clean_pixels(data) == 0


def test_values_around_masked_text_stay(tmp_path: Path) -> None:
    grey = np.clip(with_text(body(), "QUACKENBUSH Z", (8, 24), 1.0) // 12, 0, 255).astype(np.uint8)
    data = pydicom.dcmread(slice_of(tmp_path / "in.dcm", grey))
    pixels = np.stack([grey, np.full_like(grey, 100), np.full_like(grey, 160)], -1)
    data.PhotometricInterpretation, data.SamplesPerPixel, data.PlanarConfiguration = "YBR_FULL", 3, 0
    data.PixelData = pixels.tobytes()
    assert clean_pixels(data) > 0
    after = np.frombuffer(data.PixelData, np.uint8).reshape(pixels.shape)
    same = (after == pixels).all(-1)
    assert same.mean() > 0.5
    assert set(map(tuple, after[~same])) == {(0, 128, 128)}


def test_frames_are_looked_at_again_after_masking(tmp_path: Path) -> None:
    frames = np.stack([body(k) for k in range(6)])
    frames[2] = with_text(frames[2], "QUACKENBUSH Z", (8, 24), 1.0)
    path = slice_of(tmp_path / "in.dcm", frames, NumberOfFrames=6)
    with (
        closing(Deidentifier(Limits(), Profile.of([]), Pseudonyms(bytes(32)), "mask")) as worker,
        path.open("rb") as file,
    ):
        done, content = worker.deidentify(file)
    assert done.masked > 0
    assert len(content) > frames.nbytes


def test_a_file_cut_short_keeps_out_no_whole_one(tmp_path: Path) -> None:
    path = slice_of(tmp_path / "in/b.dcm", body())
    data = pydicom.dcmread(path)
    del data.PixelData
    data.save_as(tmp_path / "in/a.dcm")
    result = CliRunner().invoke(
        app,
        [
            "deidentify",
            str(tmp_path / "in"),
            "-o",
            str(tmp_path / "out"),
            "--key",
            str(tmp_path / "k"),
            "--text",
            "leave",
        ],
    )
    assert result.exit_code == 1
    assert "cut short" in result.output
    (written,) = (tmp_path / "out").rglob("*.dcm")
    assert "PixelData" in pydicom.dcmread(written)
