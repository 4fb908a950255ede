"""What people decided about a run, learned by the detector that made it.

Images decided `normal` join the memory. Distances only fall by that, so the promise stands, whichever were picked. Images
decided `odd` show which channels find what matters here: channels and reserves are chosen anew (`choice`) between these and half
of the groups that calibrate; the other half alone calibrates afterwards, so that the choice has seen nothing that the promise
rests on. That is done only where it finds more in cross-validation, and where both halves are large enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from oddpixel.counting import counted
from oddpixel.errors import OddPixelError, UsageError
from oddpixel.forensics.runs.originals import OriginalFiles, recorded_digest
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
from oddpixel.forensics.runs.verdicts import Verdicts
from oddpixel.image import Image

from .calibrated import Calibrated, CalibrationImage
from .choice import LEAST_GAIN, best_reserves, found_at_few_alarms
from .detector import Detector
from .fusion import fused, reserve_range
from .guarantee import groups_needed

FEWEST_ODD = 10  # groups with an image decided odd, below which nothing is chosen anew
FOLDS = 5

Deviations = Mapping[str, float]


@dataclass(frozen=True)
class Decided:
    """Images of a run by what people decided.

    Arguments:
        left_out: why others were not taken.
    """

    normal: list[Image]
    odd: list[Image]
    left_out: list[str]


@dataclass
class Lesson:
    """What was learned.

    Arguments:
        normals: taken into memory.
        odd: p-values of what was decided odd, before and after.
        chosen: reserves before and after, where they were chosen anew.
        said: sentences on what was done and what was not.
    """

    normals: int
    odd: list[tuple[str, float, float]] = field(default_factory=list)
    chosen: tuple[dict[str, float], dict[str, float]] | None = None
    said: list[str] = field(default_factory=list)


def decided_images(run: Run, store: str | None = None) -> Decided:
    """The originals of what was decided normal or odd, as they were scored. Raises: RunError, UsageError."""
    if run.record["kind"] != "flag":
        raise UsageError(
            f"{run.path} is a run of `{run.record['kind']}`; a detector learns from verdicts on a run of `flag`"
        )
    with Verdicts(store or run.verdicts_path) as verdicts:
        latest = verdicts.latest(run.record["id"])
    files, found = OriginalFiles(run), Decided([], [], [])
    for row in RunTable(run).rows():
        verdict = latest.get(row.item)
        if verdict is None or verdict.decision not in ("normal", "odd"):
            continue
        if row.error is not None:
            found.left_out.append(f"{row.item}: decided {verdict.decision}, but it could not be read")
            continue
        try:
            image = _image(files, row)
        except OddPixelError as error:
            found.left_out.append(f"{row.item}: {error}")
            continue
        (found.normal if verdict.decision == "normal" else found.odd).append(image)
    if not found.normal and not found.odd:
        reason = f"; {found.left_out[0]}" if found.left_out else ""
        raise UsageError(f"nobody has decided that a readable image of {run.path} is normal or odd{reason}")
    return found


def teach(detector: Detector, decided: Decided, seed: int = 0) -> Lesson:
    """Learn from decisions; the detector is changed in place. Raises: what `Detector.update` raises."""
    prepare = detector.prepare_
    before = [(image.source, detector.judge(image)) for image in decided.odd]
    p_before = [_p(detector, judged.evidence) for _, judged in before]
    lesson, had_power = Lesson(0), detector.power_ is not None
    if decided.normal:
        known = set(detector.fitted_on_)
        detector.update(decided.normal)
        lesson.normals = len(set(detector.fitted_on_) - known)
        lesson.said.append(f"{counted(lesson.normals, 'normal')} more in memory; the calibration stands")
        if had_power:
            lesson.said.append(
                "what it finds is not known any more, since scores have fallen; `oddpixel calibrate` measures it again"
            )
    judged = [detector.judge_observed(detector.observer_(prepare(image))) for image in decided.odd]
    groups = [image.group for image in decided.odd]
    choose_anew(detector, [each.evidence for each in judged], groups, lesson, seed)
    lesson.said += detector.doubts_
    lesson.odd = [
        (source, p, _p(detector, after.evidence))
        for (source, _), p, after in zip(before, p_before, judged, strict=True)
    ]
    return lesson


def choose_anew(
    detector: Detector, odd: Sequence[Deviations], groups: Sequence[str], lesson: Lesson, seed: int
) -> None:
    """Choose channels and reserves by what was decided odd, where that can be borne."""
    names = sorted(set(groups))
    if len(names) < FEWEST_ODD:
        if names:
            lesson.said.append(
                f"channels stay as they are: {counted(len(names), 'group')} decided odd, fewer than {FEWEST_ODD}"
            )
        return
    rows = detector.calibrated_.rows
    dealt = np.random.default_rng(seed).permutation(sorted({row.group for row in rows}))
    choosing = set(dealt[: len(dealt) // 2].tolist())
    kept = tuple(row for row in rows if row.group not in choosing)
    if len(dealt) - len(choosing) < groups_needed(detector.alpha, detector.confidence):
        lesson.said.append("channels stay as they are: half of the calibration would be too small for the promise")
        return
    normal = [row.evidence for row in rows if row.group in choosing]
    count = len(detector.fitted_on_)
    ranges = {
        name: reserve_range(channel.reserve, count) for name, channel in detector.channels_.items() if channel.counts
    }
    now, then = detector.reserves_, best_reserves(ranges, normal, odd)
    gain = _cross_validated(ranges, now, normal, odd, groups, seed)
    if gain <= LEAST_GAIN or then == now:
        lesson.said.append("channels stay as they are: no others find more of what was decided odd")
        return
    detector.reserves_, detector.power_ = then, None
    detector.calibrated_ = Calibrated(tuple(_rescored(row, then) for row in kept))
    lesson.chosen = (dict(now), dict(then))
    lesson.said.append(
        f"channels chosen anew: {gain:.0%} more of what was decided odd is found at few false alarms (cross-validated); "
        f"calibrated on the {detector.calibrated_.num_groups} groups that the choice has not seen"
    )


def _cross_validated(
    ranges: Mapping[str, tuple[float, float]],
    now: Mapping[str, float],
    normal: Sequence[Deviations],
    odd: Sequence[Deviations],
    groups: Sequence[str],
    seed: int,
) -> float:
    """How much more of the odd is found by channels that were chosen without it."""
    names = np.random.default_rng(seed).permutation(sorted(set(groups)))
    fold_of = {name: index % FOLDS for index, name in enumerate(names.tolist())}
    gains = []
    for fold in range(FOLDS):
        held = [each for each, group in zip(odd, groups, strict=True) if fold_of[group] == fold]
        others = [each for each, group in zip(odd, groups, strict=True) if fold_of[group] != fold]
        chosen = best_reserves(ranges, normal, others)
        found = [
            found_at_few_alarms([fused(each, way) for each in normal], [fused(each, way) for each in held])
            for way in (now, chosen)
        ]
        gains += [found[1] - found[0]] * len(held)
    return float(np.mean(gains))


def _rescored(row: CalibrationImage, reserves: Mapping[str, float]) -> CalibrationImage:
    return replace(row, raw=fused(row.evidence, reserves))


def _p(detector: Detector, evidence: Deviations) -> float:
    return float(detector.calibrated_.p_values(np.array([fused(evidence, detector.reserves_)]))[0])


def _image(files: OriginalFiles, row: Row) -> Image:
    """The image of a row, if its file is still what was scored. Raises: UnreadableInput, UnsafePath."""
    files.open(row).close()
    for image in files.reader.read((files.entry(row),)):
        if image.source == row.item:
            _ = image.pixels  # raises its error where it cannot be read
            assert isinstance(image, Image)
            return replace(image, group=str(row.group), sha256=recorded_digest(row))
    raise UsageError(f"{row.item} is not in its file any more")
