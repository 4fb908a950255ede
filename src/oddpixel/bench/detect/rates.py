"""False alarms on real groups that are neither fitted to nor calibrated on, at several rates; and false discoveries in mixtures.

Each kind with enough files is dealt anew by group for every repeat, as `fit` deals: scales are learned from some, all but the
judged ones are remembered, and the others calibrate, each without itself in the memory. A false alarm is a normal picture that
is flagged, or one that bears any mark on its map. Pass: no cell lies significantly above its nominal rate (one-sided
binomial, Holm over all cells).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest

from oddpixel.forensics.detect.conformal import p_values, q_values
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.guarantee import groups_needed, guarantee
from oddpixel.forensics.detect.observation import Observation, Observer

from .pairs import ENCODER, Observed

REPEATS = 10
JUDGED = 3  # files a repeat: more against one calibration would hardly be independent
SCALING = 16  # files
RATES = ((0.2, None), (0.1, None), (0.05, None), (0.2, 0.9))
ALARMS = ("flagged", "marked")
FDR = 0.2
FEWEST = 40  # files


def rates(observed: tuple[Observer, list[Observed]], seed: int) -> dict[str, list[dict[str, Any]]]:
    """Observed rates of false alarms and false discoveries, per kind and nominal rate."""
    observer, kinds = observed
    rows: list[dict[str, Any]] = []
    discoveries: list[dict[str, Any]] = []
    for kind in kinds:
        everything = kind.fitting + kind.judged
        groups = kind.fitting_groups + kind.judged_groups
        if len(set(groups)) < FEWEST or len(set(groups)) != len(groups):
            continue  # claims are for groups, and these are too few or no files of their own
        counts = {(alarm, rate): [0, 0] for alarm in ALARMS for rate in RATES}
        mixtures: list[float] = []
        strangers = [
            observation for other_kind in kinds if other_kind is not kind for observation in other_kind.judged[:4]
        ]
        for repeat in range(REPEATS):
            generator = np.random.default_rng([seed, repeat])
            order = generator.permutation(len(everything))
            scaling, calibrating, judged = order[:SCALING], order[SCALING:-JUDGED], order[-JUDGED:]
            scores = _scores(observer, everything, scaling, calibrating, judged, strangers, seed)
            for (alarm, (alpha, confidence)), count in counts.items():
                if len(calibrating) < groups_needed(alpha, confidence):
                    continue
                threshold = guarantee(len(calibrating), alpha, confidence).threshold
                p = p_values(scores["judged"][alarm], scores["calibration"][alarm])
                count[0] += int((p <= threshold).sum())
                count[1] += len(judged)
            flagged = [scores[part]["flagged"] for part in ("judged", "strangers", "calibration")]
            mixtures.append(_false_discoveries(flagged[0], flagged[1][:8], flagged[2]))
        rows += [
            {
                "kind": kind.kind.name,
                "alarm": alarm,
                "files": len(everything),
                "promise": f"{alpha:g}" + ("" if confidence is None else f" at {confidence:g} confidence"),
                "nominal": alpha,
                "alarms": alarms,
                "judged": judged,
                "rate": alarms / judged,
                "excess, p": float(binomtest(alarms, judged, alpha, alternative="greater").pvalue),
            }
            for (alarm, (alpha, confidence)), (alarms, judged) in counts.items()
            if judged
        ]
        discoveries.append(
            {
                "kind": kind.kind.name,
                "aim": FDR,
                "false discovery rate": float(np.mean(mixtures)),
                "mixtures": len(mixtures),
            }
        )
    _holm(rows)
    return {"false alarms on real groups": rows, "false discoveries in mixtures": discoveries}


def _scores(
    observer: Observer,
    everything: list[Observation],
    scaling: np.ndarray,
    calibrating: np.ndarray,
    judged: np.ndarray,
    strangers: list[Observation],
    seed: int,
) -> dict[str, dict[str, np.ndarray]]:
    """Score and map maximum, by the alarm that they give, of the calibration, the judged normals and the strangers."""
    detector = Detector(encoder=ENCODER, seed=seed)
    detector.observer_ = observer
    others = [(everything[index], str(index)) for index in calibrating]
    detector.learn([everything[index] for index in scaling], [str(index) for index in scaling], others)
    found = {
        "calibration": [detector.judge_observed(observation, group) for observation, group in others],
        "judged": [detector.judge_observed(everything[index]) for index in judged],
        "strangers": [detector.judge_observed(observation) for observation in strangers],
    }
    return {
        part: {
            "flagged": np.array([each.raw for each in judgements]),
            "marked": np.array([each.heat_max for each in judgements]),
        }
        for part, judgements in found.items()
    }


def _false_discoveries(normal: np.ndarray, odd: np.ndarray, calibration: np.ndarray) -> float:
    """Share of normals among what is flagged at `FDR`."""
    q = q_values(p_values(np.concatenate([normal, odd]), calibration))
    flagged = q <= FDR
    return float(flagged[: len(normal)].sum() / max(flagged.sum(), 1))


def _holm(rows: list[dict[str, Any]]) -> None:
    order = sorted(range(len(rows)), key=lambda index: rows[index]["excess, p"])
    worst = 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(rows[index]["excess, p"] * (len(rows) - rank), 1.0))
        rows[index]["excess, Holm p"] = worst
