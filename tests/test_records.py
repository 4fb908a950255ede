"""Records on disk are read whole or refused with the file and the field; nothing is allocated for a number nobody meant."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oddpixel.errors import RunError
from oddpixel.forensics.runs.rows import COLUMNS, DAMAGED_ERROR, DAMAGED_REASON, Failure, Reason, Row, decoded, encoded
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.schema import RUN
from oddpixel.records import MOST_BYTES, read_record

GOOD: dict[str, Any] = {
    "schema": "oddpixel/run/1",
    "id": "0" * 32,
    "kind": "inspect",
    "options": {},
    "shard_size": 256,
    "items": "a" * 64,
    "places": ["/nowhere"],
    "num_items": 3,
    "num_shards": 1,
    "versions": {},
    "started": "2026-01-01T00:00:00Z",
    "finished": None,
}


def written(folder: Path, content: Any) -> Path:
    path = folder / "run.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_good_record_is_read(tmp_path: Path) -> None:
    assert read_record(written(tmp_path, GOOD), RUN, RunError) == GOOD


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "../../etc"}, "id"),
        ({"id": "<b>0</b>"}, "id"),
        ({"id": 7}, "id"),
        ({"num_shards": 2**63}, "num_shards"),
        ({"num_items": -1}, "num_items"),
        ({"num_items": 1.5}, "num_items"),
        ({"shard_size": True}, "shard_size"),
        ({"places": "/etc"}, "places"),
        ({"places": [["/etc"]]}, "places[0]"),
        ({"options": []}, "options"),
        ({"kind": "<script>"}, "kind"),
        ({"decision": {"promise": {}}}, "decision.promise"),
        ({"decision": {"map_threshold": "x"}}, "decision.map_threshold"),
    ],
)
def test_a_field_of_another_type_or_range_is_named(change: dict[str, Any], field: str, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD | change)
    with pytest.raises(RunError) as caught:
        Run.open(tmp_path)
    assert str(path) in str(caught.value)
    assert f"{field}:" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"versions", "finished"}))
def test_a_missing_field_is_named(name: str, tmp_path: Path) -> None:
    written(tmp_path, {key: value for key, value in GOOD.items() if key != name})
    with pytest.raises(RunError, match=f"'{name}' is a required property"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", "7", '"run"', "{" * 200_000, "[" * 200_000, '{"a":' * 100_000,
        json.dumps(GOOD)[:-1] + ', "x": NaN}', json.dumps(GOOD)[:-1] + ', "x": -Infinity}', "\x00\x01", "\ufeff{}",
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(content: str, tmp_path: Path) -> None:
    written(tmp_path, content)
    with pytest.raises(RunError, match=r"run\.json"):
        Run.open(tmp_path)


def test_bytes_that_are_no_text_and_files_that_are_too_large(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b'{"id": "\xff\xfe"}')
    with pytest.raises(RunError, match="damaged"):
        Run.open(tmp_path)
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # sparse
    with pytest.raises(RunError, match="64 MiB"):
        Run.open(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(RunError, match="no run.json"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    "cell", ["{", "[]", "7", '"x"', '{"type": 1, "message": "x"}', '{"message": "x"}', "[" * 100_000]
)
def test_a_damaged_error_cell_is_one_rows_loss(cell: str) -> None:
    assert decoded({"item": "x", "error": cell}).error == DAMAGED_ERROR


@pytest.mark.parametrize("cell", ["{", "{}", "7", "[7]", '[{"because": 7}]', '[{"because": "x", "p_value": "y"}]'])
def test_a_damaged_reasons_cell_is_one_rows_loss(cell: str) -> None:
    assert decoded({"item": "x", "reasons": cell}).reasons == (DAMAGED_REASON,)


def test_good_cells_are_read() -> None:
    cells = {
        "error": '{"type": "CorruptFile", "message": "m", "more": 1}',
        "reasons": '[{"channel": "c", "p_value": 0.1, "because": "b"}]',
        "notes": '["n"]',
    }
    row = decoded({"item": "x", **cells})
    assert row.error == Failure("CorruptFile", "m")
    assert row.reasons == (Reason("c", 0.1, "b"),)
    assert row.notes == ("n",)
    assert decoded({"item": "x"}) == Row(item="x"), "columns of other versions may lack"


def test_a_row_is_what_it_was_encoded_from() -> None:
    row = Row(
        item="x\udcff", sha256="0" * 64, group="g", stratum="CT", raw=1.5, p_value=0.1, q_value=0.2, flagged=True,
        reasons=(Reason("c", None, "b"), Reason("d", 0.5, "e")), map="maps/x.png", thumbnail="t.webp", notes=("n", "m"),
        width=3, height=4, error=Failure("Defect", "m"), shard=2,
    )  # fmt: skip
    assert decoded(encoded(row)) == replace(row, item=r"x\udcff")
    assert set(encoded(row)) == set(COLUMNS)


def test_new_files_obey_the_umask(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys; from pathlib import Path; from oddpixel.forensics.runs.run import Run\n"
        "from oddpixel.forensics.runs.order import Order\n"
        "run = Run.begin(Path(sys.argv[1]), Order(kind='inspect', items=['a']))\n"
    )
    for umask, mode in ((0o077, 0o600), (0o027, 0o640), (0o022, 0o644)):
        folder = tmp_path / f"{umask:o}"
        command = [sys.executable, "-c", script, str(folder)]
        subprocess.run(command, check=True, preexec_fn=lambda umask=umask: os.umask(umask) and None)
        assert stat.S_IMODE((folder / "run.json").stat().st_mode) == mode
