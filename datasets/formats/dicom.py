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

from oddpixel.errors import CorruptFile, NoPixels, UnsupportedEncoding
from oddpixel.image import Unit

from ..appearance import Samples, appearance
from ..completeness import promised
from ..dicom_frames import Codestream, check_depth, check_header, codestream, num_frames_held
from ..dicom_kind import is_original, may_show_text
from ..dicom_padding import padding
from ..dicom_tags import note_of, without_unreadable
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
    suffixes: ClassVar[dict[str, str]] = {".dcm": "DICOM", ".dicom": "DICOM", ".ima": "DICOM"}

    def recognise(self, head: bytes) -> str | None:
        if head[128:132] == b"DICM":
            return "DICOM"
        # Without a preamble (retired but common): a first element of group 0002 or 0008, little- or big-endian.
        group = head[:4] in (b"\x02\0\0\0", b"\x02\0\x02\0", b"\x02\0\x10\0", b"\x08\0\0\0", b"\x08\0\x01\0")
        other = head[:2] == b"\x08\0" and head[2:4] in (b"\x05\0", b"\x08\0", b"\x12\0", b"\x16\0", b"\x20\0")
        return "DICOM" if group or other or head[:4] in (b"\0\x08\0\0", b"\0\x08\0\x05", b"\0\x08\0\x08") else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedDicom:
        return OpenedDicom(file, limits)


FORMAT = Dicom


class OpenedDicom:
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
        """Patient, else study, else series: the first that is filled in."""
        for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID"):
            if value := str(self.dataset.get(keyword, "") or "").strip():
                issuer = self.dataset.get("IssuerOfPatientID", "") if keyword == "PatientID" else ""
                return f"{keyword}\0{issuer}\0{value}"
        return None

    def _read_header(self, limits: Limits) -> Header:
        data = self.dataset
        if not any(name in data for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            kind = technical_text(data.get("Modality", "") or "no modality")
            raise NoPixels(f"a DICOM object without pixel data ({kind})")
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
        self.notes += self._frames_left_out(frames)
        if self.notes:
            meta["notes"] = list(self.notes)
        return Header(format="DICOM", width=columns, height=rows, frames=frames, meta=meta)

    def _frames_left_out(self, num_declared: int) -> list[str]:
        num_held = num_frames_held(self.dataset)
        if num_held is None or num_held <= num_declared:
            return []
        left_out = num_held - num_declared
        return [f"the header declares {num_declared} frame(s), the pixel data hold {num_held}: {left_out} are not read"]

    def series_place(self) -> dict[str, Any] | None:
        """Series identity (to be hashed), position and normal of a single-frame slice; None where it has none."""
        series = str(self.dataset.get("SeriesInstanceUID", "") or "")
        position, orientation = self.dataset.get("ImagePositionPatient"), self.dataset.get("ImageOrientationPatient")
        if not series or self.header.frames != 1:
            return None
        place: dict[str, Any] = {"series": series, "instance": int(self.dataset.get("InstanceNumber", 0) or 0)}
        place["promised"] = promised(self.dataset)
        if uid := str(self.dataset.get("SOPInstanceUID", "") or ""):
            place["uid"] = hashlib.sha256(uid.encode()).hexdigest()
        if position is not None and orientation is not None and len(position) == 3 and len(orientation) == 6:
            place |= {"position": [float(v) for v in position], "orientation": [float(v) for v in orientation]}
        return place

    def frame(self, index: int) -> Frame:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            samples, notes = self._decoded(index)
            return noted(self._frame(samples, index), notes)

    def _decoded(self, index: int) -> tuple[np.ndarray, list[str]]:
        """Stored values, and notes on the frame. Raises: CorruptFile, UnsupportedEncoding."""
        from pydicom.pixels import pixel_array

        self._check_codec()
        self._check_high_bit()
        if self._has_frames_within_bytes():
            return self._frames_of_bits[index], []
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
        notes = check_header(stream, data)
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

    def _frame(self, samples: np.ndarray, index: int) -> Frame:
        data = self.dataset
        photometric = str(data.get("PhotometricInterpretation", "MONOCHROME2"))
        bits = int(data.get("BitsStored", data.get("BitsAllocated", 8)) or 8)
        spacing, spacing_kind = self._spacing(index)
        meta: dict[str, Any] = {} if spacing_kind is None else {"spacing": spacing_kind}
        if samples.ndim == 3 or photometric == "PALETTE COLOR":
            return self._colour_frame(samples, photometric, bits, spacing, meta)
        masked = padding(samples, data)
        if masked is not None:
            meta["padding_fraction"] = round(float(masked.mean()), 6)
        scale, offset, samples, notes = self._modality_lut(samples, index)
        unit: Unit = "HU" if self._is_in_hounsfield_units(index) and not notes else "modality"
        frame = Frame(
            stored=samples, scale=scale, offset=offset, bits=bits, unit=unit, spacing_mm=spacing, masked=masked, meta=meta
        )  # fmt: skip
        meta |= self._orientation(index)
        meta |= {"slope": scale, "display": self._display_knots(frame, photometric == "MONOCHROME1", index)}
        if notes:
            meta["notes"] = notes
        return frame

    def _colour_frame(
        self,
        samples: np.ndarray,
        photometric: str,
        bits: int,
        spacing: tuple[float, float] | None,
        meta: dict[str, Any],
    ) -> Frame:
        if photometric == "PALETTE COLOR":
            samples, bits = _look_up_palette(samples, self.dataset)
        colours = Samples(values=samples, bits=bits, profile=self._profile(), meta=meta)
        return replace(appearance(colours), spacing_mm=spacing)

    def _profile(self) -> bytes | None:
        """The ICC profile (C.11.15), of whole-slide images in the optical path (C.8.12.5)."""
        paths = list(self.dataset.get("OpticalPathSequence") or [])
        profiles = (item.get("ICCProfile") for item in (self.dataset, *paths))
        profile = next((content for content in profiles if content), None)
        return None if profile is None else bytes(profile)

    def _is_in_hounsfield_units(self, index: int) -> bool:
        """Only where both rescale tags are there, say nothing else, and the image is an original of a CT (C.8.2.1.1.2)."""
        values = self._functional(index, "PixelValueTransformationSequence")
        rescale_type = str(values.get("RescaleType", "") or "").strip().upper()
        is_rescaled = values.get("RescaleSlope") is not None and values.get("RescaleIntercept") is not None
        is_ct = self.header.meta.get("modality") == "CT"
        return is_rescaled and is_original(self.dataset) and (rescale_type == "HU" or (is_ct and rescale_type == ""))

    def _check_codec(self) -> None:
        from pydicom.pixels import get_decoder

        file_meta = getattr(self.dataset, "file_meta", None)
        syntax = file_meta.get("TransferSyntaxUID") if file_meta is not None else None
        if syntax is None:
            raise CorruptFile("no transfer syntax: how the pixels are encoded is not said")
        try:
            decoder = get_decoder(syntax)
        except NotImplementedError as error:
            raise UnsupportedEncoding(f"transfer syntax {technical_text(syntax.name)} has no decoder") from error
        if not decoder.is_available:
            needs = "; ".join(decoder.missing_dependencies)
            raise UnsupportedEncoding(f"transfer syntax {technical_text(syntax.name)} needs a codec: {needs}")

    def _functional(self, index: int, sequence: str) -> Any:
        """The item of an enhanced object's functional group for this frame, else the data set itself (C.7.6.16)."""
        groups = []
        per_frame = self.dataset.get("PerFrameFunctionalGroupsSequence")
        if per_frame is not None and index < len(per_frame):
            groups.append(per_frame[index])
        groups += list(self.dataset.get("SharedFunctionalGroupsSequence") or [])
        return next((group[sequence][0] for group in groups if group.get(sequence)), self.dataset)

    def _modality_lut(self, samples: np.ndarray, index: int) -> tuple[float, float, np.ndarray, list[str]]:
        """Slope, intercept, the samples that they are for, and what is wrong with them."""
        from pydicom.pixels import apply_modality_lut

        if self.dataset.get("ModalityLUTSequence"):
            return 1.0, 0.0, np.asarray(apply_modality_lut(samples, self.dataset)), []
        values = self._functional(index, "PixelValueTransformationSequence")
        slope, intercept = values.get("RescaleSlope"), values.get("RescaleIntercept")
        if slope is None and intercept is None:
            return 1.0, 0.0, samples, []
        if slope is None or intercept is None:
            lacking = "RescaleSlope" if slope is None else "RescaleIntercept"
            return 1.0, 0.0, samples, [f"{lacking} is missing: values are as stored"]
        if not np.isfinite([float(slope), float(intercept)]).all() or float(slope) == 0:
            return (
                1.0,
                0.0,
                samples,
                [f"a rescale slope of {slope} and an intercept of {intercept} are none: values are as stored"],
            )
        return float(slope), float(intercept), samples, []

    def _spacing(self, index: int) -> tuple[tuple[float, float] | None, str | None]:
        """Row and column distance, and at which plane: the patient's or the detector's (C.7.6.3, C.8.11.4)."""
        for keyword, kind in (
            ("PixelSpacing", "patient"),
            ("ImagerPixelSpacing", "detector"),
            ("NominalScannedPixelSpacing", "scanned film"),
        ):
            value = self._functional(index, "PixelMeasuresSequence").get(keyword) or self.dataset.get(keyword)
            if value is not None and not isinstance(value, str) and len(value) == 2:
                row, column = float(value[0]), float(value[1])
                if row > 0 and column > 0:
                    return (row, column), kind
        return None, None

    def _orientation(self, index: int) -> dict[str, list[float]]:
        """Direction cosines of rows and of columns in the patient (C.7.6.2.1.1)."""
        value = self._functional(index, "PlaneOrientationSequence").get("ImageOrientationPatient")
        if value is None or isinstance(value, str) or len(value) != 6:
            return {}
        return {"orientation": [float(each) for each in value]}

    def _display_knots(self, frame: Frame, inverted: bool, index: int) -> dict[str, list[float]] | None:
        """VOI LUT and inversion as the knots of a piecewise-linear map from modality values to grey 0..1.

        A linear window needs 2 knots; for a sigmoid or a table, pydicom evaluates the map at 256 values.
        """
        from pydicom.pixels import apply_voi_lut

        voi = self._functional(index, "FrameVOILUTSequence")
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
    """Without file meta information, how pydicom could read the elements tells how pixels of native encoding lie (PS3.10 7.1)."""
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
    return [f"no file meta information: taken as {assumed.name}"]


def referenced_files(file: BinaryIO) -> list[list[str]]:
    """The file ids of a DICOMDIR's records, each as the parts of a relative path (PS3.3 F.3.2.2)."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        records = pydicom.dcmread(file).DirectoryRecordSequence
        found = [record.ReferencedFileID for record in records if record.get("ReferencedFileID")]
    return [[str(part) for part in ([name] if isinstance(name, str) else name)] for name in found]
