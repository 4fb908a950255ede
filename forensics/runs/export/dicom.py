"""What the three DICOM forms share: the originals that they refer to, UIDs that a second export repeats, how we call ourselves.

Research results, marked as such: CONTENT QUALIFICATION is RESEARCH where the object has it, reports are unverified.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from oddpixel import __version__
from oddpixel.border import border
from oddpixel.counting import counted
from oddpixel.errors import NotExported, OddPixelError, UnreadableInput, UsageError

from ..rows import Row
from .exported import DecidedRow, Exported, failure

MANUFACTURER, MODEL = "OddPixel", "OddPixel detector"
NAMED = 5  # items in an error
SCHEME = "99ODDPIXEL"  # ours, until a standard code fits; docs/dashboard.md lists its codes


@dataclass(frozen=True)
class Source:
    """A row with the DICOM data set of its original."""

    decided: DecidedRow
    data: Any

    @property
    def row(self) -> Row:
        """The row as the run has it."""
        return self.decided.row

    def uid(self, exported: Exported, kind: str) -> str:
        """A UID that is the same for the same run, item and kind, so that a second export makes the same objects."""
        from pydicom.uid import generate_uid

        return str(generate_uid(entropy_srcs=[exported.run.record["id"], self.row.item, kind]))


def sources(exported: Exported, left_out: list[str]) -> Iterator[Source]:
    """The scored rows that have a DICOM original of one frame. Others are left out, a sentence each."""
    from ..originals import OriginalFiles

    files = OriginalFiles(exported.run)

    def source(decided: DecidedRow) -> Source:
        if decided.row.raw is None:
            raise NotExported("was not scored")
        with files.open(decided.row) as file:
            data = _header(file)
        if int(data.get("NumberOfFrames", 1) or 1) > 1:
            raise NotExported("has several frames; only single-frame objects are exported")
        return Source(decided, data)

    yield from exported.each(source, left_out)


def _header(file: BinaryIO) -> Any:
    """The data set of a DICOM file. Raises: NotExported."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(file)
            data.PatientName  # noqa: B018 -- reads on to the end
    except Exception as error:  # of a hostile file anything may come
        raise NotExported("is not a DICOM file") from error
    return data


def write_objects(
    exported: Exported, folder: Path, make: Callable[[Exported, Source, int], Any | None], nothing: str
) -> list[str]:
    """Write one object per source into a folder.

    Arguments:
        make: None where there is nothing to say about that source.
        nothing: why, then.

    Raises: UsageError where highdicom is missing, or there is nothing to write.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise UsageError("DICOM results need highdicom: pip install 'oddpixel[dicom-results]'") from error
    folder.mkdir()
    left_out: list[str] = []

    def write(numbered: tuple[int, Source]) -> str | None:
        number, source = numbered
        if (result := _made(make, exported, source, number)) is None:
            return f"{source.row.item}: {nothing}"
        name = hashlib.sha256(source.row.item.encode()).hexdigest()[:16]
        result.save_as(folder / f"{number:05d}-{name}.dcm")
        return None

    def failed(numbered: tuple[int, Source], error: OddPixelError) -> str:
        return failure(numbered[1].row.item, error)

    left_out += filter(None, border(enumerate(sources(exported, left_out), start=1), write, failed))
    if not any(folder.iterdir()):
        raise UsageError(f"there is nothing to export in this form{_reasons(left_out)}")
    return left_out


def _reasons(left_out: Sequence[str]) -> str:
    """Why, of the first few items, and of how many more."""
    if not left_out:
        return ": the run has no such item"
    more = f"; and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
    return f"; {counted(len(left_out), 'item')} left out: {'; '.join(left_out[:NAMED])}{more}"


def _made(
    make: Callable[[Exported, Source, int], Any | None], exported: Exported, source: Source, number: int
) -> Any | None:
    """The DICOM object that `make` builds for one original, or None where there is nothing to write.

    Raises: UnreadableInput where the original's header lacks what the result needs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about oddities of the original, not of what is made
            return make(exported, source, number)
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        raise UnreadableInput(_lacking(error)) from error


def _lacking(error: Exception) -> str:
    """What a result needs and its original lacks."""
    from pydicom.datadict import keyword_dict

    if isinstance(error, AttributeError) and error.name in keyword_dict:
        return (
            f"its header lacks {error.name}, which a result of its study must repeat; add it to a copy of the original (it may "
            "be empty), and flag that copy"
        )
    return f"its header lacks what the result needs ({error})"


def equipment(exported: Exported, source: Source, kind: str, number: int, series_number: int) -> dict[str, Any]:
    """The equipment attributes of every object that OddPixel writes."""
    from pydicom.uid import generate_uid

    study = str(source.data.get("StudyInstanceUID", ""))
    return {
        "series_instance_uid": str(generate_uid(entropy_srcs=[exported.run.record["id"], study, kind])),
        "series_number": series_number,
        "sop_instance_uid": source.uid(exported, kind),
        "instance_number": number,
        "manufacturer": MANUFACTURER,
    }


def software() -> str:
    """The software version that DICOM objects name, such as `oddpixel 1.0.0`."""
    return f"oddpixel {__version__}"
