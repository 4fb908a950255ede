"""What everyday alterations leave of a manipulation, by the history that a file shows afterwards: where they leave too
little, finding nothing is not told as "no evidence found".

Histories are taken one after the other, from the one where fewest are lost, as long as at most 5 % of the altered copies
of pictures whose manipulation was found are told to hold no evidence. That is chosen on calibration photographs; in the
other histories the verdict is *inconclusive* unless something is found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from oddpixel.forensics.audit.calibration import Calibration

from .alterations import EVERYDAY, UNALTERED
from .rows import LEVEL, Row, histories, verdict_p

MOST_TURNED = 0.05  # of altered copies of found manipulations, that may be called "no evidence found"


def lasting(rows: Sequence[Row], calibration: Calibration) -> dict[str, Any]:
    """By history `{found, n, counts}`: of n copies of found manipulations so many are found again; whether silence counts."""
    found: dict[str, list[bool]] = defaultdict(list)
    was_found = {_key(row) for row in rows if row["form"] == UNALTERED and _is_found(row, calibration)}
    for row in rows:
        if row["manipulated"] and row["form"] in EVERYDAY and _key(row) in was_found and not row["degraded"]:
            found[histories(row)[-1]].append(_is_found(row, calibration))
    copies = sum(map(len, found.values()))
    answers: dict[str, Any] = {}
    turned = 0
    for history in sorted(found, key=lambda name: len(found[name]) - sum(found[name])):
        hits = found[history]
        turned += len(hits) - sum(hits)
        answers[history] = {"found": sum(hits), "n": len(hits), "counts": turned <= MOST_TURNED * copies}
    return answers


def _key(row: Row) -> tuple[str, str]:
    return row["source"], row["kind"].partition("/")[0]


def _is_found(row: Row, calibration: Calibration) -> bool:
    p = verdict_p(row, calibration)[0]
    return row["manipulated"] and p is not None and p <= LEVEL
