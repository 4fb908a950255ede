"""The tables of `oddpixel bench audit`, out of measured cases.

Nothing is chosen here: levels, what counts, likelihood ratios and bounds are those of `forensics/audit/calibration.json`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from oddpixel.bench.intervals import interval, of_groups
from oddpixel.forensics.audit.calibration import table
from oddpixel.forensics.audit.labels import Label
from oddpixel.forensics.audit.nfa import REPORTED
from oddpixel.forensics.audit.verdict import ALPHA, evidence_score, weights

from .alterations import KINDS, UNALTERED
from .cases import FORMS
from .cases import KINDS as MADE
from .rows import BASELINES, as_finding, calibrated, histories, verdict_p

Row = Mapping[str, Any]
STRONGEST = {"statistic": np.inf, "log10_nfa": -np.inf, "about": "manipulation"}
LEVEL = 0.01  # of a single calibrated test


def single_alarms(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The share of authentic tiles that pass each test's own level."""
    answers = []
    for name in _names(rows):
        for stratum in sorted({row["stratum"] for row in rows}):
            here = [
                row for row in rows if not row["manipulated"] and row["stratum"] == stratum and name in row["findings"]
            ]
            audit = table().audit(name, stratum)
            by_rank = calibrated(name) or audit.get("by_rank", False)
            judged = [(row, as_finding(name, row["findings"][name], stratum, table())) for row in here]
            values = [(row["source"], finding.probability) for row, finding in judged if finding is not None]
            if not values:
                continue
            level = LEVEL if by_rank else 10.0**REPORTED
            hits = np.array([float((p or 1.0) <= level) for _, p in values])
            low, high = _interval(hits, [name for name, _ in values])
            answers.append(
                {
                    "test": name, "stratum": stratum, "level": level, "tiles": len(values), "observed": float(hits.mean()),
                    "low": low, "high": high, "counts": "yes" if audit["fused"] else "no",
                }
            )  # fmt: skip
    return answers


def verdict_alarms(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The share of authentic tiles that the verdict calls manipulated, per history, with intervals."""
    answers = []
    for kind in dict.fromkeys(row["kind"] for row in rows if not row["manipulated"]):
        here = [row for row in rows if not row["manipulated"] and row["kind"] == kind]
        labels = [label(row) for row in here]
        hits = np.array([float(answer == Label.MANIPULATION) for answer in labels])
        low, high = _interval(hits, [row["source"] for row in here])
        answers.append(
            {
                "history": kind, "tiles": len(here), "nominal": ALPHA, "called_manipulated": float(hits.mean()), "low": low,
                "high": high, "inconclusive": labels.count(Label.INCONCLUSIVE) / len(labels),
            }
        )  # fmt: skip
    return answers


def label(row: Row) -> str:
    """The verdict's label for a measured case."""
    p, adjusted_findings = verdict_p(row, table())
    if any(adjusted <= ALPHA and finding.about == "manipulation" for finding, adjusted in adjusted_findings):
        return Label.MANIPULATION
    return Label.INCONCLUSIVE if abstains(row, p) else Label.NOTHING_FOUND


def abstains(row: Row, p: float | None) -> bool:
    """Whether the verdict on a case abstains where it finds nothing."""
    return bool(row["degraded"]) or p is None or not all(map(table().keeps_traces, histories(row)))


def shifted(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The share of shifted-grid splices that the grid test finds, at NFA <= 1e-3."""
    answers = []
    groups = {"square-75": True, "square-90": True, "jpeg-75-png": False, "never-jpeg": False}
    for kind, is_manipulated in groups.items():
        here = [row for row in rows if row["kind"] == kind and "jpeg-grid-local" in row["findings"]]
        hits = np.array([float(row["findings"]["jpeg-grid-local"]["log10_nfa"] <= REPORTED) for row in here])
        low, high = _interval(hits, [row["source"] for row in here])
        f1 = [row["findings"]["jpeg-grid-local"].get("f1") for row in here]
        answers.append(
            {
                "images": kind, "are": "splices" if is_manipulated else "authentic", "n": len(here),
                "found": float(hits.mean()), "low": low, "high": high,
                "median F1": float(np.median([score for score in f1 if score is not None])) if any(f1) else None,
            }
        )  # fmt: skip
    return answers


def by_test(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """AUROC of each test at the manipulation that it detects best, per stratum, beside the plain baselines."""
    answers = []
    for name in [*_names(rows), *BASELINES]:
        for stratum in sorted({row["stratum"] for row in rows}):
            here = [row for row in rows if row["stratum"] == stratum and name in row["findings"]]
            normal = [row for row in here if not row["manipulated"]]
            best: dict[str, Any] | None = None
            for kind in MADE:
                changed = [row for row in here if row["manipulated"] and row["kind"] == kind]
                if len(changed) < 10 or len(normal) < 20:
                    continue
                auc = _auc(name, normal, changed)
                if best is None or auc > best["auc"]:
                    level = np.quantile([row["findings"][name]["statistic"] for row in normal], 0.99)
                    tpr = float(np.mean([row["findings"][name]["statistic"] > level for row in changed]))
                    low, high = _auc_interval(name, normal, changed)
                    plain = max(_auc(baseline, normal, changed) for baseline in BASELINES)
                    best = {
                        "test": name, "stratum": stratum, "manipulation": kind, "n": len(changed), "auc": auc, "low": low,
                        "high": high, "tpr_at_1_percent_fpr": tpr, "better baseline": plain,
                        "counts": "yes" if name not in BASELINES and table().audit(name, stratum)["fused"] else "no",
                    }  # fmt: skip
            answers += [best] if best is not None else []
    return answers


def by_verdict(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The share of each manipulation that the verdict detects, per coding in which it was measured, with intervals."""
    answers = []
    changed = [row for row in rows if row["manipulated"]]
    for kind in [kind for kind in MADE if any(row["kind"] == kind for row in changed)]:
        answer: dict[str, Any] = {"manipulation": kind}
        for form in FORMS:
            here = [row for row in changed if row["kind"] == kind and row["form"] == form]
            if not here:
                answer |= {form: None, f"{form} interval": ""}
                continue
            num_each = len(here)
            hits = np.array([float(label(row) == Label.MANIPULATION) for row in here])
            low, high = _interval(hits, [row["source"] for row in here])
            answer |= {form: float(hits.mean()), f"{form} interval": f"{low:.2f} to {high:.2f}"}
        answers.append(answer | {"n each": num_each})
    return answers


def deciding() -> list[dict[str, Any]]:
    """Which tests decide on which images, by arithmetic: the smallest p of each, times those it shares the level with."""
    answers = []
    audited = table().record["audited"]
    for stratum in sorted({stratum for strata in audited.values() for stratum in strata}):
        names = sorted(table().counting(stratum))
        findings = [as_finding(name, STRONGEST, stratum, table()) for name in names]
        kept = [finding for finding in findings if finding is not None]
        for finding, share in zip(kept, weights(kept), strict=True):
            p = finding.probability or 0.0
            answers.append(
                {
                    "images": stratum, "test": finding.check,
                    "p by": "NFA" if finding.log10_nfa is not None else f"rank among {round(1 / p) - 1}",
                    "smallest p": p, "over its share of the level": p / share, "can decide at 0.05": p / share <= ALPHA,
                }
            )  # fmt: skip
        if not kept:
            answers.append({"images": stratum, "test": "none", "p by": "", "can decide at 0.05": False})
    return answers


def localised(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """F1 and MCC of the maps of detected manipulations, per test."""
    groups = defaultdict(list)
    for row in rows:
        if not row["manipulated"]:
            continue
        for finding, adjusted in verdict_p(row, table())[1]:
            result = row["findings"][finding.check]
            if adjusted <= ALPHA and "f1" in result:
                groups[finding.check, row["kind"]].append(result)
    return [
        {
            "test": name, "manipulation": kind, "found": len(values), "F1": float(np.mean([result["f1"] for result in values])),
            "MCC": float(np.mean([result["mcc"] for result in values])),
        }
        for (name, kind), values in sorted(groups.items())
        if len(values) >= 3
    ]  # fmt: skip


def generated(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """AUROC of each test for generated stills against photographs in the same coding."""
    answers = []
    for name in _names(rows):
        normal, fake = (
            [row for row in rows if row["manipulated"] is is_generated and name in row["findings"]]
            for is_generated in (False, True)
        )
        if len(normal) >= 20 and len(fake) >= 20:
            low, high = _auc_interval(name, normal, fake)
            chance = "chance" if low <= 0.5 <= high else "above chance" if low > 0.5 else "below chance"
            answers.append(
                {"test": name, "generated": len(fake), "photographs": len(normal), "auc": _auc(name, normal, fake), "low": low,
                 "high": high, "it is": chance}
            )  # fmt: skip
    return answers


def robustness(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The share of detected cases after each alteration, and how many verdicts it changes."""
    answers = []
    before = {(row["source"], row["kind"].partition("/")[0]): label(row) for row in rows if row["form"] == UNALTERED}
    for name in dict.fromkeys(row["form"] for row in rows):
        here = [row for row in rows if row["form"] == name]
        answer: dict[str, Any] = {"altered": name}
        for kind in ("authentic", *KINDS):
            labels = [label(row) for row in here if row["kind"].startswith(f"{kind}/")]
            answer[f"{kind}: found"] = labels.count(Label.MANIPULATION) / len(labels)
        flipped = [label(row) != before[row["source"], row["kind"].partition("/")[0]] for row in here]
        answer |= {
            "verdict differs": float(np.mean(flipped)),
            "inconclusive": float(np.mean([label(row) == Label.INCONCLUSIVE for row in here])),
        }
        answers.append(answer)
    return answers


def flips(rows: Sequence[Row], alterations: Sequence[str]) -> list[dict[str, Any]]:
    """What becomes of decided verdicts under everyday alterations: of evidence, and of authentic pictures without any."""
    before = {(row["source"], row["kind"].partition("/")[0]): label(row) for row in rows if row["form"] == UNALTERED}
    answers = []
    for truth in ("manipulated", "authentic"):
        decided = Label.MANIPULATION if truth == "manipulated" else Label.NOTHING_FOUND
        after = [
            label(row)
            for row in rows
            if row["form"] in alterations
            and row["kind"].startswith("authentic/") == (truth == "authentic")
            and before[row["source"], row["kind"].partition("/")[0]] == decided
        ]
        answers.append(
            {
                "pictures": f"{truth}, {decided} before", "altered copies": len(after),
                **{str(each): float(np.mean([now == each for now in after])) for each in FLIPPED},
            }
        )  # fmt: skip
    return answers


FLIPPED = (Label.MANIPULATION, Label.NOTHING_FOUND, Label.INCONCLUSIVE)


@dataclass(frozen=True, eq=False)
class Weighed:
    """The likelihood ratios of cases of one stratum.

    Arguments:
        is_manipulated, score: of every case that some test decides on.
        ratios: as a report would state them, cut at the bounds.
        best: what the best monotone map of the scores would state (pool adjacent violators), fitted to these very cases.
    """

    is_manipulated: np.ndarray
    score: np.ndarray
    ratios: np.ndarray
    best: np.ndarray


def weighed(rows: Sequence[Row], stratum: str) -> Weighed | None:
    """The likelihood ratios of a stratum's cases; None where the calibration states none, or all cases are of one kind."""
    from sklearn.isotonic import IsotonicRegression

    fitted = table().likelihood_ratio(stratum)
    judged = [
        (row, verdict_p(row, table())[0])
        for row in rows
        if row["stratum"] == stratum and not row["kind"].startswith("square")
    ]
    values = [(row["manipulated"], evidence_score(p)) for row, p in judged if p is not None]
    if fitted is None or len({truth for truth, _ in values}) < 2:
        return None
    truth = np.array([truth for truth, _ in values])
    score = np.array([value for _, value in values])
    ratios = np.clip(10.0 ** (fitted["intercept"] + fitted["slope"] * score), *fitted["bound"])
    weights = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    best = (
        IsotonicRegression(y_min=1e-6, y_max=1 - 1e-6, out_of_bounds="clip")
        .fit(score, truth.astype(float), weights)
        .predict(score)
    )
    return Weighed(truth, score, ratios, _odds(best))


def calibration(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Cllr before and after the best monotone map, and misleading evidence. Brümmer and du Preez 2006; the map is PAV."""
    answers = []
    for stratum in sorted({row["stratum"] for row in rows}):
        if (here := weighed(rows, stratum)) is None:
            continue
        first, second = here.ratios[here.is_manipulated], here.ratios[~here.is_manipulated]
        best = here.best[here.is_manipulated], here.best[~here.is_manipulated]
        low, high = (table().likelihood_ratio(stratum) or {})["bound"]
        answers.append(
            {
                "stratum": stratum, "manipulated": len(first), "authentic": len(second),
                "Cllr": cllr(first, second), "Cllr_min": cllr(*best), "bound low": low, "bound high": high,
                "LR > 1 of authentic": float((second > 1).mean()), "LR < 1 of manipulated": float((first < 1).mean()),
                "strongest misleading LR": float(second.max()),
            }
        )  # fmt: skip
    return answers


def _odds(p: np.ndarray) -> np.ndarray:
    result: np.ndarray = p / (1 - p)
    return result


def cllr(first: np.ndarray, second: np.ndarray) -> float:
    """The cost of the log-likelihood ratios in bits: 0 is perfect, 1 is to say nothing."""
    return float(0.5 * (np.log2(1 + 1 / first).mean() + np.log2(1 + second).mean()))


def coverage(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The shares of answers and of wrong answers, by alpha. Over authentic and manipulated cases that weigh alike."""
    judged = [(row, verdict_p(row, table())[0]) for row in rows if not row["kind"].startswith("square")]
    answers = []
    for alpha in (0.01, 0.05, 0.2):
        rates = {}
        for is_manipulated in (True, False):
            here = [(row, p) for row, p in judged if row["manipulated"] is is_manipulated]
            called = [p is not None and p <= alpha for _, p in here]
            silent = [not hit and abstains(row, p) for hit, (row, p) in zip(called, here, strict=True)]
            rates[is_manipulated] = float(np.mean(called)), float(np.mean(silent))
        answers.append(
            {
                "level": alpha, "answered": 1 - (rates[True][1] + rates[False][1]) / 2, "manipulated found": rates[True][0],
                "authentic called manipulated": rates[False][0],
            }
        )  # fmt: skip
    return answers


def _names(rows: Sequence[Row]) -> list[str]:
    return sorted(
        {name for row in rows for name, finding in row["findings"].items() if finding["about"] != "history"}
        - set(BASELINES)
    )


def _auc(name: str, normal: Sequence[Row], changed: Sequence[Row]) -> float:
    values = [row["findings"][name]["statistic"] for row in (*normal, *changed)]
    return float(roc_auc_score([0] * len(normal) + [1] * len(changed), values))


def _auc_interval(name: str, normal: Sequence[Row], changed: Sequence[Row]) -> tuple[float, float]:
    values = np.array([row["findings"][name]["statistic"] for row in (*normal, *changed)])
    labels = np.array([0] * len(normal) + [1] * len(changed))

    def statistic(index: np.ndarray) -> float:
        both = 0 < labels[index].mean() < 1
        return float(roc_auc_score(labels[index], values[index])) if both else 0.5

    return _over_sources([row["source"] for row in (*normal, *changed)], statistic)


def _interval(hits: np.ndarray, sources: Sequence[str]) -> tuple[float, float]:
    if not hits.any():
        # Nothing to draw anew: what rate none of so many photographs is compatible with (Clopper and Pearson, 95 %).
        return 0.0, float(1 - 0.05 ** (1 / len(set(sources))))
    return _over_sources(sources, lambda index: float(hits[index].mean()))


def _over_sources(sources: Sequence[str], statistic: Callable[[np.ndarray], float]) -> tuple[float, float]:
    members = of_groups(sources)
    return interval(lambda drawn: statistic(members(drawn)), len(set(sources)), seed=0)


PEERS = [
    {
        "system": "TruFor (CVPR 2023)",
        "data": "DSO-1, image level",
        "figure": "AUC 0.984",
        "note": "trained, non-commercial",
    },
    {
        "system": "TruFor (CVPR 2023)",
        "data": "Coverage, image level",
        "figure": "AUC 0.770",
        "note": "trained, non-commercial",
    },
    {"system": "CAT-Net (via COM-PRESS)", "data": "DSO-1, localisation", "figure": "F1 0.68", "note": "trained"},
    {
        "system": "an open classical suite (2026)",
        "data": "317 sources, mixed edits",
        "figure": "ELA 0.44, resampling 0.47, ZERO about 0.50, double JPEG 0.66 AUC",
        "note": "its own figures",
    },
    {
        "system": "20 detectors of generated stills (2024 to 2026)",
        "data": "10 generators",
        "figure": "balanced accuracy mostly near chance at 0.5",
        "note": "public results file",
    },
]
