"""Runs that come from somebody else: what their records name is opened only where it is a regular file of the run itself."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image as Pillow

from oddpixel.datasets.source import open_source
from oddpixel.errors import MissingFile, OddPixelError, RunError, TooLarge, UnsafePath
from oddpixel.folders import MOST_BYTES
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.inspection.inspect import inspect_into
from oddpixel.forensics.runs.export import export
from oddpixel.forensics.runs.run import Run
from tests.dashboards.conftest import made, run

__all__ = ["made", "run"]
SECRET = b"a secret of this machine, in no run"


@pytest.fixture
def secret(run: Run) -> Path:
    path = run.path.parent / "secret.txt"
    path.write_bytes(SECRET)
    return path


def _absolute(run: Run, secret: Path) -> str:
    return str(secret)


def _above(run: Run, secret: Path) -> str:
    return "thumbnails/../../secret.txt"


def _link(run: Run, secret: Path) -> str:
    (run.path / "thumbnails/link.webp").symlink_to(secret)
    return "thumbnails/link.webp"


def _pipe(run: Run, secret: Path) -> str:
    os.mkfifo(run.path / "thumbnails/pipe.webp")
    return "thumbnails/pipe.webp"


def _device(run: Run, secret: Path) -> str:
    return "/dev/zero"


def _folder(run: Run, secret: Path) -> str:
    return "thumbnails"


def _nothing(run: Run, secret: Path) -> str:
    return "x" * 5000


def _zero_byte(run: Run, secret: Path) -> str:
    return "thumbnails/\0.webp"


NAMES = [_absolute, _above, _link, _pipe, _device, _folder, _nothing, _zero_byte]


@pytest.mark.parametrize("hostile", NAMES)
def test_a_run_opens_only_its_own_files(hostile: Callable[[Run, Path], str], run: Run, secret: Path) -> None:
    name = hostile(run, secret)
    for read in (run.file, run.content):
        with pytest.raises((UnsafePath, MissingFile), match="names"):
            read(name)


def test_a_file_that_no_record_can_mean_is_not_read_whole(run: Run) -> None:
    with (run.path / "thumbnails/huge.webp").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(TooLarge):
        run.content("thumbnails/huge.webp")


@pytest.mark.parametrize("column", ["thumbnail", "map"])
@pytest.mark.parametrize("hostile", NAMES)
def test_no_page_and_no_export_takes_in_another_file(
    hostile: Callable[[Run, Path], str], column: str, run: Run, made: Path, secret: Path, tmp_path: Path
) -> None:
    name = hostile(run, secret)
    part = run.parts()[0]
    table = pd.read_parquet(part).assign(flagged=True)
    table.loc[table.index[0], column] = name.replace("\0", "")
    table.to_parquet(part, index=False)
    for form in ("html", "coco", "zip"):
        export(run, form, tmp_path / f"out.{form}")
    flag_into(run.path, Incoming(places=(str(made / "incoming"),)), made / "detector", Rule(alpha=0.2))
    for written in (tmp_path / "out.html", tmp_path / "out.coco", run.path / "index.html"):
        content = written.read_bytes()
        assert SECRET not in content
        assert base64.b64encode(SECRET)[:-4] not in content
    assert "data:image/webp" in (tmp_path / "out.html").read_text(), "the pictures of the run itself are shown"


def test_a_contact_sheet_takes_in_no_other_file(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "in").mkdir()
    for k in range(3):
        Pillow.new("L", (32, 32), 40 * k).save(tmp_path / f"in/{k}.png")
    source, out = open_source(tmp_path / "in"), tmp_path / "out"
    inspect_into(out, source, shard_size=2)
    details = out / "details/part-00000.json"
    content = json.loads(details.read_text())
    content["items"][0]["thumbnail"] = os.path.relpath(secret, out)
    details.write_text(json.dumps(content))
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(record | {"finished": None}))
    inspect_into(out, source, shard_size=2)
    page = (out / "index.html").read_bytes()
    assert base64.b64encode(SECRET)[:-4] not in page
    assert page.count(b"data:image/webp") == 2


def test_a_merged_run_copies_no_other_file(run: Run, secret: Path, tmp_path: Path) -> None:
    (run.path / "maps/link.png").symlink_to(secret)
    with pytest.raises(UnsafePath):
        Run.merge(tmp_path / "merged", [run])


@pytest.mark.parametrize("name", ["run.json", "groups.json", "scores/part-00000.parquet", "verdicts.sqlite"])
def test_a_pipe_in_place_of_a_record_is_an_error(name: str, run: Run, tmp_path: Path) -> None:
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)
    with pytest.raises(OddPixelError):
        export(Run.open(run.path), "html", tmp_path / "out.html")


def test_verdicts_are_not_written_through_a_link(run: Run, secret: Path) -> None:
    run.verdicts_path.unlink(missing_ok=True)
    run.verdicts_path.symlink_to(secret)
    with pytest.raises(RunError, match="not a regular file"):
        _ = run.verdicts_path


def test_nothing_is_written_through_a_linked_folder(run: Run, tmp_path: Path) -> None:
    shutil.rmtree(run.path / "maps")
    (tmp_path / "elsewhere").mkdir()
    (run.path / "maps").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="link out of the run"), run.writing(run.path / "maps/a.png"):
        pass
    assert not any((tmp_path / "elsewhere").iterdir())
