"""One image's failure is one image's error row: a fault is planted in every step of every command, and rows are counted."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow
from typer.testing import CliRunner

from oddpixel import open_source
from oddpixel.border import border, typed
from oddpixel.commands import app
from oddpixel.errors import CorruptFile, Defect, NotEnoughMemory, OddPixelError, StorageFull
from oddpixel.forensics.detect import watch as watching
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.runs.export import export
from oddpixel.forensics.runs.originals import OriginalFiles
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
from tests.forensics.detect.test_detector import surface
from tests.patience import PATIENCE
from tests.shared import surfaces


class PanicError(BaseException):
    """As PyO3 raises one for a panic in Rust: no Exception."""


FAULTS = [
    RuntimeError("planted"),
    PanicError("planted"),
    MemoryError(),
    OSError(5, "planted"),
    RecursionError("planted"),
]


@pytest.fixture
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("two_threads")
def test_side_by_side_keeps_the_order_and_each_ones_error() -> None:
    together = threading.Barrier(2, timeout=PATIENCE)

    def step(item: int) -> str:
        together.wait()  # passes only where two are at it at once
        if item % 3 == 0:
            raise FAULTS[item % len(FAULTS)]
        time.sleep(0.002 * (item % 4))
        return str(item)

    rows = list(border(range(20), step, lambda item, error: f"{item} {type(error).__name__}", side_by_side=True))
    alone = [
        str(item) if item % 3 else f"{item} {type(typed(FAULTS[item % len(FAULTS)])).__name__}" for item in range(20)
    ]
    assert rows == alone


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("fault", [StorageFull("planted"), KeyboardInterrupt()])
def test_what_ends_a_batch_ends_it_side_by_side_too(fault: BaseException) -> None:
    def step(item: int) -> int:
        if item == 3:
            raise fault
        return item

    rows = border(range(1000), step, lambda item, error: -1, side_by_side=True)
    assert [next(rows) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(type(fault)):
        next(rows)
    assert torch.get_num_threads() == 2, "as before"


@pytest.mark.usefixtures("two_threads")
def test_scores_do_not_depend_on_how_many_are_judged_at_once() -> None:
    normals = [surface(k) for k in range(24)]
    scores = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        detector = Detector(channels=["encoder patches"], chooses=False).fit(normals)
        scores.append(detector.score([surface(k) for k in range(100, 104)]))
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


class FailsOnce:
    """A function that fails at one call, by default its second: at the second image, where it is called once for each."""

    def __init__(self, function: Callable[..., Any], fault: BaseException, at: int = 2) -> None:
        self.function, self.fault, self.at, self.calls = function, fault, at, 0

    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        return lambda *arguments, **options: self(instance, *arguments, **options)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            raise self.fault
        return self.function(*arguments, **options)


def plant(monkeypatch: pytest.MonkeyPatch, step: str, fault: BaseException, at: int = 2) -> FailsOnce:
    """Arguments:
    step: `module:function` or `module:Class.method`, below `oddpixel`.
    """
    module, _, name = step.partition(":")
    target = __import__(f"oddpixel.{module}", fromlist=["_"])
    *outer, attribute = name.split(".")
    for each in outer:
        target = getattr(target, each)
    planted = FailsOnce(getattr(target, attribute), fault, at)
    monkeypatch.setattr(target, attribute, planted)
    return planted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for k in range(3):
        Pillow.fromarray(surface(300 + k)).save(tmp_path / f"in/{k}.png")
    return tmp_path / "in"


@pytest.fixture(scope="module")
def detector() -> Path:
    return surfaces(24, channels=["density vector"])


def pairs(steps: list[str], faults: list[BaseException]) -> Any:
    """Every step with a fault, every fault with a step: each pair would take minutes."""
    number = max(len(steps), len(faults))
    chosen = [(steps[k % len(steps)], faults[k % len(faults)]) for k in range(number)]
    return pytest.mark.parametrize(
        ("step", "fault"), chosen, ids=lambda each: getattr(each, "args", None) and type(each).__name__
    )


def ran(*arguments: object) -> Any:
    """A command in this process, so that a planted fault is met."""
    return CliRunner().invoke(app, [str(each) for each in arguments])


def errors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row["error"] for row in rows if row["error"] is not None]


def check_one_row_failed(result: Any, fault: BaseException, number: int = 3) -> None:
    assert result.stdout, result.exception
    content = json.loads(result.stdout)
    rows = content["scores" if content["schema"].startswith("oddpixel/flag/") else "items"]
    assert len(rows) == number
    assert len({row["item"] for row in rows}) == number
    (error,) = errors(rows)
    assert error["type"] in {"Defect", "NotEnoughMemory", "CorruptFile", "RunError"}
    if error["type"] == "Defect":
        assert type(fault).__name__ in error["message"], "the exception is named"
    assert result.exit_code == (1 if error["type"] in ("Defect", "NotEnoughMemory") else 0)


READING = [
    "datasets.entry:open_regular",
    "datasets.reading:_digest",
    "datasets.reading:_read_frame",
    "datasets.reading:_image",
    "datasets.sandbox:SandboxedDecoder.open",
    "datasets.sandbox:SandboxedDecoder.frame",
]
INSPECT = [*READING, "forensics.inspection.inspect:describe_image", "forensics.runs.run:Run.write_thumbnail"]


@pairs(INSPECT, FAULTS)
def test_inspect(
    step: str, fault: BaseException, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plant(monkeypatch, step, fault)
    result = ran("inspect", folder, "-o", tmp_path / "run", "--json", "--workers", 1)
    assert planted.calls >= 2
    check_one_row_failed(result, fault)
    assert len(pd.read_parquet(tmp_path / "run/scores")) == 3


@pytest.mark.parametrize("step", ["forensics.runs.run:encoded", "forensics.inspection.contact_sheet:_data_url"])
def test_inspect_writes_its_table_and_page_whatever_fails(
    step: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plant(monkeypatch, step, RuntimeError("planted"))
    result = ran("inspect", folder, "-o", tmp_path / "run", "--json")
    assert planted.calls >= 2
    assert len(json.loads(result.stdout)["items"]) == 3
    assert set(pd.read_parquet(tmp_path / "run/scores")["item"]) == {"0.png", "1.png", "2.png"}
    page = (tmp_path / "run/index.html").read_text()
    assert all(f"{k}.png" in page for k in range(3))


DENSITY = [
    *READING[1:3],
    "forensics.density.pyramid:Pyramid.measure",
    "forensics.density.pyramid:Dequantised",
    "forensics.density.pyramid:write_map",
    "forensics.density.pyramid:Measured",
]


@pairs(DENSITY, FAULTS)
def test_density(
    step: str, fault: BaseException, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plant(monkeypatch, step, fault)
    command = ("density", folder, "--model", "photo-grey", "--map", tmp_path / "maps", "--json", "--workers", 1)
    result = ran(*command)
    assert planted.calls >= 2
    check_one_row_failed(result, fault)


FIT = [
    "forensics.detect.prepare:Preparation.reduced",
    "forensics.detect.prepare:Preparation.levelled",
    "forensics.detect.observation:Observer.__call__",
    "forensics.detect.detector:Detector._judge_prepared",
]


@pairs(FIT, FAULTS[:3])
def test_fit(step: str, fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for k in range(22):
        Pillow.fromarray(surface(k)).save(tmp_path / f"in/{k:02d}.png")
    plant(monkeypatch, step, fault)
    result = ran("fit", tmp_path / "in", "-o", tmp_path / "d", "--quick", "--json")
    assert result.exit_code == 0, result.exception
    record = json.loads(result.stdout)
    (left_out,) = record["images_left_out"]
    assert type(fault).__name__ in left_out or "NotEnoughMemory" in left_out
    if "_judge" in step:  # it is remembered, and calibrates nothing
        assert (len(record["fitted_on"]), record["num_calibration_images"]) == (22, 12)
    else:
        assert (len(record["fitted_on"]), record["num_calibration_images"]) in ((21, 12), (21, 13))


FLAG = [
    "forensics.detect.detector:Detector.judge",
    "forensics.detect.detector:Detector.reasons",
    "forensics.detect.flag:facts_of",
    "forensics.detect.flag:stratum",
    "forensics.runs.run:Run.write_thumbnail",
    "forensics.detect.flag:write_evidence",
]


@pairs([*READING[1:3], *FLAG], FAULTS[:4])
def test_flag(
    step: str, fault: BaseException, detector: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddpixel.forensics.detect.flag.MAPS_UP_TO", 1.0)
    planted = plant(monkeypatch, step, fault)
    result = ran("flag", folder, "--detector", detector, "-o", tmp_path / "run", "--alpha", 0.1, "--json")
    assert planted.calls >= 2
    check_one_row_failed(result, fault)


@pytest.mark.parametrize("step", ["shown_row", "_data_url"])
def test_the_page_of_flagged_images(
    step: str, detector: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, f"forensics.runs.report:{step}", RuntimeError("planted"))
    ran("flag", folder, "--detector", detector, "-o", tmp_path / "run", "--alpha", 0.1)
    page = (tmp_path / "run/index.html").read_text()
    assert all(f"{k}.png" in page for k in range(3))
    assert "Defect: RuntimeError" in page


@pytest.mark.parametrize("step", [*READING[1:3], *FLAG[:2]])
def test_watch(step: str, detector: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, step, PanicError("planted"))
    options = {"seconds": 0.05, "until_idle": 0.5}
    arrivals = list(watching.watch_folder(folder, detector, tmp_path / "run", Rule(alpha=0.1), **options))  # type: ignore[arg-type]
    assert len(arrivals) == 3
    (error,) = [arrival.row.error for arrival in arrivals if arrival.row.error is not None]
    assert "PanicError" in error.message


AUDIT = [
    "forensics.audit.run:Custody.note",
    "forensics.audit.run:_digest",
    "forensics.audit.audited:read_exhibit",
    "forensics.audit.audited:facts_of",
    "forensics.audit.audited:facts_from",
    "forensics.audit.audited:examine",
    "forensics.audit.audited:decide",
    "forensics.audit.run:_row",
    "forensics.audit.run:record_of",
    "forensics.audit.run:files_of",
    "forensics.audit.run:shown_pictures",
    "forensics.audit.run:page",
    "forensics.audit.run:pdf",
    "forensics.audit.run:_write",
    "forensics.runs.run:Run.write_thumbnail",
]


@pytest.mark.parametrize("step", AUDIT)
def test_audit(step: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = PanicError("planted")
    planted = plant(monkeypatch, step, fault)
    result = ran("audit", folder, "-o", tmp_path / "run", "--checks", "jpeg-grid", "--no-aids", "--pdf", "--json")
    assert planted.calls >= 2
    check_one_row_failed(result, fault)
    for item in json.loads(result.stdout)["items"]:
        assert item["error"] or (tmp_path / "run" / item["report"] / "report.json").is_file()


@pytest.mark.parametrize(
    ("form", "step"),
    [
        ("csv", "forensics.runs.export.csv_table:safe"),
        ("coco", "forensics.runs.export.coco:_image"),
        ("coco", "forensics.runs.export.coco:polygons"),
        ("html", "forensics.runs.report:shown_row"),
        ("zip", "forensics.runs.export.zip_bundle:hashlib.sha256"),
    ],
)
def test_export(
    form: str, step: str, detector: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran("flag", folder, "--detector", detector, "-o", tmp_path / "run", "--alpha", 0.1)
    run, out = Run.open(tmp_path / "run"), tmp_path / "out"
    # In an archive, what people decided and drew is hashed first: two files that are not of the run.
    plant(monkeypatch, step, RuntimeError("planted"), at=4 if form == "zip" else 2)
    left_out = export(run, form, out)
    assert out.exists()
    if form == "html":
        assert all(f"{k}.png" in out.read_text() for k in range(3))
    else:
        assert len(left_out) == 1
        assert "RuntimeError" in left_out[0]


def test_what_ends_a_batch() -> None:
    def failing(fault: BaseException) -> Iterator[str]:
        def step(item: str) -> str:
            raise fault

        return border(["a"], step, lambda item, error: f"{item}: {type(error).__name__}")

    for fault in (KeyboardInterrupt(), SystemExit(3), GeneratorExit(), StorageFull("no room")):
        with pytest.raises(type(fault)):
            list(failing(fault))
    assert list(failing(CorruptFile("x"))) == ["a: CorruptFile"]
    assert list(failing(MemoryError())) == ["a: NotEnoughMemory"]
    assert list(failing(PanicError())) == ["a: Defect"]


def test_a_full_disk_ends_a_batch(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("oddpixel.forensics.runs.run.os.fsync", full)
    result = ran("inspect", folder, "-o", tmp_path / "run")
    assert isinstance(result.exception, StorageFull)


def test_messages_name_the_exception_and_stay_short() -> None:
    assert isinstance(typed(MemoryError()), NotEnoughMemory)
    error = typed(ValueError("x" * 10_000 + "\x1b[31m"))
    assert isinstance(error, Defect)
    assert isinstance(error, OddPixelError)
    assert "ValueError" in str(error)
    assert len(str(error)) < 600
    assert str(error).isprintable()


def test_a_worker_outlives_a_panic() -> None:
    """The confined process itself: what is no Exception is answered, not fatal."""
    from oddpixel.datasets.worker import Worker

    worker = Worker.__new__(Worker)
    worker.decoding = None

    def panics() -> None:
        raise PanicError("called `Option::unwrap()` on a `None` value")

    worker._opened = panics  # type: ignore[method-assign, assignment]
    answer = worker.answered({"op": "frame", "index": 0}, [])
    assert answer["error"]["type"] == "CorruptFile"
    assert "PanicError" in answer["error"]["message"]


SMALL = [*((mode, (1, 1)) for mode in ("L", "RGB", "RGBA", "1", "P", "LA", "I;16"))]
SMALL += [(mode, size) for mode in ("L", "RGB") for size in ((1, 7), (9, 2), (64, 64), (1, 1500), (1500, 1))]


@pytest.mark.parametrize(("mode", "size"), SMALL, ids=str)
def test_audits_of_small_and_grey_pictures(mode: str, size: tuple[int, int], tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    picture = Pillow.fromarray(rows)
    picture = Pillow.fromarray(rows[..., 0].astype(np.uint16) * 257) if mode == "I;16" else picture.convert(mode)
    picture.save(tmp_path / "x.png")
    result = ran("audit", tmp_path / "x.png", "-o", tmp_path / "run", "--json")
    (item,) = json.loads(result.stdout)["items"]
    assert item["error"] is None
    assert not [each for each in item["findings"] if each["status"] == "error"]
    if min(size) < 64:
        assert {each["status"] for each in item["findings"]} == {"not-applicable"}


def test_names_that_are_no_utf_8(detector: Path, folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "in")
    place = bytes(tmp_path / "in\udce9")
    (tmp_path / "in\udce9").mkdir()
    for k in range(3):
        Pillow.fromarray(surface(300 + k)).save(place + b"/\xff%d.png" % k)
    shown = [rf"\xff{k}.png" for k in range(3)]
    assert [entry.name for entry in open_source(tmp_path / "in\udce9").entries] == shown
    runs = {
        "inspect": ("inspect", tmp_path / "in\udce9"),
        "flag": ("flag", tmp_path / "in\udce9", "--detector", detector, "--alpha", 0.1),
        "audit": ("audit", tmp_path / "in\udce9", "--checks", "jpeg-grid", "--pdf"),
    }
    for command, arguments in runs.items():
        out = tmp_path / command
        result = ran(*arguments, "-o", out, "--json")
        assert result.exit_code == 0, (command, result.exception)
        assert (
            sorted(row["item"] for row in json.loads(result.stdout)["scores" if command == "flag" else "items"])
            == shown
        )
        table = pd.concat([pd.read_parquet(part) for part in (out / "scores").glob("*.parquet")])
        assert sorted(table["item"]) == shown
        row = RunTable(Run.open(out)).rows()[0]
        with OriginalFiles(Run.open(out)).open(row) as original:
            assert hashlib.file_digest(original, "sha256").hexdigest() == row.sha256
        if command != "audit":
            assert shown[0] in (out / "index.html").read_text(encoding="utf-8")
            for form, name in (("csv", "t.csv"), ("zip", "t.zip")):
                export(Run.open(out), form, out.parent / f"{command}-{name}")
        text = ran(*arguments, "-o", tmp_path / f"{command}-2")
        assert text.exit_code == 0, text.exception
