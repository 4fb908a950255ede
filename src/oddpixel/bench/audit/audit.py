"""`oddpixel bench audit`: what the audit's tests and its verdict do on test photographs, which nothing was fitted to or
chosen on.

P10 false alarms, P2 to P8 detection and localisation beside plain error level and noise variance, P9 robustness, P11
calibration (numbers of the protocols that forensic tools are compared by), generated stills against photographs in the
same coding, and cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from sklearn.metrics import roc_auc_score

from oddpixel.bench import Report
from oddpixel.datasets.corpora import cached
from oddpixel.datasets.corpora.packages import cache_folder
from oddpixel.forensics.audit.calibration import table
from oddpixel.forensics.audit.checks import checks
from oddpixel.forensics.audit.exhibit import exhibit_of
from oddpixel.forensics.audit.judge import answers_of
from oddpixel.forensics.audit.measurement import Measurement

from .alterations import ALTERATIONS, EVERYDAY, of_altered
from .cases import TILE, Case, Source, authentic, encoded, in_all_forms, resized, saved, sources
from .cost import cost
from .measure import kept, measure
from .plots import write_plots
from .tables import (
    PEERS,
    by_test,
    by_verdict,
    calibration,
    coverage,
    flips,
    generated,
    localised,
    robustness,
    shifted,
    single_alarms,
    verdict_alarms,
)

TILES = 12  # of each test photograph
HOSTS = 2  # of its tiles that are manipulated
ROBUST = 12  # sources
QUALITIES = (60, 70, 80, 90, 95)


FLIPS = f"what becomes of decided verdicts ({', '.join(EVERYDAY)})"
Row = Mapping[str, Any]


def run(sheets: Path | None = Path("docs/audit")) -> Report:
    """Measure the audit on test photographs, and tabulate false alarms, detection, robustness and cost.

    Arguments:
        sheets: where the plots of likelihood ratios go.
    """
    tiles, screened = sources(("test",), TILES)
    numbers: Counter[str] = Counter()
    keys, jobs = [], []
    for k, source in enumerate(tiles):
        numbers[source.name] += 1
        number = numbers[source.name]
        donor = tiles[(k + TILES) % len(tiles)] if number <= HOSTS else None
        keys.append(f"{source.name}#{number}")
        jobs.append((source, donor))
    place = cache_folder() / "bench" / "audit.jsonl"
    rows = kept(place, keys, jobs, of_source)
    shaken = robust(place, first_tiles(tiles, keys))
    stills = kept(place, ["stills"], [0], of_stills)
    tables = {
        "authentic tiles: a test at its own level (P10)": single_alarms(rows),
        "authentic tiles: the verdict (P10)": verdict_alarms(rows),
        "shifted-grid splices of 128 pixels, saved lossless": shifted(rows),
        "detection by test, at the manipulation it sees best (P2 to P8)": by_test(rows),
        "detection by the verdict, share found": by_verdict(rows),
        "aligned double JPEG, first quality against last (P6)": twice(first_tiles(tiles, keys)),
        "localisation where a test counts and finds it, F1 and MCC at one half": localised(rows),
        "generated stills against photographs, same size and coding": generated(stills),
        "robustness: verdicts on altered copies (P9)": robustness(shaken),
        FLIPS: flips(shaken, EVERYDAY),
        "calibration of likelihood ratios (P11)": calibration(rows),
        "risk and coverage: the verdict answers or abstains": coverage(rows),
        "published by peers, on their own data": PEERS,
        "cost": cost(),
    }
    if sheets is not None:
        write_plots(rows, sheets / "likelihood-ratios.png")
    names = {row["source"] for row in rows}
    photographs = {name.partition("#")[0] for name in screened}
    notes = [
        f"{len(tiles)} tiles of {TILE} pixels out of {len(names)} test photographs; the grid test screened out {len(screened)} "
        f"tiles of {len(photographs)} photographs. Calibrated on {table().record['sources']} others.",
        "Intervals: 95 %, bootstrap over photographs (where nothing was seen: Clopper and Pearson over photographs).",
        "A killed run is taken up where it was; then the seconds above are those of its last part. All of it takes about half an "
        "hour on two cores.",
    ]
    place.unlink(missing_ok=True)
    return Report(tables=tables, notes=notes)


def robust(place: Path, tiles: Sequence[Source]) -> list[dict[str, Any]]:
    """Measured copies of some photographs' tiles, manipulated and not, after every alteration."""
    first = tiles[:ROBUST]
    jobs = [(source, first[(k + 1) % len(first)], tuple(ALTERATIONS)) for k, source in enumerate(first)]
    return kept(place, [f"robust {source.name}" for source in first], jobs, of_altered)


def first_tiles(tiles: Sequence[Source], keys: Sequence[str]) -> list[Source]:
    """The first tile of each photograph, so that no photograph counts twice."""
    return [source for source, key in zip(tiles, keys, strict=True) if key.endswith("#1")]


def twice(tiles: Sequence[Source]) -> list[dict[str, Any]]:
    """The AUC of the double JPEG test's gain: saved at both qualities against saved at the last alone."""

    def gain(pixels: np.ndarray, quality: int) -> float:
        answer = answers_of(checks()["double-jpeg"], exhibit_of(encoded(pixels, f"jpeg-{quality}")))[0]
        return answer.statistic if isinstance(answer, Measurement) else 0.0

    rows = []
    for last in QUALITIES:
        once = [gain(source.picture, last) for source in tiles]
        row: dict[str, Any] = {"last quality": last, "n": len(tiles)}
        for before in QUALITIES:
            again = [gain(saved(source.picture, f"jpeg-{before}"), last) for source in tiles]
            row[f"first {before}"] = float(roc_auc_score([0] * len(once) + [1] * len(again), once + again))
        rows.append(row)
    return rows


def of_source(job: tuple[Source, Source | None]) -> list[dict[str, Any]]:
    """Measured authentic histories of a tile and, with a donor, its manipulations in every coding."""
    source, donor = job
    rows = [measure(case) | {"manipulated": False, "form": case.kind} for case in authentic(source)]
    if donor is not None:
        made = in_all_forms(source, donor)
        rows += [measure(case) | {"manipulated": True, "form": form} for case, form in made]
        rows += [measure(case) | {"manipulated": True, "form": "png"} for case in squares(source, donor)]
    return rows


def squares(host: Source, donor: Source) -> list[Case]:
    """Cases with squares of 128 pixels, both parts saved at one quality, on each of eight shifted grids."""
    cases = []
    for quality in (75, 90):
        mine = saved(host.picture, f"jpeg-{quality}")
        for number in range(4):
            random = host.random("square", quality, number)
            down, right = random.integers(0, 8, 2)
            down = down if down or right else 3
            theirs = np.roll(saved(donor.picture, f"jpeg-{quality}"), (int(down), int(right)), (0, 1))
            top, left = (int(offset) for offset in random.integers(0, TILE - 128, 2))
            mask = np.zeros(mine.shape[:2], bool)
            mask[top : top + 128, left : left + 128] = True
            cases.append(Case(f"square-{quality}", host, encoded(np.where(mask[..., None], theirs, mine), "png"), mask))
    return cases


def of_stills(_: int) -> list[dict[str, Any]]:
    """Measured generated pictures and photographs in one coding: 400 pixels, WebP, reduced to 320, JPEG 90.

    All scores of all tests.
    """
    rows = []
    photographs = [
        (file.path, corpus) for corpus in ("animals", "monuments", "interiors") for file in cached(corpus).files()
    ]
    both = [(file.path, "generated") for file in cached("ai-stills").files()] + photographs[::2]
    for path, origin in both:
        picture = np.asarray(Pillow.open(path).convert("RGB"))
        side = min(picture.shape[:2])
        square = np.ascontiguousarray(picture[:side, :side])
        small = saved(resized(square, 400 / side), "webp-80")
        content = encoded(resized(small, 320 / 400), "jpeg-90")
        source = Source(f"{origin}/{path.stem}", False, small)
        rows.append(measure(Case(origin, source, content)) | {"manipulated": origin == "generated", "form": "jpeg-90"})
    return rows
