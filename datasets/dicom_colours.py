"""Photometric interpretations that come out as grey or RGB (PS3.3 C.7.6.3.1.2); all others would be shown in wrong colours.

pydicom converts YBR_FULL and YBR_FULL_422. A codec of JPEG 2000 undoes the transforms that YBR_ICT and YBR_RCT name, and nothing
else does: in native or run-length encoded pixels they are refused, as is what the standard has retired (HSV, ARGB, CMYK).
"""

from __future__ import annotations

from typing import Any

from oddpixel.errors import CorruptFile, UnsupportedEncoding

from .text import technical_text

GREY = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422")
JPEG_2000_COLOURS = ("YBR_ICT", "YBR_RCT")


def check_colours(dataset: Any) -> None:
    """Refuse a photometric interpretation that would come out in wrong colours.

    Raises: CorruptFile, UnsupportedEncoding.
    """
    from pydicom.uid import JPEG2000TransferSyntaxes

    declared = photometric(dataset)
    num_samples = int(dataset.get("SamplesPerPixel", 1) or 1)
    is_jpeg_2000 = dataset.file_meta.get("TransferSyntaxUID") in JPEG2000TransferSyntaxes
    if declared not in (*GREY, *COLOURS, *(JPEG_2000_COLOURS if is_jpeg_2000 else ())):
        raise UnsupportedEncoding(
            f"photometric interpretation {technical_text(declared)} is not supported in this encoding; convert the file to RGB"
        )
    if num_samples != (1 if declared in GREY else 3):
        raise CorruptFile(
            f"photometric interpretation {declared} contradicts {num_samples} sample(s) per pixel; get the file from its "
            "source again"
        )


def colour_notes(dataset: Any, is_transformed: bool | None) -> list[str]:
    """Notes where a compressed frame does not agree with what the data set declares.

    Arguments:
        is_transformed: whether a codestream of JPEG 2000 has a colour transform, which its codec undoes; None for others.
    """
    declared = photometric(dataset)
    if is_transformed is None or declared in GREY:
        return []
    if declared in JPEG_2000_COLOURS and not is_transformed:
        return [f"the header declares {declared}, but the compressed frame has no colour transform: it is read as RGB"]
    if declared in COLOURS[1:] and is_transformed:
        return [
            f"the header declares {declared}, but the compressed frame has a colour transform: its colours may be wrong"
        ]
    return []


def photometric(dataset: Any) -> str:
    """The photometric interpretation that the data set declares, MONOCHROME2 where it declares none."""
    return str(dataset.get("PhotometricInterpretation", "") or "MONOCHROME2").strip()
