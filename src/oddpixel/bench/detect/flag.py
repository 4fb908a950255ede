"""`oddpixel bench flag`: does flagging find what is odd, keep its word, show where, and at what cost?

Kinds of pictures against each other, planted lesions and defects, a real defect, false-alarm rates on real groups, maps, time.
Everything was tuned on validation roles (docs/flag.md); nothing here is fitted to what it is measured on.
"""

from __future__ import annotations

from typing import Any

from oddpixel.bench import Report

from .cost import cost
from .pairs import OURS, observed_kinds, pairs, with_few
from .planted import planted
from .power import power
from .rates import rates

MODEL = "photo-grey"
FAR_MEAN, FAR_LEAST = 0.95, 0.80


def run(seed: int = 0) -> Report:
    """Measure detection, false alarms, localisation and cost of flagging."""
    observed = observed_kinds(MODEL)
    tables: dict[str, list[dict[str, Any]]] = {}
    tables |= pairs(observed, seed)
    tables["pairs, eight normals, mean AUROC"] = pairs(with_few(observed), seed)["pairs, mean AUROC"]
    tables |= rates(observed, seed)
    tables |= planted(MODEL, seed)
    tables |= power(MODEL, seed)
    tables |= cost(MODEL, seed)
    far = next(row for row in tables["pairs, mean AUROC"] if row["method"] == OURS)
    notes = [
        f"aim: far pairs {FAR_MEAN} on average and none below {FAR_LEAST}; found {far['far']:.3f} and {far['far, least']:.3f}"
    ]
    broken = [row for row in tables["false alarms on real groups"] if row["excess, Holm p"] < 0.01]
    return Report(tables=tables, passed=not broken, seed=seed, notes=notes)
