"""One object: bytes in, bytes out, with what was done to it. Runs inside the sandbox: headers lie, codecs decode."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from oddpixel.errors import NotDeidentified

from .burned_in import clean_pixels
from .header import PIXELS, deidentify, with_clean_pixels
from .profile import Profile
from .pseudonyms import Pseudonyms

Text = Literal["mask", "refuse", "leave"]


@dataclass(frozen=True)
class Done:
    """What was done to one object, without a value of it.

    Arguments:
        names: pseudonyms of patient, study and object.
        actions: how many elements were removed, emptied, ...
        elements: their keywords, by action.
        named: keywords of texts that named somebody.
        masked: places in the pixels.
    """

    names: tuple[str, str, str]
    actions: dict[str, int]
    elements: dict[str, list[str]]
    named: list[str]
    masked: int


def transformed(
    file: BinaryIO, profile: Profile, pseudonyms: Pseudonyms, text: Text, goes_on: Callable[[], None] = lambda: None
) -> tuple[Done, bytes]:
    """The object without what names somebody.

    Arguments:
        goes_on: called before each frame is looked at.

    Raises: NotDeidentified.
    """
    from pydicom.uid import MediaStorageDirectoryStorage

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities of the original
        try:
            data = _read(file)
            data.walk(lambda *_: None)  # reads on to the end
        except MemoryError:
            raise
        except Exception as error:  # of a hostile file anything may come
            raise NotDeidentified("is not a DICOM file, or a damaged one") from error
        if str(data.file_meta.get("MediaStorageSOPClassUID", "")) == MediaStorageDirectoryStorage:
            raise NotDeidentified("it is a DICOMDIR, a list of other files; give those files")
        if "SOPInstanceUID" not in data and "MediaStorageSOPInstanceUID" in data.file_meta:
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID
        if not str(data.get("SOPInstanceUID", "") or ""):
            raise NotDeidentified("it has no SOP Instance UID, by which it would be known")
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "PatientID"):
            if not isinstance(data.get(keyword, "") or "", str):
                raise NotDeidentified(f"its {keyword} holds several values: nobody could tell whose it is")
        if "Rows" in data and not any(name in data for name in (*PIXELS, "PixelDataProviderURL")):
            raise NotDeidentified("it declares pixels and holds none: it is cut short; get it from its source again")
        done = deidentify(data, profile, pseudonyms)
        masked = 0 if text == "leave" else clean_pixels(data, mask=text == "mask", goes_on=goes_on)
        if text != "leave" and "PixelData" in data:
            with_clean_pixels(data, profile)
        content = _written(data)
    elements = {str(action): sorted(keywords) for action, keywords in done.elements.items()}
    actions = {str(action): count for action, count in done.actions.items()}
    names = str(data.PatientID), _last(data, "StudyInstanceUID"), _last(data, "SOPInstanceUID")
    return Done(names, actions, elements, sorted(done.named), masked), content


def _read(file: BinaryIO) -> Any:
    """The data set of a file, or one that stands without the standard's file header, as old archives keep them."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    try:
        return pydicom.dcmread(file)
    except pydicom.errors.InvalidDicomError:
        file.seek(0)
        data = pydicom.dcmread(file, force=True)
        if "SOPClassUID" not in data or "SOPInstanceUID" not in data:
            raise
        if "TransferSyntaxUID" in data.file_meta:  # but for the preamble it is a file
            return data
        implicit, little = data.original_encoding
        data.file_meta = FileMetaDataset()
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
        return data


def _written(data: Any) -> bytes:
    file = io.BytesIO()
    try:
        data.save_as(file, enforce_file_format=True)
    except (ValueError, TypeError, AttributeError) as error:
        raise NotDeidentified(f"cannot be written as a DICOM file ({type(error).__name__})") from error
    return file.getvalue()


def _last(data: Any, keyword: str) -> str:
    """The last part of a UID, which is all of it that tells ours apart."""
    return str(data.get(keyword, "")).rpartition(".")[2]
