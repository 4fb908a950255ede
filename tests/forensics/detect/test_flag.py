"""Flagging into runs: every image one row, whatever is killed or repeated; decisions per group; other alphas without scoring."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.commands.flag import print_flagged
from oddpixel.datasets.source import open_source
from oddpixel.errors import NoImages, RunError, UsageError
from oddpixel.forensics.detect import flag as flagging
from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.calibrated import Calibrated, CalibrationImage
from oddpixel.forensics.detect.decide import Decided, Rule, decide
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.flag import Flagged, Incoming, decide_anew, flag_into
from oddpixel.forensics.detect.group_sizes import Sizes
from oddpixel.forensics.detect.guarantee import groups_needed
from oddpixel.forensics.detect.watch import watch_folder
from oddpixel.forensics.inspection.inspect import inspect_into
from oddpixel.forensics.runs.executors import Pool, Rank, executor
from oddpixel.forensics.runs.export import export
from oddpixel.forensics.runs.rows import Row, odd_themselves
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
from tests.datasets.dicom_maker import make_slice
from tests.forensics.detect.test_detector import ODD, surface
from tests.shared import surfaces


@pytest.fixture(scope="module")
def detector() -> Path:
    return surfaces(44)


@pytest.fixture(scope="module")
def incoming(tmp_path_factory: pytest.TempPathFactory) -> Incoming:
    folder = tmp_path_factory.mktemp("incoming")
    for k in range(7):
        Pillow.fromarray(surface(600 + k)).save(folder / f"normal-{k}.png")
    for name, image in ODD.items():
        Pillow.fromarray(image).save(folder / f"odd-{name}.png")
    (folder / "zz-broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return Incoming(places=(str(folder),))


def table(out: Path) -> list[Row]:
    return sorted(RunTable(Run.open(out)).rows(), key=lambda row: row.item)


def test_a_folder_becomes_a_table_sorted_by_oddness(detector: Path, incoming: Incoming, tmp_path: Path) -> None:
    found = flag_into(tmp_path / "run", incoming, detector, Rule(alpha=0.1))
    assert found is not None
    rows = found.rows
    assert len(rows) == 11
    assert {row.item for row in rows[:3]} == {"odd-noise.png", "odd-constant.png", "odd-stripes.png"}
    assert all(row.flagged for row in rows[:3])
    assert rows[0].reasons[0].because
    assert rows[-1].error is not None
    assert rows[-1].error.type == "CorruptFile"
    assert (tmp_path / "run" / str(rows[0].map)).is_file()
    page = (tmp_path / "run/index.html").read_text()
    assert "flagged" in page
    assert "data:image/webp" in page
    assert "<script" not in page
    decision = json.loads((tmp_path / "run/run.json").read_text())["decision"]
    assert "at most 0.1 of normal groups" in decision["promise"]


def test_another_alpha_needs_no_scoring(
    detector: Path, incoming: Incoming, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag_into(tmp_path / "run", incoming, detector, Rule(alpha=0.1))
    before = {row.item: row.raw for row in table(tmp_path / "run")}
    monkeypatch.setattr(flagging, "score_row", lambda *_: pytest.fail("scored again"))
    strict = flag_into(tmp_path / "run", incoming, detector, Rule(alpha=0.05))
    assert strict is not None
    assert strict.decision["rule"]["alpha"] == 0.05
    assert {row.item: row.raw for row in table(tmp_path / "run")} == before
    by_fdr = flag_into(tmp_path / "run", incoming, detector, Rule(fdr=0.2))
    assert by_fdr is not None
    assert [row.flagged for row in by_fdr.rows if row.raw is not None] == [
        row.q_value <= 0.2 for row in by_fdr.rows if row.raw is not None
    ]


def test_a_run_is_decided_anew_without_its_images(detector: Path, incoming: Incoming, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    shutil.copytree(incoming.places[0], gone)
    flag_into(tmp_path / "run", Incoming(places=(str(gone),)), detector, Rule(alpha=0.1))
    shutil.rmtree(gone)
    anew = decide_anew(tmp_path / "run", detector, Rule(alpha=0.3))
    scored_so = flag_into(tmp_path / "other", incoming, detector, Rule(alpha=0.3))
    assert scored_so is not None
    assert [(row.item, row.flagged, row.q_value) for row in anew.rows] == [
        (row.item, row.flagged, row.q_value) for row in scored_so.rows
    ]
    assert anew.decision["promise"] == scored_so.decision["promise"]
    decide_anew(tmp_path / "run", detector, Rule(alpha=0.3))
    assert [rule["alpha"] for rule in Run.open(tmp_path / "run").record["decided_before"]] == [0.1], "each rule once"
    assert scored_so.run.record["decided_before"] == []
    another = store.save(Detector(chooses=False).fit([surface(100 + k) for k in range(44)]), tmp_path / "another")
    with pytest.raises(RunError, match="another detector"):
        decide_anew(tmp_path / "run", another, Rule(alpha=0.3))
    with pytest.raises(UsageError, match="no strata"):
        decide_anew(tmp_path / "run", detector, Rule(alpha=0.3, strata=("modality",)))


def test_all_that_is_flagged_has_a_map_or_a_warning_says_why_not(
    detector: Path, incoming: Incoming, tmp_path: Path
) -> None:
    generous = flag_into(tmp_path / "generous", incoming, detector, Rule(alpha=0.9))
    assert generous is not None
    assert all(row.map for row in generous.rows if row.flagged)
    flag_into(tmp_path / "run", incoming, detector, Rule(alpha=0.05))
    again = flag_into(tmp_path / "run", incoming, detector, Rule(alpha=0.9))
    assert again is not None
    assert any(row.flagged and row.map is None for row in again.rows)
    assert [warning for warning in again.decision["warnings"] if "without a map" in warning]
    none = flag_into(tmp_path / "none", incoming, detector, Rule(alpha=0.9), maps=False)
    assert none is not None
    assert not [warning for warning in none.decision["warnings"] if "without a map" in warning]


def test_killed_pooled_and_ranked_give_the_same_rows(detector: Path, incoming: Incoming, tmp_path: Path) -> None:
    rule = Rule(alpha=0.1)
    flag_into(tmp_path / "one", incoming, detector, rule, shard_size=3)
    flag_into(tmp_path / "pool", incoming, detector, rule, shard_size=3, executor=Pool(2))
    assert flag_into(tmp_path / "ranks", incoming, detector, rule, shard_size=3, executor=Rank(1, 2)) is None
    assert flag_into(tmp_path / "ranks", incoming, detector, rule, shard_size=3, executor=Rank(0, 2)) is not None
    run = tmp_path / "killed"
    flag_into(run, incoming, detector, rule, shard_size=3)
    (run / "scores/part-00001.parquet").unlink()
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"finished": None}))
    flag_into(run, incoming, detector, rule, shard_size=3)
    for other in ("pool", "ranks", "killed"):
        assert table(tmp_path / other) == table(tmp_path / "one")


def test_a_dask_cluster_gives_the_same_rows(detector: Path, incoming: Incoming, tmp_path: Path) -> None:
    """In a process of its own: its workers' threads would outlive this test."""
    import subprocess
    import sys

    flag_into(tmp_path / "one", incoming, detector, Rule(alpha=0.1), shard_size=3)
    command = [
        sys.executable,
        "-m",
        "oddpixel",
        "flag",
        incoming.places[0],
        "--detector",
        str(detector),
        "--alpha",
        "0.1",
    ]
    options = ["-o", str(tmp_path / "dask"), "--dask", "local", "--workers", "2"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    shown = {row.item: row.raw for row in table(tmp_path / "dask")}
    assert shown == {row.item: row.raw for row in table(tmp_path / "one")}


@pytest.mark.parametrize("confidence", [None, 0.95])
def test_what_cannot_be_promised_is_ranked_all_the_same(
    detector: Path, incoming: Incoming, tmp_path: Path, confidence: float | None
) -> None:
    ranked = flag_into(tmp_path / "run", incoming, detector, Rule(alpha=0.01, confidence=confidence))
    assert ranked is not None
    assert {row.item for row in ranked.rows[:3]} == {"odd-noise.png", "odd-constant.png", "odd-stripes.png"}
    assert not any(row.flagged for row in ranked.rows)
    assert ranked.decision["promise"] == ""
    (warning,) = [each for each in ranked.decision["warnings"] if "ranked only" in each]
    assert str(groups_needed(0.01, confidence)) in warning
    possible = float(warning.partition("--alpha ")[2].rstrip(")"))
    again = flag_into(tmp_path / "run", incoming, detector, Rule(alpha=possible, confidence=confidence))
    assert again is not None
    assert again.decision["promise"], "the rate that the warning names can be promised"


def test_a_rule_that_is_none_is_refused_before_scoring(detector: Path, incoming: Incoming, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="alpha must lie"):
        flag_into(tmp_path / "run", incoming, detector, Rule(alpha=0))
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="choose one"):
        Rule(fdr=0.1, confidence=0.9)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoImages, match="there are no files"):
        flag_into(tmp_path / "run", Incoming(places=(str(tmp_path / "empty"),)), detector, Rule())
    with pytest.raises(UsageError, match="belong together"):
        executor(rank=1)


def test_another_detector_in_the_same_folder_is_refused(detector: Path, incoming: Incoming, tmp_path: Path) -> None:
    flag_into(tmp_path / "run", incoming, detector, Rule(alpha=0.1))
    other = store.save(Detector(seed=1, chooses=False).fit([surface(k) for k in range(24)]), tmp_path / "other")
    with pytest.raises(RunError, match="another detector, another calibration"):
        flag_into(tmp_path / "run", incoming, other, Rule(alpha=0.1))


def calibrated(groups: int, per_group: int = 1, facts: dict | None = None, seed: int = 0) -> Calibrated:  # type: ignore[type-arg]
    scores = np.random.default_rng(seed).normal(size=(groups, per_group))
    return Calibrated(
        tuple(
            CalibrationImage(
                f"{g}-{k}", f"group-{g}", f"{g}-{k}", float(scores[g, k]), float(scores[g, k]), {"c": 0.0}, facts or {}
            )
            for g in range(groups)
            for k in range(per_group)
        )
    )


def test_decisions_are_per_group() -> None:
    scores = np.array([0.0, 9.0, 0.1, 0.2])
    decided = decide(scores, ["a", "a", "b", "b"], [{}] * 4, calibrated(40, 2), Rule(alpha=0.05))
    assert decided.groups == ["a", "b"]
    assert decided.flagged.tolist() == [True, False]
    assert decided.p_value[0] == pytest.approx(1 / 41)


def test_group_rates_hold_and_pooling_images_would_break_them() -> None:
    """The planted violation: images as if each were a group of its own, with members that resemble each other."""
    rng = np.random.default_rng(3)
    right = wrong = total = 0
    for run in range(400):
        level = rng.normal(size=(41, 1))
        scores = level + 0.2 * rng.normal(size=(41, 10))
        rows = tuple(
            CalibrationImage(f"{g}-{k}", f"{g}", f"{g}-{k}", float(scores[g, k]), 0.0, {"c": 0.0})
            for g in range(40)
            for k in range(10)
        )
        alone = tuple(CalibrationImage(row.item, row.item, row.sha256, row.raw, 0.0, row.evidence) for row in rows)
        facts = [{}] * 10
        right += int(
            decide(scores[40], ["new"] * 10, facts, Calibrated(rows), Rule(alpha=0.05), seed=run).flagged.any()
        )
        names = [f"new-{k}" for k in range(10)]
        wrong += int(decide(scores[40], names, facts, Calibrated(alone), Rule(alpha=0.05), seed=run).flagged.any())
        total += 1
    assert right / total <= 0.05 + 3 * (0.05 * 0.95 / total) ** 0.5
    assert wrong / total > 0.06, "pooling must show"


def test_strata_fall_back_visibly() -> None:
    base = calibrated(60, facts={"modality": "CT"})
    few = [
        CalibrationImage(f"mr-{k}", f"mr-{k}", f"mr-{k}", 0.1 * k, 0.0, {"c": 0.0}, {"modality": "MR"})
        for k in range(5)
    ]
    both = Calibrated((*base.rows, *few))
    facts = [{"modality": "CT"}, {"modality": "MR"}]
    decided = decide(np.array([0.0, 9.0]), ["x", "y"], facts, both, Rule(alpha=0.05, strata=("modality",)))
    assert decided.stratum == ["CT", "MR"]
    assert any("stratum MR: 5 calibration groups" in warning for warning in decided.warnings)
    with pytest.raises(UsageError, match="no stratum"):
        decide(np.array([0.0]), ["x"], [{}], both, Rule(strata=("weather",)))


def test_drift_withdraws_the_promise() -> None:
    scores = np.random.default_rng(1).normal(2.5, 1, 60)
    decided = decide(scores, [f"g{k}" for k in range(60)], [{}] * 60, calibrated(100), Rule(alpha=0.05))
    assert decided.drift_alarm
    assert decided.promise == ""
    assert any("drift" in warning for warning in decided.warnings)


@pytest.mark.parametrize("fdr", [None, 0.2])
def test_groups_larger_than_those_calibrated_on_void_the_promise(fdr: float | None) -> None:
    rule = Rule(alpha=0.05, fdr=fdr)
    rng = np.random.default_rng(0)

    def decided(sizes: list[int], calibrated_on: Calibrated) -> Decided:
        groups = [f"new-{k}" for k, size in enumerate(sizes) for _ in range(size)]
        return decide(rng.normal(0, 1, len(groups)), groups, [{}] * len(groups), calibrated_on, rule)

    of_two = calibrated(40, 2)
    for sizes in ([10] * 6, [3], [3, 30, 4]):
        found = decided(sizes, of_two)
        assert found.promise == ""
        assert any("more images than those calibrated on" in warning for warning in found.warnings)
    mixed = decided([2, 2, 2, 2, 2, 5], of_two)
    assert "not for groups with more images" in mixed.promise
    assert any("nothing is promised for new-5" in warning for warning in mixed.warnings)
    for sizes in ([1] * 6, [2] * 6, [1, 2, 1, 2]):
        found = decided(sizes, of_two)
        assert found.promise
        assert not any("more images" in warning for warning in found.warnings)


def test_mostly_larger_groups_void_the_promise_although_one_as_large_was_calibrated_on() -> None:
    rows = (
        *calibrated(40, 2).rows,
        *(CalibrationImage(f"big-{k}", "big", f"{k}", 0.0, 0.0, {"c": 0.0}) for k in range(10)),
    )
    groups = [f"new-{k}" for k in range(8) for _ in range(10)]
    found = decide(np.zeros(80), groups, [{}] * 80, Calibrated(rows), Rule(alpha=0.05))
    assert found.promise == ""
    assert any("median 10 and 2" in warning for warning in found.warnings)


def test_groups_of_the_same_sizes_keep_the_promise() -> None:
    """Of batches from the population that was calibrated on, the test of sizes objects to hardly any."""
    rng = np.random.default_rng(4)
    withdrawn = 0
    for _ in range(200):
        sizes = [int(size) for size in rng.integers(20, 60, 70)]
        groups = [f"new-{g}" for g in range(60, 70) for _ in range(sizes[g])]
        found = Sizes.of(groups, dict.fromkeys(groups, "all"), {"all": sizes[:60]})
        withdrawn += found.void_all
    assert withdrawn <= 7, "1 % of 200, with three standard deviations"


def test_larger_groups_really_break_the_rate() -> None:
    """The planted violation: as many false alarms as the promise would deny."""
    rng = np.random.default_rng(5)
    flagged = total = 0
    for run in range(200):
        scores = rng.normal(size=(40, 2))
        rows = tuple(
            CalibrationImage(f"{g}-{k}", f"{g}", f"{g}", float(scores[g, k]), 0.0, {"c": 0.0})
            for g in range(40)
            for k in range(2)
        )
        found = decide(rng.normal(size=10), ["new"] * 10, [{}] * 10, Calibrated(rows), Rule(alpha=0.05), seed=run)
        flagged, total = flagged + int(found.flagged.sum()), total + 1
        assert found.promise == ""
    assert flagged / total > 0.1


def test_too_coarse_p_values_for_a_false_discovery_rate_are_said() -> None:
    decided = decide(np.zeros(500), [f"g{k}" for k in range(500)], [{}] * 500, calibrated(100), Rule(fdr=0.1))
    assert any("at least 50 groups" in warning for warning in decided.warnings)


def test_a_watched_folder_is_flagged_exactly_once(detector: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "run"
    folder.mkdir()
    for k in range(3):
        Pillow.fromarray(surface(700 + k)).save(folder / f"{k}.png")
    rule = Rule(alpha=0.1)
    options = {"seconds": 0.05, "until_idle": 0.5}
    first = [arrival.row.item for arrival in watch_folder(folder, detector, out, rule, **options)]  # type: ignore[arg-type]
    assert first == ["0.png", "1.png", "2.png"]
    Pillow.fromarray(ODD["noise"]).save(folder / "3.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    second = list(watch_folder(folder, detector, out, rule, **options))  # type: ignore[arg-type]
    assert sorted(arrival.row.item for arrival in second) == ["3.png", "broken.png"]
    assert next(arrival.row for arrival in second if arrival.row.item == "3.png").flagged
    assert len(table(out)) == 5
    with pytest.raises(RunError, match="another run"):
        list(watch_folder(folder, detector, out, Rule(alpha=0.2), **options))  # type: ignore[arg-type]


def test_a_watch_stopped_in_the_middle_loses_and_doubles_nothing(detector: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "run"
    folder.mkdir()
    for k in range(4):
        Pillow.fromarray(surface(800 + k)).save(folder / f"{k}.png")
    watching = watch_folder(folder, detector, out, Rule(alpha=0.1), seconds=0.05, until_idle=0.5)
    assert next(watching).row.item == "0.png"
    watching.close()  # as Ctrl-C does
    rest = [
        arrival.row.item
        for arrival in watch_folder(folder, detector, out, Rule(alpha=0.1), seconds=0.05, until_idle=0.5)
    ]
    assert rest == ["1.png", "2.png", "3.png"]
    assert [row.item for row in table(out)] == ["0.png", "1.png", "2.png", "3.png"]


def test_patients_and_strata_out_of_dicom_headers(tmp_path: Path) -> None:
    """Files of several patients, two slices each, from two makers: groups and strata are read, not told."""

    def patient(folder: Path, number: int, maker: str, *, odd: bool = False) -> None:
        for k in range(2):
            grey = ODD["stripes"] if odd and k else surface(2 * number + k)
            make_slice(
                folder / f"{number:03d}-{k}.dcm", (4 * grey.astype(np.int16)), PatientID=f"P{number}", Manufacturer=maker,
                StudyInstanceUID=f"1.2.{number}", SeriesInstanceUID=f"1.2.{number}.1", Modality="MR",
                RescaleIntercept=None, RescaleSlope=None, InstanceNumber=k,
            )  # fmt: skip

    for number in range(60):
        patient(tmp_path / "normal", number, "A" if number % 4 else "B")
    for number in range(60, 66):
        patient(tmp_path / "new", number, "A" if number % 2 else "B", odd=number >= 64)
    normals = Incoming(places=(str(tmp_path / "normal"),), group_from="dicom").open()
    fitted = Detector(encoder=None, calibration_share=0.6, chooses=False).fit(normals)
    assert fitted.calibrated_.num_groups == 36, "patients, not slices"
    store.save(fitted, tmp_path / "detector")
    incoming = Incoming(places=(str(tmp_path / "new"),), group_from="dicom")
    rule = Rule(alpha=0.1, strata=("modality", "manufacturer"))
    found = flag_into(tmp_path / "run", incoming, tmp_path / "detector", rule)
    assert found is not None
    groups = json.loads((tmp_path / "run/groups.json").read_text())["groups"]
    assert [each["num_images"] for each in groups] == [2] * 6
    assert {each["stratum"] for each in groups} == {"MR/A", "MR/B"}
    assert {each["oddest"][:3] for each in groups if each["flagged"]} >= {"064", "065"}
    # Fewer than twenty patients of maker B calibrate: compared with all, and that is said.
    assert any("stratum MR/B" in warning for warning in found.decision["warnings"])
    assert "P6" not in (tmp_path / "run/groups.json").read_text(), "patients' numbers stay out"


@pytest.fixture(scope="module")
def patients(detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Flagged:
    """Two patients of five slices, 15 mm of each missing, one of them with an odd slice."""
    folder = tmp_path_factory.mktemp("patients")
    for patient in range(2):
        for k, z in enumerate((0.0, 5.0, 10.0, 30.0, 35.0)):
            grey = ODD["noise"] if (patient, k) == (1, 2) else surface(1000 + 10 * patient + k)
            make_slice(
                folder / f"p{patient}/{k}.dcm", grey.astype(np.int16), PatientID=f"P{patient}", Modality="MR",
                SeriesInstanceUID=f"1.2.{patient}", InstanceNumber=round(z / 5) + 1, ImagePositionPatient=[0.0, 0.0, z],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0], RescaleIntercept=None, RescaleSlope=None,
            )  # fmt: skip
    given = Incoming(places=(str(folder),), group_from="dicom")
    found = flag_into(tmp_path_factory.mktemp("run") / "r", given, detector, Rule(alpha=0.1))
    assert found is not None
    return found


def test_images_of_a_flagged_group_that_are_not_odd_themselves_miss_no_map(patients: Flagged) -> None:
    assert any(row.flagged and row.map is None for row in patients.rows)
    assert not [each for each in patients.decision["warnings"] if "without a map" in each]


def test_of_a_flagged_group_only_odd_images_say_so(patients: Flagged, capsys: pytest.CaptureFixture[str]) -> None:
    print_flagged(patients)
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.startswith("p")}
    groups = {line.split()[1] for line in lines.values()}
    assert len(groups) == 2, "the group of each image is in the table"
    odd = [row for row in patients.rows if row.flagged]
    assert len(odd) == 5
    assert {row.item for row in odd} > odd_themselves(patients.rows, patients.decision["flagged_up_to"]) >= {"p1/2.dcm"}
    assert " flagged " in lines["p1/2.dcm"]
    assert "unlike the normals" in lines["p1/2.dcm"] or "do not show" in lines["p1/2.dcm"]
    usual = max(odd, key=lambda row: row.p_value or 0.0).item
    assert "in a flagged group" in lines[usual]
    assert lines[usual].rstrip().endswith("in a flagged group")
    page = (patients.run.path / "index.html").read_text()
    assert page.count("in a flagged group") + page.count('class="flagged">flagged') == 6, "five images and the group"


def test_gaps_in_a_series_are_in_every_form_of_the_result(
    patients: Flagged, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = "the series lacks 3 slices between others, by position"
    numbers = "the series lacks slices by number: 4 to 6"
    print_flagged(patients)
    out = capsys.readouterr().out
    assert f"and 9 others: {said}" in out, "once for all its images"
    assert numbers in out
    assert all(said in row.notes and numbers in row.notes for row in patients.rows)
    export(patients.run, "csv", tmp_path / "t.csv")
    export(patients.run, "html", tmp_path / "t.html")
    inspect_into(tmp_path / "inspected", open_source(*patients.run.record["places"]))
    export(Run.open(tmp_path / "inspected"), "csv", tmp_path / "i.csv")
    for written in (tmp_path / "t.csv", tmp_path / "i.csv", tmp_path / "t.html", patients.run.path / "index.html"):
        assert written.read_text().count(said) == 10, written


def test_other_options_are_named_without_hashes(patients: Flagged, detector: Path, tmp_path: Path) -> None:
    shutil.copytree(patients.run.path, tmp_path / "r")
    places = tuple(patients.run.record["places"])
    with pytest.raises(RunError) as caught:
        flag_into(tmp_path / "r", Incoming(places=places), detector, Rule(alpha=0.1))
    assert "another --group-from (dicom then, not given now)" in str(caught.value)
    assert len(str(caught.value)) < 300
