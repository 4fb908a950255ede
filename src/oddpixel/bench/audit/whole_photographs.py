"""`oddpixel bench whole_photographs`: the verdict on whole test photographs, authentic in several histories and manipulated.

Calibrated on whole training and validation photographs; test photographs were fitted to by nothing. What can decide, by
arithmetic; false alarms with Clopper-Pearson intervals by photograph; what is found; where it is marked; what it costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oddpixel.bench import Report
from oddpixel.datasets.corpora import cached
from oddpixel.datasets.corpora.packages import cache_folder
from oddpixel.forensics.audit.calibration import table
from oddpixel.forensics.audit.gate import FULL_SIZE

from .fit import compare_sizes
from .measure import kept
from .photographs import LARGEST, of_photograph, of_published, photographs, published
from .tables import by_verdict, deciding, label, localised, verdict_alarms

HOSTS = 2  # every second photograph is a host of manipulations
TAMPERED = "tampered-pair"


def run() -> Report:
    """Measure the audit on whole test photographs, and tabulate what it finds and what it should not."""
    pictures = photographs(("test",))
    jobs = [
        (source, pictures[(k + 5) % len(pictures)] if k % HOSTS == 0 else None, False)
        for k, source in enumerate(pictures)
    ]
    files = [(name, content, False) for name, content in published(("test",))]
    pair = [
        (file.path.name, file.path.read_bytes(), False)
        for file in cached(TAMPERED).files()
        if file.path.suffix == ".jpg"
    ]
    place = cache_folder() / "bench" / "whole-photographs.jsonl"
    rows = kept(place, [f"full size {source.name}" for source in pictures], jobs, of_photograph)
    rows += kept(place, [f"published {name}" for name, _, _ in files], files, of_published)
    rows = [row for row in rows if row["stratum"].endswith(FULL_SIZE)]
    hand = kept(place, [f"pair {name}" for name, _, _ in pair], pair, of_published)
    for each in (rows, hand):
        compare_sizes(each, table())
    tables = {
        "what can decide, by arithmetic": deciding(),
        "the verdict on whole authentic photographs": [
            {"photographs" if name == "tiles" else name: value for name, value in row.items()}
            for row in verdict_alarms(rows)
        ],
        "the verdict on whole manipulated photographs, share found": by_verdict(rows),
        "localisation where a test counts and finds it, F1 and MCC at one half": localised(rows),
        "the pair tampered with by hand": [
            {"file": row["source"], "stratum": row["stratum"], "verdict": label(row)} for row in hand
        ],
        "seconds of all tests on one core": _seconds(rows),
    }
    notes = [
        f"{len(pictures)} test photographs reduced to {LARGEST / 1e6:g} megapixels at most, and {len(files)} files as "
        f"published; every second one is a host. Calibrated on {table().record['photographs']} other photographs.",
        "A killed run is taken up where it was; then the seconds above are those of its last part.",
    ]
    place.unlink(missing_ok=True)
    return Report(tables=tables, notes=notes)


def _seconds(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    whole = sum(row["seconds"]["all"] for row in rows)
    size = sum(row["megapixels"] for row in rows)
    return [{"images": len(rows), "megapixels": size, "cpu s": whole, "cpu s/MP": whole / size}]
