"""Runs lose nothing: killed, doubled, on a full disk or a read-only one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from oddpixel.datasets.source import open_source
from oddpixel.errors import RunError, UsageError
from oddpixel.forensics.inspection.inspect import inspect_into
from oddpixel.forensics.runs.order import Order
from oddpixel.forensics.runs.rows import Reason, Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import Filter, RunTable

Save = Callable[..., Path]
WORK = """
import sys
from pathlib import Path
import jsonschema, pandas, pyarrow.parquet, PIL.PngImagePlugin, PIL.WebPImagePlugin  # before "go": kills are to hit the work
from oddpixel.datasets.source import open_source
from oddpixel.forensics.inspection.inspect import inspect_into
source = open_source(sys.argv[1], sandboxed=False)
print("go", flush=True)
inspect_into(Path(sys.argv[2]), source, shard_size=5)
"""


def images(folder: Path, count: int) -> Path:
    from PIL import Image

    folder.mkdir()
    for k in range(count):
        Image.fromarray(np.full((40, 40), k % 250, np.uint8)).save(folder / f"{k:04}.png")
    return folder


def rows(path: Path) -> list[Row]:
    return RunTable(Run.open(path)).rows()


@pytest.mark.stress
def test_killed_twenty_times_every_item_has_exactly_one_row(tmp_path: Path) -> None:
    folder, out = images(tmp_path / "in", 1000), tmp_path / "run"
    chance, kills = random.Random(0), 0
    done: list[int] = []
    while kills < 20:
        process = subprocess.Popen([sys.executable, "-c", WORK, folder, out], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.15))
        process.kill()
        process.communicate()
        kills += process.returncode == -9
        done.append(len(list((out / "scores").glob("part-*"))))
        if (out / "run.json").exists() and Run.open(out).record["finished"]:
            break
    if not (out / "run.json").exists() or Run.open(out).record["finished"] is None:
        subprocess.run([sys.executable, "-c", WORK, folder, out], check=True)
    assert kills >= 10, f"only {kills} kills hit the work: {done}"
    assert done[-1] > 0, "the work of killed processes counted"
    table = rows(out)
    assert sorted(row.item for row in table) == [f"{k:04}.png" for k in range(1000)]
    assert not list(out.glob("**/.*.tmp"))


def test_two_writers_the_second_is_told(tmp_path: Path) -> None:
    folder, out = images(tmp_path / "in", 4), tmp_path / "run"
    source = open_source(folder, sandboxed=False)
    names = [entry.name for entry in source.entries]
    first = Run.begin(out, Order(kind="inspect", items=names))
    with first.writing_alone():
        code = WORK.replace("shard_size=5", "")
        second = subprocess.run([sys.executable, "-c", code, folder, out], capture_output=True, text=True)
        assert second.returncode != 0
        assert "another process is writing" in second.stderr
        first.write_part(0, [Row(item=name) for name in names])
    assert len(rows(out)) == 4


def test_a_finished_run_is_not_begun_again_unless_asked(tmp_path: Path) -> None:
    folder, out = images(tmp_path / "in", 3), tmp_path / "run"
    source = open_source(folder, sandboxed=False)
    inspect_into(out, source)
    with pytest.raises(RunError, match="finished"):
        inspect_into(out, source)
    (out / "verdicts.sqlite").write_bytes(b"kept")
    assert len(inspect_into(out, source, overwrite=True)) == 3
    assert (out / "verdicts.sqlite").read_bytes() == b"kept"


def test_another_run_is_not_continued(tmp_path: Path) -> None:
    folder, out = images(tmp_path / "in", 3), tmp_path / "run"
    run = Run.begin(out, Order(kind="inspect", options={"every": 1}, items=["a", "b"]))
    with pytest.raises(RunError, match="another command"):
        Run.begin(out, Order(kind="flag", options={"every": 1}, items=["a", "b"]))
    with pytest.raises(RunError, match=r"another --every \(1 then, 2 now\)"):
        Run.begin(out, Order(kind="inspect", options={"every": 2}, items=["a", "b"]))
    for items, change in ((["a", "c"], r"\(new: c; gone: b\)"), (["b", "a"], "order is another"), (["a"], "gone: b")):
        with pytest.raises(RunError, match=f"inputs are not those with which .* was begun.*{change}"):
            Run.begin(out, Order(kind="inspect", options={"every": 1}, items=items))
    (out / "items.json").unlink()
    with pytest.raises(RunError, match="was begun; name another folder"):
        Run.begin(out, Order(kind="inspect", options={"every": 1}, items=["a", "c"]))
    assert (
        Run.begin(out, Order(kind="inspect", options={"every": 1}, items=["a", "b"])).record["id"] == run.record["id"]
    )
    with pytest.raises(RunError, match=r"no run\.json"):
        inspect_into(folder, open_source(folder, sandboxed=False))
    with pytest.raises(RunError, match="not a run"):
        Run.open(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 192 kB, if we may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_a_clear_error_and_what_was_written_stays_whole(small_disk: Path) -> None:
    run = Run.begin(small_disk / "run", Order(kind="inspect", items=[str(k) for k in range(100)], shard_size=1))
    noise = np.random.default_rng(0)
    with pytest.raises(RunError, match="No space left"), run.writing_alone():
        for shard in run.missing_shards():
            run.write_part(shard, [Row(item=str(shard), notes=(noise.bytes(6000).hex(),))])
    table = rows(small_disk / "run")
    assert 3 < len(table) < 100
    assert sorted(int(row.item) for row in table) == list(range(len(table)))
    assert not list(small_disk.glob("**/.*.tmp"))


def test_a_full_disk_by_a_limit_on_file_size(tmp_path: Path) -> None:
    """The same without root: no file may grow beyond 4 kB."""
    code = """
import resource, signal, sys
from pathlib import Path
from oddpixel.forensics.runs.order import Order
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
run = Run.begin(Path(sys.argv[1]), Order(kind='inspect', items=['a', 'b'], shard_size=1))
run.write_part(0, [Row(item="a")])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
run.write_part(1, [Row(item="b", notes=(__import__("os").urandom(9000).hex(),))])
"""
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True)
    assert "RunError" in result.stderr
    assert "cannot be written" in result.stderr
    assert [row.item for row in rows(tmp_path / "run")] == ["a"]


def test_a_read_only_folder_is_a_clear_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        place = Path("/proc/oddpixel-run")  # not even root writes there
    else:
        tmp_path.chmod(0o500)
        place = tmp_path / "run"
    with pytest.raises(RunError, match="cannot be written"):
        Run.begin(place, Order(kind="inspect", items=["a"]))


def run_of(path: Path, items: list[str], **options: object) -> Run:
    run = Run.begin(path, Order(kind="inspect", options=options, items=items, shard_size=2))
    with run.writing_alone():
        for shard in run.missing_shards():
            run.write_part(shard, [Row(item=item, raw=float(len(item))) for item in items[2 * shard : 2 * shard + 2]])
        run.finish()
    return run


def test_runs_are_merged(tmp_path: Path) -> None:
    one, other = run_of(tmp_path / "a", ["1", "2", "3"]), run_of(tmp_path / "b", ["4"])
    merged = Run.merge(tmp_path / "c", [one, other])
    assert sorted(row.item for row in rows(tmp_path / "c")) == ["1", "2", "3", "4"]
    assert merged.record["finished"]
    assert merged.missing_shards() == []
    with pytest.raises(RunError, match="more than one"):
        Run.merge(tmp_path / "d", [one, run_of(tmp_path / "e", ["3"])])
    with pytest.raises(RunError, match="same options"):
        Run.merge(tmp_path / "d", [one, run_of(tmp_path / "f", ["9"], every=2)])
    unfinished = Run.begin(tmp_path / "g", Order(kind="inspect", items=["7"], shard_size=2))
    with pytest.raises(RunError, match="not finished"):
        Run.merge(tmp_path / "d", [one, unfinished])


@pytest.fixture
def table(tmp_path: Path) -> RunTable:
    run = Run.begin(tmp_path / "run", Order(kind="flag", items=[f"{k}.png" for k in range(10)], shard_size=4))
    for shard in range(3):
        part = range(4 * shard, min(4 * shard + 4, 10))
        scores = [None if k == 3 else k / 10 for k in part]
        run.write_part(
            shard,
            [
                Row(item=f"{k}.png", raw=raw, flagged=k > 7, reasons=(Reason("c", 0.1, "blur"),) if k % 2 else ())
                for k, raw in zip(part, scores, strict=True)
            ],
        )
    return RunTable(run)


def test_pages_counts_and_histograms(table: RunTable) -> None:
    assert len(table) == 10
    assert [row.item for row in table.page(limit=3, offset=2)] == ["2.png", "3.png", "4.png"]
    worst = table.page(order_by="raw", descending=True, limit=2)
    assert [row.item for row in worst] == ["9.png", "8.png"]
    assert table.page(order_by="raw", limit=10)[-1].item == "3.png", "nulls last"
    assert table.count([Filter("flagged", "=", True)]) == 2
    assert table.count([Filter("raw", ">=", 0.5), Filter("reasons", "contains", "BLUR")]) == 3
    assert table.count([Filter("item", "=", "1.png' OR 1=1 --")]) == 0
    bins = table.histogram("raw", 3)
    assert sum(number for _, _, number in bins) == 9
    assert bins[0][0] == 0
    assert bins[-1][1] == pytest.approx(0.9)
    table.note_decisions({"1.png": "odd", "2.png": None})
    table.note_decisions({"2.png": "normal", "3.png": None})
    assert table.count([Filter("decision", "is not null")]) == 2
    assert table.page([Filter("decision", "=", "normal")])[0].item == "2.png"
    undecided = Filter("decision", "is null")
    assert table.place_of(Filter("item", "=", "3.png")) == 3
    assert table.place_of(undecided, after=0) == 3
    assert table.place_of(undecided, [Filter("item", "!=", "3.png")], after=0) == 3, "places are those of the pages"
    assert table.place_of(Filter("item", "=", "no.png")) is None
    assert table.column("raw")[2:5] == [0.2, None, 0.4]
    assert [row.decision for row in table.rows()][:4] == [None, "odd", "normal", None]


def test_questions_that_make_no_sense(table: RunTable, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column"):
        table.page(order_by="raw; DROP TABLE x")
    with pytest.raises(UsageError, match="no column"):
        Filter("1=1", "=", 1)
    (table.run.path / "scores/part-00001.parquet").write_bytes(b"damaged")
    with pytest.raises(RunError, match="cannot be read"):
        len(table)


def test_an_empty_run_has_empty_answers(tmp_path: Path) -> None:
    table = RunTable(Run.begin(tmp_path / "run", Order(kind="flag", items=["a"])))
    assert len(table) == 0
    assert table.page(order_by="raw") == []
    assert table.histogram("raw") == []
