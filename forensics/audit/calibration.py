"""What the tests were measured to do on authentic and on manipulated images: the ground on which p-values, the choice of
what is fused, likelihood ratios and power statements stand. Made by `python -m oddpixel.bench.audit.calibration` from the
training and validation parts of the corpora; test parts are never in it.

    p = max over histories of (1 + #{authentic scores >= s}) / (n + 1)          (conformal, one score a source)

An image larger than one tile is compared with whole photographs. Its score must not grow with its size alone, so it is
the expected number of authentic tiles, among as many as it has, that reach its largest statistic t:

    s = -log10( m S(t) )        S: survival of authentic tiles, every photograph counted once; beyond them exponential

p is still a rank, now of whole photographs among each other: it holds whatever S is, which only makes sizes alike.

A stratum holds authentic images of several histories (once saved, saved twice, resized, ...). The largest p of them makes
the bound hold for each of these histories and not only for their mixture; nothing below 1 / (n + 1) can be said.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

PATH = Path(__file__).with_name("calibration.json")
SCHEMA = "oddpixel/audit-calibration/1"
NOTHING_LASTS = "jpeg-low"  # the history in which no test counts


@dataclass(frozen=True, eq=False)
class Calibration:
    """The measured scores and error rates of all tests, per stratum of images.

    Arguments:
        record: the file's content.
        path: of the file, where there is one.
    """

    record: dict[str, Any]
    path: Path | None = None

    @property
    def sha256(self) -> str | None:
        """The hash of the file, in hexadecimal."""
        return None if self.path is None else hashlib.sha256(self.path.read_bytes()).hexdigest()

    def oddness(self, finding: str, stratum: str, statistic: float, num_tiles: int) -> float:
        """A statistic as its rank is taken: of a whole image the largest of `num_tiles`, made comparable across sizes."""
        tail = self.record.get("tails", {}).get(finding, {}).get(stratum)
        if tail is None:
            return statistic
        values, survival = np.asarray(tail["statistic"]), np.asarray(tail["log10_survival"])
        beyond = max(0.0, statistic - float(values[-1])) * tail["decades"]
        return float(beyond - np.interp(statistic, values, survival) - np.log10(max(num_tiles, 1)))

    def p_value(self, finding: str, stratum: str, statistic: float) -> tuple[float, int] | None:
        """The p-value and the number of sources it rests on, or None where this kind of image was not calibrated."""
        histories = self.record.get("scores", {}).get(finding, {}).get(stratum)
        if not histories:
            return None
        p_values = []
        for scores in histories.values():
            ahead = len(scores) - int(np.searchsorted(np.asarray(scores), statistic - 1e-9))
            p_values.append(((1 + ahead) / (len(scores) + 1), len(scores)))
        return max(p_values)

    def audit(self, finding: str, stratum: str) -> dict[str, Any]:
        """The audited behaviour of a finding in a stratum: `{fused, because, false_alarms, ...}`."""
        audit: dict[str, Any] = self.record.get("audited", {}).get(finding, {}).get(stratum) or {
            "fused": False,
            "because": "not audited on images of this kind",
        }
        return audit

    def counting(self, stratum: str) -> set[str]:
        """The findings that count in a stratum wherever they apply."""
        audited = self.record.get("audited", {})
        return {name for name, strata in audited.items() if strata.get(stratum, {}).get("fused")}

    def power(self, stratum: str) -> list[dict[str, Any]]:
        """What share of benchmark manipulations in this stratum the verdict finds: `{manipulation, found, n}`."""
        rows: list[dict[str, Any]] = self.record.get("power", {}).get(stratum, [])
        return rows

    def lasting(self, history: str) -> dict[str, Any] | None:
        """What everyday alterations that end in a history leave of manipulations: of `n` that were found before them `found`
        are found after, and whether silence `counts` there. None where it was not measured, or no alteration ends.
        """
        lasting: dict[str, Any] | None = self.record.get("lasting", {}).get(history)
        return lasting

    def keeps_traces(self, history: str) -> bool:
        """Whether silence counts in files of a history: unless it was measured that too little lasts, or nothing does."""
        lasting = self.lasting(history)
        return history != NOTHING_LASTS and (lasting is None or bool(lasting["counts"]))

    @property
    def knows_what_lasts(self) -> bool:
        """Whether it was measured what alterations leave of manipulations."""
        return "lasting" in self.record

    def likelihood_ratio(self, stratum: str) -> dict[str, Any] | None:
        """The fitted slope and intercept of log10 LR, its bound and its sources; None for an unmeasured stratum."""
        fit: dict[str, Any] | None = self.record.get("likelihood_ratio", {}).get(stratum)
        return fit


@cache
def table() -> Calibration:
    """The calibration that ships with OddPixel; an empty one where there is none yet."""
    return Calibration(json.loads(PATH.read_text()), PATH) if PATH.exists() else Calibration({})
