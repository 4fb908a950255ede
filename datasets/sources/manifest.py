"""A table of images: CSV or Parquet with a column `path` and, where known, `group`, `label`, `mask` and `role`.

Relative paths count from the table's own folder. Absolute ones and `..` are the author's choice, and are followed.

CSV as spreadsheets write it: commas, semicolons, tabs or bars between fields, UTF-8 with or without a byte-order mark, UTF-16.
Spaces around names and values do not matter. Every text is a value: a group called NA is a group. An empty field is none.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath

from oddpixel.errors import UsageError

from ..entry import Entry
from ..listing import Listing, file_name
from ..reading import Reader

SUFFIXES = (".csv", ".tsv", ".parquet")
SEPARATORS = (",", ";", "\t", "|")
COLUMNS = ("path", "group", "label", "mask", "role")
ALSO_CALLED = {"split": "role"}
ROLES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
# The longer mark first: UTF-32 in little-endian order begins like UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip

Row = Mapping[str, str | None]


class Manifest:
    """Lists the images that a CSV or Parquet table names."""

    stands_alone = False

    def accepts(self, place: str) -> bool:
        """Whether the place is a file with the suffix of a table."""
        return Path(place).suffix.lower() in SUFFIXES and Path(place).is_file()

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the rows of the table; unknown columns are named in a note."""
        rows = list(_parquet_rows(place) if place.lower().endswith(".parquet") else _csv_rows(place))
        root = Path(place).parent
        entries = tuple(_entry(row, root, place, number) for number, row in rows)
        return Listing(entries, notes=_notes(place, rows))


LISTER = Manifest


def _parquet_rows(place: str) -> Iterator[tuple[int, Row]]:
    import pandas as pd

    try:  # nullable types, so that a whole number beside an empty field stays one
        table = pd.read_parquet(place, dtype_backend="numpy_nullable")
    except Exception as error:
        raise UsageError(f"{place}: not a readable table: {error}") from error
    table.columns = _names(place, [str(column) for column in table.columns])
    for number, row in enumerate(table.to_dict("records"), start=1):
        yield number, {str(name): None if pd.isna(value) else str(value).strip() for name, value in row.items()}


def _csv_rows(place: str) -> Iterator[tuple[int, Row]]:
    """Line numbers and rows."""
    text = _decoded(place)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep="):  # for Excel alone
        text = rest
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
        names = _names(place, next(reader, []))
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if len(fields) > len(names) and any(field.strip() for field in fields[len(names) :]):
                raise UsageError(
                    f"{place}: line {reader.line_num} has {len(fields)} fields under {len(names)} names; "
                    "put texts that hold the separator into quotes"
                )
            yield reader.line_num, dict(zip(names, (field.strip() or None for field in fields), strict=False))
    except csv.Error as error:
        raise UsageError(f"{place}: line {reader.line_num}: not readable as CSV: {error}") from error


def _decoded(place: str) -> str:
    try:
        content = Path(place).read_bytes()
    except OSError as error:
        raise UsageError(f"{place}: cannot be read: {error.strerror}") from error
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if encoding is None:  # every second byte of Latin text is zero in UTF-16
        encoding = {(True, False): "utf-16-be", (False, True): "utf-16-le"}.get(
            (content[:1] == b"\0", content[1:2] == b"\0"), "utf-8"
        )
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{place}: not {encoding.upper()} from byte {error.start} on; save the table as UTF-8"
        ) from error


def _separator(text: str) -> str:
    """The one that finds a column `path`; else the one that finds most columns."""
    header = next(iter(text.splitlines()), "")

    def fitness(separator: str) -> tuple[bool, int]:
        names = [name.strip().strip('"').strip().lower() for name in header.split(separator)]
        return "path" in names, len(names)

    return max(SEPARATORS, key=fitness)


def _names(place: str, columns: list[str]) -> list[str]:
    """The known names of the columns, others as they are.

    Raises: UsageError without a column `path`, or with two of one name.
    """
    canonical = {name: name for name in COLUMNS} | ALSO_CALLED
    names = [canonical.get(column.strip().lower(), column.strip()) for column in columns]
    if "path" not in names:
        raise UsageError(f"{place}: a manifest needs a column `path`; its columns are {', '.join(names) or 'none'}")
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise UsageError(f"{place}: the column `{twice[0]}` appears twice; keep one")
    return names


def _notes(place: str, rows: list[tuple[int, Row]]) -> tuple[str, ...]:
    unknown = [name for name in (rows[0][1] if rows else {}) if name not in COLUMNS]
    if not unknown:
        return ()
    shown = ", ".join(f"`{name}`" for name in unknown)
    return (f"{file_name(Path(place).name)}: the columns {shown} are not used; known columns are {', '.join(COLUMNS)}",)


def _entry(row: Row, root: Path, place: str, number: int) -> Entry:
    if (text := row.get("path")) is None:
        raise UsageError(f"{place}: row {number} has no path")
    if "\0" in text:
        raise UsageError(f"{place}: the path in row {number} holds a zero byte, which no path can")
    path = _native(text, root)
    mask = row.get("mask")
    return Entry(
        name=file_name(path),
        path=Path(os.path.realpath(root / path)),
        group=row.get("group"),
        label=row.get("label"),
        mask=None if mask is None else str(root / _native(mask, root)),
        role=_role(row.get("role"), place, number),
    )


def _role(text: str | None, place: str, number: int) -> str | None:
    """The role that a row declares.

    Raises: UsageError for what is no role: nobody should learn from a test image under another name.
    """
    if text is None:
        return None
    if (role := ROLES.get(text.lower())) is None:
        raise UsageError(f"{place}: row {number} has the role {text!r}; roles are train, validation and test")
    return role


def _native(text: str, root: Path) -> str:
    """A path as this system writes it: one of Windows where no file here is called so."""
    if "\\" in text and not os.path.lexists(root / text):
        return PureWindowsPath(text).as_posix()
    return Path(text).as_posix()
