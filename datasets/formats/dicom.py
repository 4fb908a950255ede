"""DICOM: stored values -> modality LUT -> the values we score (HU for CT); VOI LUT and inversion for display only.

Order of the transformations: PS3.3 C.11.1 (modality), C.11.2 (VOI), C.7.6.3.1.2 (MONOCHROME1 is shown inverted, its
values stay). Only the technical attributes of `TECHNICAL` leave this module; what names a patient is used once, as
`identity`, for a keyed hash.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace
from functools import cached_property
from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.counting import counted
from oddpixel.errors import CorruptFile, NoPixels, UnsupportedEncoding
from oddpixel.image import Unit

from ..appearance import Samples, appearance
from ..completeness import promised
from ..dicom_colours import check_colours, colour_notes, photometric
from ..dicom_frames import (
    Codestream,
    check_depth,
    check_header,
    check_length,
    codestream,
    num_frames_held,
    surplus_notes,
)
from ..dicom_groups import FunctionalGroups
from ..dicom_kind import may_show_text, why_not_hounsfield
from ..dicom_padding import padding
from ..dicom_raster import raster_of
from ..dicom_tags import note_of, without_unreadable
from ..dicom_values import dose_scaling, has_other_mapping, modality_values
from ..jpeg_integrity import check_jpeg
from ..limits import Limits
from ..text import technical_text
from . import Frame, Header, noted

TECHNICAL = {
    "modality": "Modality",
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "body_part": "BodyPartExamined",
    "kernel": "ConvolutionKernel",
    "kvp": "KVP",
    "slice_thickness_mm": "SliceThickness",
    "field_strength_t": "MagneticFieldStrength",
    "photometric": "PhotometricInterpretation",
    "burned_in_annotation": "BurnedInAnnotation",
    "lossy": "LossyImageCompression",
}


class Dicom:
    """DICOM objects with pixel data, with or without preamble and file meta information."""

    suffixes: ClassVar[dict[str, str]] = {".dcm": "DICOM", ".dicom": "DICOM", ".ima": "DICOM"}

    def recognise(self, head: bytes) -> str | None:
        """DICOM by the preamble's prefix, or by the first element where there is no preamble."""
        if head[128:132] == b"DICM":
            return "DICOM"
        # Without a preamble (retired but common): a first element of group 0002 or 0008, little- or big-endian.
        group = head[:4] in (b"\x02\0\0\0", b"\x02\0\x02\0", b"\x02\0\x10\0", b"\x08\0\0\0", b"\x08\0\x01\0")
        tag = head[:2] == b"\x08\0" and head[2:4] in (b"\x05\0", b"\x08\0", b"\x12\0", b"\x16\0", b"\x20\0")
        return "DICOM" if group or tag or head[:4] in (b"\0\x08\0\0", b"\0\x08\0\x05", b"\0\x08\0\x08") else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedDicom:
        """Parse the data set; pixel data stay encoded."""
        return OpenedDicom(file, limits)


FORMAT = Dicom


class OpenedDicom:
    """An open DICOM object."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        import pydicom

        from .. import jpeg12

        jpeg12.register()
        with warnings.catch_warnings():  # pydicom warns about every oddity of real files; the errors are what counts
            warnings.simplefilter("ignore")
            self.dataset = pydicom.dcmread(file, force=True)
            self.notes = [*_transfer_syntax_assumed(self.dataset), *note_of(without_unreadable(self.dataset))]
            self.header = self._read_header(limits)
        self.limits = limits

    @property
    def identity(self) -> str | None:
        """Patient, study or series ID: the first that is filled in."""
        for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID"):
            if value := str(self.dataset.get(keyword, "") or "").strip():
                issuer = self.dataset.get("IssuerOfPatientID", "") if keyword == "PatientID" else ""
                return f"{keyword}\0{issuer}\0{value}"
        return None

    def _read_header(self, limits: Limits) -> Header:
        data = self.dataset
        _check_has_pixels(data)
        rows, columns = int(data.get("Rows", 0) or 0), int(data.get("Columns", 0) or 0)
        frames = max(int(data.get("NumberOfFrames", 1) or 1), 1)
        if rows < 1 or columns < 1:
            raise CorruptFile(f"Rows x Columns is {rows} x {columns}")
        limits.check_size(columns, rows, frames)
        meta: dict[str, Any] = {
            name: technical_text(data[key].value) for name, key in TECHNICAL.items() if data.get(key) not in (None, "")
        }
        if syntax := data.file_meta.get("TransferSyntaxUID") if hasattr(data, "file_meta") else None:
            meta["transfer_syntax"] = technical_text(syntax.name)
        if may_show_text(data):
            meta["text_in_pixels"] = "possible"
            self.notes.append("a name may be burned into the pixels: no thumbnail and no map of it is written")
        self.groups = FunctionalGroups(data, frames)
        self.notes += [*self._frames_left_out(frames), *self.groups.notes(), *self._unapplied()]
        if self.notes:
            meta["notes"] = list(self.notes)
        return Header(format="DICOM", width=columns, height=rows, frames=frames, meta=meta)

    def _frames_left_out(self, num_declared: int) -> list[str]:
        num_held = num_frames_held(self.dataset)
        if num_held is None or num_held <= num_declared:
            return surplus_notes(self.dataset)
        left_out = num_held - num_declared
        return [
            f"the header declares {counted(num_declared, 'frame')}, but the pixel data hold {num_held}: {left_out} are not read"
        ]

    def _unapplied(self) -> list[str]:
        """Notes on what the object asks to be done with its values and is not done (C.7.6.16.2.11), or is not obvious."""
        rescale = self.groups.item(0, "PixelValueTransformationSequence")
        holders = [*self.groups.per_frame[:1], *self.groups.shared, self.dataset]
        notes = []
        if any(has_other_mapping(holder, rescale) for holder in holders):
            notes.append("its real-world value mapping is not applied")
        if dose_scaling(self.dataset) is not None:
            unit = technical_text(self.dataset.get("DoseUnits") or "no declared unit")
            notes.append(f"values are doses ({unit}), scaled by DoseGridScaling")
        return notes

    def series_place(self) -> dict[str, Any] | None:
        """Series identity (to be hashed), position and orientation of a single-frame slice; None without a series."""
        series = str(self.dataset.get("SeriesInstanceUID", "") or "")
        position, orientation = self.dataset.get("ImagePositionPatient"), self.dataset.get("ImageOrientationPatient")
        if not series or self.header.frames != 1:
            return None
        place: dict[str, Any] = {"series": series, "instance": int(self.dataset.get("InstanceNumber", 0) or 0)}
        place["promised"] = promised(self.dataset)
        if uid := str(self.dataset.get("SOPInstanceUID", "") or ""):
            place["uid"] = hashlib.sha256(uid.encode()).hexdigest()
        place["raster"] = raster_of(self.dataset)
        if position is not None and orientation is not None and len(position) == 3 and len(orientation) == 6:
            place |= {"position": [float(v) for v in position], "orientation": [float(v) for v in orientation]}
        return place

    def frame(self, index: int) -> Frame:
        """Decode one frame to modality values; colour frames to sRGB."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            samples, notes = self._decoded(index)
            return noted(self._frame(samples, index), notes)

    def _decoded(self, index: int) -> tuple[np.ndarray, list[str]]:
        """Stored values, and notes on the frame. Raises: CorruptFile, UnsupportedEncoding."""
        from pydicom.pixels import pixel_array

        self._check_codec()
        check_colours(self.dataset)
        self.groups.check(index)
        self._check_high_bit()
        if self._has_frames_within_bytes():
            return self._frames_of_bits[index], []
        check_length(self.dataset)
        stream, notes = self._checked_stream(index)
        samples = pixel_array(self.dataset, index=index)
        if stream is not None:
            check_depth(samples, self.dataset)
        return samples, notes

    def _checked_stream(self, index: int) -> tuple[Codestream | None, list[str]]:
        """What a compressed frame says of itself, and notes on it. Raises: CorruptFile."""
        from pydicom.encaps import get_frame

        data = self.dataset
        if not data.file_meta.TransferSyntaxUID.is_encapsulated:
            return None, []
        table, lengths = data.get("ExtendedOffsetTable"), data.get("ExtendedOffsetTableLengths")
        offsets = (table, lengths) if table and lengths else None
        frame = get_frame(data.PixelData, index, number_of_frames=self.header.frames, extended_offsets=offsets)
        stream = codestream(frame)
        if stream is None:
            return None, []
        notes = [*check_header(stream, data), *colour_notes(data, stream.is_transformed)]
        return stream, [*notes, *(check_jpeg(frame) if stream.is_jpeg else [])]

    def _check_high_bit(self) -> None:
        """Samples lie at the lower end of their cells since 2004 (PS3.5 8.1.1); older files may have them higher up."""
        high_bit, bits = self.dataset.get("HighBit"), self.dataset.get("BitsStored")
        if high_bit is not None and bits is not None and int(high_bit) != int(bits) - 1:
            raise UnsupportedEncoding(
                f"HighBit is {high_bit} with {bits} BitsStored: samples that do not begin at the lowest bit are not read; "
                "convert the file to a HighBit of BitsStored - 1"
            )

    def _has_frames_within_bytes(self) -> bool:
        """Frames of single bits follow each other without a gap, so that one may begin within a byte (PS3.5 8.1.1)."""
        data = self.dataset
        is_native = not data.file_meta.TransferSyntaxUID.is_encapsulated
        return int(data.get("BitsAllocated", 8) or 8) == 1 and is_native and self.header.frames > 1

    @cached_property
    def _frames_of_bits(self) -> np.ndarray:
        from pydicom.pixels import pixel_array

        return np.asarray(pixel_array(self.dataset))

    def _cells(self, index: int) -> np.ndarray | None:
        """Samples with all bits allocated; None of a compressed frame, which has the bits stored alone."""
        from pydicom.pixels import pixel_array

        if self.dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            return None
        return np.asarray(pixel_array(self.dataset, index=index, correct_unused_bits=False))

    def _frame(self, samples: np.ndarray, index: int) -> Frame:
        data = self.dataset
        interpretation = photometric(data)
        bits = int(data.get("BitsStored", data.get("BitsAllocated", 8)) or 8)
        spacing, spacing_kind = self._spacing(index)
        meta: dict[str, Any] = {} if spacing_kind is None else {"spacing": spacing_kind}
        if samples.ndim == 3 or interpretation == "PALETTE COLOR":
            return self._colour_frame(samples, interpretation, bits, spacing, meta)
        masked = padding(samples, data, lambda: self._cells(index))
        if masked is not None:
            meta["padding_fraction"] = round(float(masked.mean()), 6)
        values = modality_values(samples, data, self.groups.item(index, "PixelValueTransformationSequence"))
        scale, offset, samples, notes = values.slope, values.intercept, values.samples, values.notes
        unit: Unit = "modality"
        if not notes:
            unit, notes = self._unit(index)
        frame = Frame(
            stored=samples, scale=scale, offset=offset, bits=bits, unit=unit, spacing_mm=spacing, masked=masked, meta=meta
        )  # fmt: skip
        meta |= self._geometry(index)
        meta |= {"slope": scale, "display": self._display_knots(frame, interpretation == "MONOCHROME1", index)}
        if notes:
            meta["notes"] = notes
        return frame

    def _colour_frame(
        self,
        samples: np.ndarray,
        interpretation: str,
        bits: int,
        spacing: tuple[float, float] | None,
        meta: dict[str, Any],
    ) -> Frame:
        if interpretation == "PALETTE COLOR":
            samples, bits = _look_up_palette(samples, self.dataset)
        colours = Samples(values=samples, bits=bits, profile=self._profile(), meta=meta)
        return replace(appearance(colours), spacing_mm=spacing)

    def _profile(self) -> bytes | None:
        """The ICC profile (C.11.15), of whole-slide images in the optical path (C.8.12.5)."""
        paths = list(self.dataset.get("OpticalPathSequence") or [])
        profiles = (item.get("ICCProfile") for item in (self.dataset, *paths))
        profile = next((content for content in profiles if content), None)
        return None if profile is None else bytes(profile)

    def _unit(self, index: int) -> tuple[Unit, list[str]]:
        """HU where a CT, or its rescale type, speaks of them and nothing against it; and a note where something does."""
        rescale = self.groups.item(index, "PixelValueTransformationSequence")
        is_ct = self.header.meta.get("modality") == "CT"
        if not is_ct and str(rescale.get("RescaleType", "") or "").strip().upper() != "HU":
            return "modality", []
        why = why_not_hounsfield(self.dataset, rescale, self.groups.item(index, "CTImageFrameTypeSequence"))
        return ("HU", []) if why is None else ("modality", [f"values are not taken as HU: {why}"])

    def _check_codec(self) -> None:
        from pydicom.pixels import get_decoder

        file_meta = getattr(self.dataset, "file_meta", None)
        syntax = file_meta.get("TransferSyntaxUID") if file_meta is not None else None
        if syntax is None:
            raise CorruptFile("the file has no transfer syntax, so the encoding of its pixels is unknown")
        try:
            decoder = get_decoder(syntax)
        except NotImplementedError as error:
            raise UnsupportedEncoding(f"transfer syntax {technical_text(syntax.name)} has no decoder") from error
        if not decoder.is_available:
            needs = "; ".join(decoder.missing_dependencies)
            raise UnsupportedEncoding(f"transfer syntax {technical_text(syntax.name)} needs a codec: {needs}")

    def _spacing(self, index: int) -> tuple[tuple[float, float] | None, str | None]:
        """Row and column distance, and at which plane: the patient's or the detector's (C.7.6.3, C.8.11.4)."""
        for keyword, kind in (
            ("PixelSpacing", "patient"),
            ("ImagerPixelSpacing", "detector"),
            ("NominalScannedPixelSpacing", "scanned film"),
        ):
            value = self.groups.item(index, "PixelMeasuresSequence").get(keyword) or self.dataset.get(keyword)
            if value is not None and not isinstance(value, str) and len(value) == 2:
                row, column = float(value[0]), float(value[1])
                if row > 0 and column > 0:
                    return (row, column), kind
        return None, None

    def _geometry(self, index: int) -> dict[str, Any]:
        """Direction cosines of rows and of columns in the patient (C.7.6.2.1.1), and of a frame its place along their normal."""
        position = self.groups.position_mm(index) if self.header.frames > 1 else None
        place = {} if position is None else {"position_mm": round(position, 4)}
        value = self.groups.item(index, "PlaneOrientationSequence").get("ImageOrientationPatient")
        if value is None or isinstance(value, str) or len(value) != 6:
            return place
        return {"orientation": [float(cosine) for cosine in value], **place}

    def _display_knots(self, frame: Frame, inverted: bool, index: int) -> dict[str, list[float]] | None:
        """VOI LUT and inversion as the knots of a piecewise-linear map from modality values to grey 0..1.

        A linear window needs 2 knots; for a sigmoid or a table, pydicom evaluates the map at 256 values.
        """
        from pydicom.pixels import apply_voi_lut

        voi = self.groups.item(index, "FrameVOILUTSequence")
        recorded = frame.stored if frame.masked is None or frame.masked.all() else frame.stored[~frame.masked]
        if recorded.dtype.kind == "f":
            recorded = recorded[np.isfinite(recorded)] if np.isfinite(recorded).any() else np.zeros(1)
        low, high = sorted(frame.scale * float(v) + frame.offset for v in (recorded.min(), recorded.max()))
        if voi.get("VOILUTSequence"):
            first = int(voi.VOILUTSequence[0].LUTDescriptor[1])
            values = np.unique(np.linspace(min(low, first), high, 256).round())
            grey = np.asarray(apply_voi_lut(values.astype(np.int64), voi), float)
        elif voi.get("WindowCenter") is not None and voi.get("WindowWidth") is not None:
            centre, width = (float(np.ravel(voi[k].value)[0]) for k in ("WindowCenter", "WindowWidth"))
            kind = str(voi.get("VOILUTFunction", "LINEAR") or "LINEAR")
            values, grey = _window(centre, max(width, 1e-6), kind)
        elif inverted:
            values, grey = np.array([low, max(high, low + 1e-6)]), np.array([0.0, 1.0])
        else:
            return None
        span = max(float(grey.max() - grey.min()), 1e-12)
        grey = (grey - grey.min()) / span
        return {"value": values.tolist(), "grey": (1 - grey if inverted else grey).tolist()}


def _check_has_pixels(dataset: Any) -> None:
    """Check that the object holds pixel data. Raises: CorruptFile, NoPixels."""
    from pydicom.datadict import dictionary_has_tag

    if any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        return
    if not any(dictionary_has_tag(tag) for tag in dataset.keys()):  # noqa: SIM118 -- a data set iterates over elements
        raise CorruptFile(
            "the file begins like DICOM, but no object can be read after that; get the file from its source again"
        )
    raise NoPixels(f"the DICOM object has no pixel data ({technical_text(dataset.get('Modality') or 'no modality')})")


def _window(centre: float, width: float, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """PS3.3 C.11.2.1.2: LINEAR (half a value off), LINEAR_EXACT, SIGMOID."""
    if kind == "SIGMOID":
        values = np.linspace(centre - 2 * width, centre + 2 * width, 256)
        return values, 1 / (1 + np.exp(-4 * (values - centre) / width))
    if kind == "LINEAR" and width > 1:
        centre, width = centre - 0.5, width - 1
    return np.array([centre - width / 2, centre + width / 2]), np.array([0.0, 1.0])


def _look_up_palette(samples: np.ndarray, dataset: Any) -> tuple[np.ndarray, int]:
    """Colours and their depth: entries of 8 bits may be padded to 16 (C.7.6.3.1.5)."""
    from pydicom.pixels import apply_color_lut

    colours = np.asarray(apply_color_lut(samples, dataset))
    descriptor = dataset.get("RedPaletteColorLookupTableDescriptor")
    declared = int(descriptor[2]) if descriptor is not None and len(descriptor) == 3 else 16
    if int(colours.max()) < 256:
        return colours.astype(np.uint8), 8
    return ((colours >> 8).astype(np.uint8), 8) if declared == 8 else (colours, 16)


def _transfer_syntax_assumed(dataset: Any) -> list[str]:
    """Without file meta information, the encoding of the elements also gives that of native pixels (PS3.10 7.1)."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    file_meta = getattr(dataset, "file_meta", None)
    if file_meta is not None and file_meta.get("TransferSyntaxUID"):
        return []
    pixels = dataset.get_item("PixelData") if "PixelData" in dataset else None
    if getattr(pixels, "is_undefined_length", False) or getattr(pixels, "length", 0) == 0xFFFFFFFF:
        return []  # compressed, and nothing says how: refused when its pixels are decoded
    is_implicit, is_little = dataset.original_encoding
    assumed = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
    dataset.file_meta = file_meta if file_meta is not None else FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = assumed
    return [f"the file meta information is missing: {assumed.name} is assumed"]


def referenced_files(file: BinaryIO) -> list[list[str]]:
    """The files that a DICOMDIR's records reference, each as the parts of a relative path (PS3.3 F.3.2.2)."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        records = pydicom.dcmread(file).DirectoryRecordSequence
        file_ids = [record.ReferencedFileID for record in records if record.get("ReferencedFileID")]
    return [[str(part) for part in ([file_id] if isinstance(file_id, str) else file_id)] for file_id in file_ids]
