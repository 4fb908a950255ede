"""`oddpixel bench video`: tests of time lines on films untouched and edited at known places.

Bounds and constants were chosen on validation films; the test films (a street by a fixed camera, cyclists, the earth from
space, an animation) were fitted to by nothing. `python -m oddpixel.bench.audit.video` writes what the tests were measured to
do on validation films, which reports then say (`forensics/audit/video/measured.json`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import binomtest

from oddpixel.bench import Report
from oddpixel.datasets.corpora.card import Role
from oddpixel.datasets.corpora.packages import cache_folder
from oddpixel.forensics.audit.labels import FLAGGED
from oddpixel.forensics.audit.verdict import ALPHA
from oddpixel.forensics.audit.video.audited import PATH, examine_film
from oddpixel.forensics.audit.video.checks import timeline_checks

from .films import KINDS, QUALITIES, films, rows_of_film, timeline_of
from .measure import kept

REPEATS = 3  # edits of each kind and quality in every film
SPEED = "bigbuckbunny.mp4"  # 1280 x 720
CHECK_OF = dict(zip(KINDS, ("frozen-frames", "missing-frames", "repeated-frames", "interrupted-shot"), strict=True))


def run() -> Report:
    """Measure the tests of time lines on the test films."""
    rows = _rows("test")
    tables = {
        "untouched films, by encoding": untouched(rows),
        "edited films, by kind": edited(rows, "kind"),
        "edited films, by quality": edited(rows, "variant"),
        "edited films, by film": edited(rows, "film"),
        "speed on one core": [_speed()],
    }
    notes = [
        f"{REPEATS} edits of 10 to 30 frames of each kind, in each of {len(films('test'))} films, saved at x264's rate factors "
        f"{QUALITIES}. An event counts as found within 3 frames of the edit; of a copy the original counts as well."
    ]
    return Report(tables=tables, notes=notes)


def untouched(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By encoding: films that the verdict calls manipulated or anomalous, which none of them is."""
    plain = [row for row in rows if row["kind"] is None]
    answers = []
    for variant in ("all", *dict.fromkeys(row["variant"] for row in plain)):
        mine = [row for row in plain if variant in ("all", row["variant"])]
        called = sum(row["label"] in FLAGGED for row in mine)
        answers.append(
            {
                "encoding": variant, "films": len(mine), "frames": sum(row["frames"] for row in mine), "called": called,
                "events": sum(row["elsewhere"] for row in mine), "interval": _interval(called, len(mine)),
            }
        )  # fmt: skip
    return answers


def edited(rows: Sequence[Mapping[str, Any]], by: str) -> list[dict[str, Any]]:
    """By kind, quality or film: edits found, events elsewhere, and the F1 of both."""
    touched = [row for row in rows if row["kind"] is not None]
    answers = []
    for name in ("all", *dict.fromkeys(row[by] for row in touched)):
        mine = [row for row in touched if name in ("all", row[by])]
        found, elsewhere = sum(row["found"] for row in mine), sum(row["elsewhere"] for row in mine)
        answers.append(
            {
                by: name, "edits": len(mine), "found": found / len(mine), "events elsewhere": elsewhere,
                "F1": 2 * found / (found + elsewhere + len(mine)),
                "called": sum(row["label"] in FLAGGED for row in mine) / len(mine),
            }
        )  # fmt: skip
    return answers


def measured_on(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What reports say of the tests: whether each counts, and what share of edits the verdict finds."""
    plain = [row for row in rows if row["kind"] is None]
    audited = {}
    for name in timeline_checks():
        alarms = sum(name in row["checks"] for row in plain)
        share = alarms / len(plain)
        because = f"{alarms} of {len(plain)} untouched films in eight encodings called"
        audited[name] = {
            "video": {"fused": share <= ALPHA, "because": because, "false_alarms": alarms, "n": len(plain)}
        }
    touched = [row for row in rows if row["kind"] is not None]
    power = [
        {
            "manipulation": f"{kind} frames", "check": CHECK_OF[kind], "n": sum(row["kind"] == kind for row in touched),
            "found": sum(row["kind"] == kind and row["found"] for row in touched),
        }
        for kind in KINDS
    ]  # fmt: skip
    return {"audited": audited, "power": {"video": power}}


def _interval(count: int, total: int) -> list[float]:
    """The 95 % interval of a rate (Clopper and Pearson 1934); encodings of one film are no films of their own."""
    exact = binomtest(count, total).proportion_ci(0.95, method="exact")
    return [float(exact.low), float(exact.high)]


def _rows(role: Role) -> list[dict[str, Any]]:
    """Rows of all films of a role, measured once and kept while the run lasts."""
    paths = films(role)
    # Foreign frames come from films of the same role, so that no test film is seen before the test.
    jobs = [(path, [other for other in paths if other != path], REPEATS) for path in paths]
    place = cache_folder() / "bench" / f"films-{role}.jsonl"
    rows = kept(place, [f"{role} {path.name}" for path in paths], jobs, rows_of_film)
    place.unlink(missing_ok=True)
    return rows


def _speed() -> dict[str, Any]:
    path = next(path for path in films("test") if path.name == SPEED)
    started, wall = time.process_time(), time.perf_counter()
    timeline = timeline_of(path)
    read = time.process_time()
    examine_film(timeline, list(timeline_checks().values()))
    done = time.process_time()
    return {
        "film": f"{SPEED}, 1280 x 720", "frames": len(timeline), "frames/s": len(timeline) / (time.perf_counter() - wall),
        "cpu s reading": read - started, "cpu s testing": done - read,
    }  # fmt: skip


if __name__ == "__main__":
    PATH.write_text(json.dumps(measured_on(_rows("validation")), indent=1, sort_keys=True) + "\n")
