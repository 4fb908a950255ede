"""What the three DICOM forms share: the originals that they refer to, UIDs that a second export repeats, how we call ourselves.

Research results, marked as such: CONTENT QUALIFICATION is RESEARCH where the object has it, reports are unverified.
"""

from __future__ import annotations

import hashlib
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from oddpixel import __version__
from oddpixel.border import border
from oddpixel.counting import counted
from oddpixel.errors import NotExported, OddPixelError, UnreadableInput, UsageError
from oddpixel.image import file_and_frame

from ..rows import Row
from .exported import DecidedRow, Exported, failure

MANUFACTURER, MODEL = "OddPixel", "OddPixel detector"
NAMED = 5  # items in an error
SCHEME = "99ODDPIXEL"  # ours, until a standard code fits; docs/dashboard.md lists its codes


@dataclass(frozen=True)
class Source:
    """A row with the DICOM data set of its original.

    Arguments:
        data: of the whole object.
        frame: which of its frames the row is about, from 0; None where it has but one.
    """

    decided: DecidedRow
    data: Any
    frame: int | None = None

    @property
    def row(self) -> Row:
        """The row as the run has it."""
        return self.decided.row

    @property
    def frame_numbers(self) -> list[int] | None:
        """The frame as DICOM counts, from 1."""
        return None if self.frame is None else [self.frame + 1]

    def uid(self, exported: Exported, kind: str) -> str:
        """A UID that is the same for the same run, item and kind, so that a second export makes the same objects."""
        return uid_of(exported, [self], kind)


def uid_of(exported: Exported, sources: Sequence[Source], kind: str) -> str:
    """The UID of what is made of one image, or of several frames of an object."""
    from pydicom.uid import generate_uid

    items = [source.row.item for source in sources]
    return str(generate_uid(entropy_srcs=[exported.run.record["id"], *items, kind]))


def sources(exported: Exported, left_out: list[str]) -> Iterator[Source]:
    """The scored rows that have a DICOM original. Others are left out, a sentence each."""
    from ..originals import OriginalFiles

    files = OriginalFiles(exported.run)
    last: tuple[tuple[str, str | None], Any] | None = None  # frames of an object follow one another: it is read once

    def source(decided: DecidedRow) -> Source:
        nonlocal last
        if decided.row.raw is None:
            raise NotExported("was not scored")
        name, frame = file_and_frame(decided.row.item)
        if last is None or frame is None or last[0] != (name, decided.row.sha256):
            with files.open(decided.row) as file:
                last = ((name, decided.row.sha256), _header(file))
        data = last[1]
        if not str(data.get("SOPInstanceUID", "") or ""):
            raise NotExported("has no SOP Instance UID, by which a result could name it")
        if int(data.get("NumberOfFrames", 1) or 1) < 2:
            return Source(decided, data)
        if frame is None:
            raise NotExported("has several frames, and its row is about none of them")
        return Source(decided, data, frame)

    yield from exported.each(source, left_out)


def by_object(sources: Iterator[Source]) -> Iterator[list[Source]]:
    """Frames of one object together; an image by itself."""

    def original(source: Source) -> tuple[str, str | None]:
        item = source.row.item if source.frame is None else file_and_frame(source.row.item)[0]
        return item, source.row.sha256

    for _, group in itertools.groupby(sources, original):
        yield list(group)


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
    exported: Exported,
    folder: Path,
    make: Callable[[Exported, Sequence[Source], int], Any | None],
    nothing: str,
    *,
    together: bool = False,
) -> list[str]:
    """Write one object per source into a folder.

    Arguments:
        make: None where there is nothing to say about these sources, which are one unless `together`.
        nothing: why, then.
        together: one object for all frames of an original.

    Raises: UsageError where highdicom is missing, or there is nothing to write.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise UsageError("DICOM results need highdicom: pip install 'oddpixel[dicom-results]'") from error
    folder.mkdir()
    left_out: list[str] = []
    single = sources(exported, left_out)
    wanted = by_object(single) if together else ([source] for source in single)

    def write(numbered: tuple[int, list[Source]]) -> str | None:
        number, of = numbered
        if (result := _made(make, exported, of, number)) is None:
            return f"{_name(of)}: {nothing}"
        name = hashlib.sha256(_name(of).encode()).hexdigest()[:16]
        result.save_as(folder / f"{number:05d}-{name}.dcm")
        return None

    def failed(numbered: tuple[int, list[Source]], error: OddPixelError) -> str:
        return failure(_name(numbered[1]), error)

    left_out += filter(None, border(enumerate(wanted, start=1), write, failed))
    if not any(folder.iterdir()):
        raise UsageError(f"there is nothing to export in this form{_reasons(left_out)}")
    return left_out


def _name(of: Sequence[Source]) -> str:
    """The item, or the file of several."""
    return of[0].row.item if len(of) == 1 else file_and_frame(of[0].row.item)[0]


def _reasons(left_out: Sequence[str]) -> str:
    """Why, of the first few items, and of how many more."""
    if not left_out:
        return ": the run has no such item"
    more = f"; and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
    return f"; {counted(len(left_out), 'item')} left out: {'; '.join(left_out[:NAMED])}{more}"


def _made(
    make: Callable[[Exported, Sequence[Source], int], Any | None], exported: Exported, of: Sequence[Source], number: int
) -> Any | None:
    """The DICOM object that `make` builds of an original, or None where there is nothing to write.

    Raises: UnreadableInput where the original's header lacks what the result needs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about oddities of the original, not of what is made
            return make(exported, of, number)
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


def equipment(exported: Exported, of: Sequence[Source], kind: str, number: int, series_number: int) -> dict[str, Any]:
    """The equipment attributes of every object that OddPixel writes."""
    from pydicom.uid import generate_uid

    study = str(of[0].data.get("StudyInstanceUID", ""))
    return {
        "series_instance_uid": str(generate_uid(entropy_srcs=[exported.run.record["id"], study, kind])),
        "series_number": series_number,
        "sop_instance_uid": uid_of(exported, of, kind),
        "instance_number": number,
        "manufacturer": MANUFACTURER,
    }


def software() -> str:
    """The software version that DICOM objects name, such as `oddpixel 1.0.0`."""
    return f"oddpixel {__version__}"
