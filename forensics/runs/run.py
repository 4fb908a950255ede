"""A run: the folder that a command writes and others read back.

    run.json                  options, versions, hashes; when it began and when it was finished
    scores/part-00000.parquet one part a shard of items; `rows.COLUMNS`
    thumbnails/ maps/         made while scoring
    verdicts.sqlite           what people decided, apart from what the machine said (`verdicts`)

The unit of work is a shard. A part appears under its name whole or not at all, so a shard is done exactly if its part
is there: killed, repeated or doubled work changes nothing. Reading back: `run_table`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from oddpixel import __version__
from oddpixel.border import border
from oddpixel.envelope import SCHEMA_VERSION, plain
from oddpixel.errors import OddPixelError, RunError, StorageFull, UnreadableInput
from oddpixel.files import NEW_FILE_MODE
from oddpixel.folders import bytes_inside, file_inside
from oddpixel.image import Image, file_and_frame
from oddpixel.records import read_record

from .order import Order, title_of
from .rows import COLUMNS, Failure, Row, encoded
from .schema import ITEM_NAMES, RUN

THUMBNAIL_PIXELS = 192
PART = re.compile(r"part-[0-9]{5,9}\.parquet")
NO_MORE_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
ITEMS = "items.json"  # names of the inputs as they were listed
NAMED = 5  # of them in an error


@dataclass(frozen=True)
class Run:
    """A run folder: read it, or write it inside `with run.writing_alone():`."""

    path: Path
    _lock: FileLock = field(repr=False, compare=False)

    @classmethod
    def begin(cls, path: Path, order: Order) -> Run:
        """Begin a run in a new or empty folder, or take the same run up where it was left.

        Raises: RunError where the folder holds something else, another run, a finished one that is not to be reopened, or cannot
        be written; UsageError for a title that is too long.
        """
        title = title_of(order.title or "")
        run = cls(path, FileLock(path / ".writing.lock"))
        if run._is_there(order):
            return run
        run.write_json(ITEMS, {"items": list(order.items)})
        run.write_json(
            "run.json",
            {
                "schema": f"oddpixel/run/{SCHEMA_VERSION}",
                "id": uuid.uuid4().hex,
                **order.spec,
                **({"title": title} if title else {}),
                "places": [str(Path(place).absolute()) if Path(place).exists() else place for place in order.places],
                "num_items": len(order.items),
                "num_shards": order.num_shards,
                "versions": {"oddpixel": __version__, "python": sys.version.split()[0]},
                "started": _now(),
                "finished": None,
            },
        )
        return run

    def _is_there(self, order: Order) -> bool:
        """Whether the folder holds that very run; made and empty where it holds none. Raises: RunError."""
        with _explained(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise RunError(f"{self.path} is a file; name a folder for the run")
            self.path.mkdir(parents=True, exist_ok=True)
            if (self.path / "run.json").exists():
                if not order.overwrite:
                    self._refuse_unless_same(order)
                    return True
                self._clear()
            elif strangers := sorted(item.name for item in self.path.iterdir() if not _ours(item.name)):
                raise RunError(f"{self.path} holds {strangers[0]} but no run.json; name an empty or new folder")
        return False

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open a run to read it. Raises: RunError."""
        run = cls(path, FileLock(path / ".writing.lock"))
        _ = run.record
        return run

    @classmethod
    def merge(cls, path: Path, parts: Sequence[Run]) -> Run:
        """Merge several runs that were written with the same options over different items.

        Raises: RunError where options differ, an item is in two of them, or one is unfinished.
        """
        import pandas as pd

        specs = {json.dumps([run.record["kind"], run.record["options"]], sort_keys=True) for run in parts}
        if len(specs) != 1:
            raise RunError("only runs of the same command with the same options can be merged")
        if unfinished := [run.path.name for run in parts if run.record["finished"] is None]:
            raise RunError(f"{', '.join(unfinished)} is not finished; run its command again to finish it")
        # Read as they will be: merging reads tables that OddPixel wrote itself.
        tables = [pd.read_parquet(part) for run in parts for part in run.parts()]
        names = [name for table in tables for name in table["item"]]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise RunError(f"{twice} is in more than one of these runs; which row counts is not ours to choose")
        first = parts[0].record
        places = [run.path.name for run in parts]
        kept = {name: first[name] for name in ("kind", "options", "shard_size")}
        merged = cls.begin(path, Order(items=names, places=places, **kept))
        with merged.writing_alone():
            for shard, table in enumerate(tables):
                merged._write_table(shard, table)
            for run in parts:
                for picture in run._pictures():
                    merged._copy(run, picture)
            merged.finish(num_shards=len(tables), merged_from=[run.record["id"] for run in parts])
        return merged

    @property
    def record(self) -> dict[str, Any]:
        """The content of run.json, checked against its schema. Raises: RunError, naming the field."""
        if not (self.path / "run.json").is_file():
            raise RunError(f"{self.path} is not a run: it has no run.json")
        return read_record(self.path / "run.json", RUN, RunError)

    @property
    def verdicts_path(self) -> Path:
        """The SQLite file of people's decisions, which may not exist yet.

        Raises: RunError for a link or a pipe: a run that was handed on must not lead to another database.
        """
        path = self.path / "verdicts.sqlite"
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise RunError(f"{path} is not a regular file; replace it by the database itself, or remove it")
        return path

    def file(self, name: str) -> Path:
        """The file of this run that one of its records names. Raises: UnsafePath, MissingFile (`file_inside`)."""
        return file_inside(self.path, name)

    def content(self, name: str) -> bytes:
        """The bytes of the file that one of the run's records names. Raises: UnsafePath, MissingFile, TooLarge."""
        return bytes_inside(self.path, name)

    def parts(self) -> list[Path]:
        """The part files that are there, by shard. Raises: RunError where one is a link out of the run, or a pipe."""
        names = sorted(path.name for path in (self.path / "scores").glob("part-*.parquet") if PART.fullmatch(path.name))
        try:
            return [self.file(f"scores/{name}") for name in names]
        except UnreadableInput as error:
            raise RunError(f"{self.path}: its parts cannot be read: {error}") from error

    def missing_shards(self) -> list[int]:
        """The numbers of the shards that have no part file yet."""
        done = {int(part.stem.removeprefix("part-")) for part in self.parts()}
        return [shard for shard in range(self.record["num_shards"]) if shard not in done]

    def digests(self, shard: int) -> dict[str, set[str | None]]:
        """The SHA-256 recorded for each file of a shard, by name; frames share their file's."""
        import pandas as pd

        try:
            table = pd.read_parquet(self._part(shard), columns=["item", "sha256"])
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"{self._part(shard)} cannot be read: {error}") from error
        found: dict[str, set[str | None]] = {}
        for item, sha256 in zip(table["item"], table["sha256"], strict=True):
            for name in {item, file_and_frame(str(item))[0]}:
                found.setdefault(name, set()).add(None if pd.isna(sha256) else str(sha256))
        return found

    def _pictures(self) -> Iterator[str]:
        """Names of the thumbnails and maps that are there."""
        for folder in ("thumbnails", "maps"):
            for path in sorted((self.path / folder).glob("*")):
                yield f"{folder}/{path.name}"

    def _copy(self, other: Run, name: str) -> None:
        """Copy one file out of another run, whole or not at all. Raises: UnsafePath, MissingFile, RunError."""
        with other.file(name).open("rb") as source, self.writing(self.path / name) as copy:
            shutil.copyfileobj(source, copy)

    def drop_part(self, shard: int) -> None:
        """Remove a shard's part, so that it is scored anew; the run is unfinished until then. Raises: RunError."""
        with _explained(self.path):
            self._part(shard).unlink(missing_ok=True)
        if self.record["finished"] is not None:
            self.write_json("run.json", self.record | {"finished": None})

    def _part(self, shard: int) -> Path:
        return self.path / "scores" / f"part-{shard:05d}.parquet"

    @contextlib.contextmanager
    def writing_alone(self) -> Iterator[None]:
        """Lock the run, so that no other process writes it meanwhile. The system frees the lock of a process that dies.

        Raises: RunError where another one is at it.
        """
        with _explained(self.path):
            try:
                self._lock.acquire(timeout=0)
            except Timeout as error:
                raise RunError(
                    f"another process is writing {self.path}; wait for it, or name another folder. Nothing was changed"
                ) from error
        try:
            for left_over in self.path.glob("**/.*.tmp"):
                left_over.unlink(missing_ok=True)
            yield
        finally:
            self._lock.release()

    def write_part(self, shard: int, rows: Sequence[Row]) -> Path:
        """Write the rows of one shard as Parquet, in place of those that are there. Raises: RunError."""
        import pandas as pd

        cells = [row | {"shard": shard} for row in border(rows, encoded, _not_encoded)]
        return self._write_table(shard, pd.DataFrame(cells, columns=list(COLUMNS)))

    def _write_table(self, shard: int, table: Any) -> Path:
        path = self._part(shard)
        with self.writing(path) as file:
            whole = table.reindex(columns=list(COLUMNS)).assign(shard=shard).astype(COLUMNS)
            whole.to_parquet(file, index=False, compression="zstd")
        return path

    def write_thumbnail(self, image: Image) -> str | None:
        """Write a small WebP of the image as it would be shown.

        The path is relative to the run, None where the image may show text.

        Raises: RunError.
        """
        from PIL import Image as Pillow

        if image.may_show_text:
            return None
        picture = image.to_display(at_least=4 * THUMBNAIL_PIXELS)
        thumbnail = Pillow.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
        thumbnail.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        frame = image.meta.get("frame")
        name = f"thumbnails/{image.sha256}{'' if frame is None else f'-{frame}'}.webp"
        with self.writing(self.path / name) as file:
            thumbnail.save(file, "WEBP", quality=80)
        return name

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file of the run, whole or not at all; NaN and infinity become null."""
        with self.writing(self.path / name) as file:
            file.write(json.dumps(plain(content), indent=2, allow_nan=False).encode())

    def finish(self, **more: Any) -> None:
        """Note in run.json that everything was written."""
        self.write_json("run.json", self.record | more | {"finished": _now()})

    @contextlib.contextmanager
    def writing(self, path: Path) -> Iterator[BinaryIO]:
        """Open a file that appears under its name whole, on the disk, or not at all. Raises: RunError."""
        if not path.parent.resolve().is_relative_to(self.path.resolve()):
            raise RunError(f"{path.parent} is a link out of the run; nothing is written there")
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                os.chmod(temporary, NEW_FILE_MODE)
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    def _clear(self) -> None:
        with self.writing_alone():
            (self.path / "run.json").unlink()
            (self.path / ITEMS).unlink(missing_ok=True)
            for folder in ("scores", "details", "thumbnails", "maps", "expected", "synthetic", "stamps"):
                shutil.rmtree(self.path / folder, ignore_errors=True)

    def is_same(self, order: Order) -> bool:
        """Whether this is the run that `begin` would begin."""
        spec = order.spec
        return {name: self.record.get(name) for name in spec} == spec

    def _refuse_unless_same(self, order: Order) -> None:
        record, spec = self.record, order.spec
        for name in ("kind", "options", "shard_size"):
            if record.get(name) != spec[name]:
                raise RunError(
                    f"{self.path} holds a run with {_differences(name, record.get(name), spec[name])}; name another folder, "
                    "or give the same again to go on with that run"
                )
        if record["items"] != spec["items"]:
            raise RunError(
                f"the inputs are not those with which {self.path} was begun{self._changes(order)}; name another folder"
            )
        if record["finished"] is not None and not order.reopens:
            raise RunError(f"{self.path} holds this very run, finished {record['finished']}; name another folder")

    def _changes(self, order: Order) -> str:
        """Which inputs came and went since the run was begun, in words; nothing where the run does not tell."""
        if not (self.path / ITEMS).is_file():
            return ""
        before = read_record(self.path / ITEMS, ITEM_NAMES, RunError)["items"]
        new, gone = (
            _named(sorted(set(one) - set(other))) for one, other in ((order.items, before), (before, order.items))
        )
        changes = [f"new: {new}"] * bool(new) + [f"gone: {gone}"] * bool(gone)
        return f" ({'; '.join(changes)})" if changes else " (their order is another)"


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in NO_MORE_WRITING else RunError
        raise kind(
            f"{path} cannot be written: {error.strerror or error}; what was written before is whole, and the same "
            "command goes on from there"
        ) from error


# What a difference in these is called; everything else is an option of the command by its own name.
CALLED = {
    "kind": "command", "shard_size": "number of files a shard", "detector": "detector", "calibration": "calibration",
    "model": "density model", "rule": "rule", "strata": "--strata", "maps": "--maps", "anchors_sha256": "--anchors",
}  # fmt: skip


def _differences(name: str, before: Any, now: Any) -> str:
    """In words, with the values where they mean something to a reader."""
    if isinstance(before, dict) and isinstance(now, dict):
        changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return ", ".join(_differences(key, before.get(key), now.get(key)) for key in changed)
    called = CALLED.get(name, f"--{name.replace('_', '-')}")
    if re.fullmatch("[0-9a-f]{64}", f"{before}") or re.fullmatch("[0-9a-f]{64}", f"{now}"):
        return f"another {called}"
    return f"another {called} ({_value(before)} then, {_value(now)} now)"


def _value(value: Any) -> str:
    return "not given" if value is None else json.dumps(value) if isinstance(value, list | dict | bool) else str(value)


def _ours(name: str) -> bool:
    """What a run may leave in a folder without its run.json: killed at its first step, or cleared."""
    return name.startswith((".", "verdicts.sqlite")) or name in ("index.html", ITEMS)


def _named(items: Sequence[str]) -> str:
    names = [item.partition("\t")[0] for item in items]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _not_encoded(row: Row, error: OddPixelError) -> dict[str, Any]:
    return encoded(Row(item=row.item, sha256=row.sha256, group=row.group, error=Failure.of(error)))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
