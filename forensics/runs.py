"""A run: the folder that a command writes and others read back (`run.json`, `scores/part-*.parquet`, `thumbnails/`).

Every file is written under a temporary name and renamed, so a killed writer leaves whole files or none.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from oddpixel import __version__
from oddpixel.envelope import SCHEMA_VERSION, plain
from oddpixel.errors import RunError
from oddpixel.image import Image

THUMBNAIL_PIXELS = 192
# The columns of scores/part-*.parquet and their pandas types; what a command has no value for stays null.
COLUMNS = {
    "item": "string",
    "sha256": "string",
    "group": "string",
    "stratum": "string",
    "raw": "Float64",
    "p_value": "Float64",
    "q_value": "Float64",
    "flagged": "boolean",
    "reasons": "string",
    "map": "string",
    "thumbnail": "string",
    "width": "Int64",
    "height": "Int64",
    "error": "string",
    "shard": "Int64",
}


@dataclass(frozen=True)
class Run:
    """A run folder that is being written."""

    path: Path

    @classmethod
    def create(cls, path: Path, kind: str, options: Mapping[str, Any]) -> Run:
        """Begin a run in a new or empty folder, or over an earlier run.

        Raises: RunError where the folder holds something else, or cannot be written.
        """
        run = cls(path)
        with _explained(path):
            if path.exists() and not path.is_dir():
                raise RunError(f"{path} is a file; name a folder for the run")
            if path.exists() and any(path.iterdir()) and not (path / "run.json").exists():
                raise RunError(f"{path} holds files but no run.json; name an empty or new folder")
            (path / "scores").mkdir(parents=True, exist_ok=True)
            for part in (path / "scores").glob("part-*.parquet"):
                part.unlink()
        run.write_json(
            "run.json",
            {
                "schema": f"oddpixel/run/{SCHEMA_VERSION}",
                "kind": kind,
                "options": dict(options),
                "versions": {"oddpixel": __version__, "python": sys.version.split()[0]},
                "started": _now(),
                "finished": None,
            },
        )
        return run

    def write_part(self, shard: int, items: Sequence[Mapping[str, Any]]) -> Path:
        """The rows of one shard as Parquet. Raises: RunError."""
        import pandas as pd

        rows = [{name: _cell(item.get(name)) for name in COLUMNS} | {"shard": shard} for item in items]
        table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
        path = self.path / "scores" / f"part-{shard:05d}.parquet"
        with self.writing(path) as file:
            table.to_parquet(file, index=False, compression="zstd")
        return path

    def write_thumbnail(self, image: Image) -> str:
        """A small WebP of the image as it would be shown; its path relative to the run. Raises: RunError."""
        from PIL import Image as Pillow

        picture = image.to_display(at_least=4 * THUMBNAIL_PIXELS)
        thumbnail = Pillow.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
        thumbnail.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        frame = image.meta.get("frame")
        name = f"thumbnails/{image.sha256}{'' if frame is None else f'-{frame}'}.webp"
        with self.writing(self.path / name) as file:
            thumbnail.save(file, "WEBP", quality=80)
        return name

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        with self.writing(self.path / name) as file:
            file.write(json.dumps(plain(content), indent=2, allow_nan=False).encode())

    def finish(self) -> None:
        """Note in run.json that everything was written."""
        record = json.loads((self.path / "run.json").read_text())
        self.write_json("run.json", record | {"finished": _now()})

    @contextlib.contextmanager
    def writing(self, path: Path) -> Iterator[BinaryIO]:
        """A file that appears whole under its name, or not at all. Raises: RunError."""
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                os.chmod(temporary, 0o644)
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}; what was written before is whole"
        ) from error


def _cell(value: Any) -> Any:
    return json.dumps(plain(value)) if isinstance(value, dict | list | tuple) else value


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
