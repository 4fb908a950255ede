"""From measured cases to `forensics/audit/calibration.json`: authentic scores, what is fused and why, likelihood ratios,
power.

Chosen here, on training and validation photographs only:

* an a-contrario test keeps its own bound where its observed rate of false alarms does not contradict it (Clopper-Pearson,
95 %); elsewhere its p-value is no less than its rank among authentic images; * any test counts only if it beats plain
error level and plain noise variance on some manipulation it is made for; * the calibrated tests share
the level so that no kind of manipulation is given up for another: each that counts costs the others level, and with few
photographs its smallest p may not reach its share.

Tiles and whole photographs are strata of their own; the statistics of the latter are made comparable across sizes first.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from oddpixel.forensics.audit import calibration as calibration_module
from oddpixel.forensics.audit.calibration import PATH, SCHEMA, Calibration
from oddpixel.forensics.audit.gate import FULL_SIZE
from oddpixel.forensics.audit.nfa import REPORTED
from oddpixel.forensics.audit.verdict import SHARE_OF_NFA, evidence_score
from oddpixel.proportion import exact_interval

from .lasting import lasting
from .rows import BASELINES, LEVEL, Row, as_finding, calibrated, verdict_p

CROWDED = "it would cost the others, which find more in images of this kind, their share of the level"
MOST_TRIED, MOST_SHARING = 5, 4  # calibrated tests: so many of the most able are tried, so many may count
PARTS = 10  # in which the level is shared
# Tests that some everyday history moves which no authentic image here went through: their rank says nothing of it.
UNMEASURED = {
    "resampling-local": "authentic images that were enlarged as a whole and saved since are not among those measured"
}
FEWEST_OF_A_KIND = 10  # manipulated images
HARDLY = 0.1  # a share that is not much different from none
BETTER = 0.05  # of AUC than the better baseline
USEFUL = 0.7  # AUC
TAIL = 0.02  # of authentic tiles, from which on their survival is continued as exponential
FEWEST_BEYOND = 0.002  # of authentic tiles, down to which their survival is counted


def fit(rows: list[dict[str, Any]], altered: list[dict[str, Any]]) -> None:
    """Write the calibration that follows from measured cases.

    Its own p-values decide what counts, so it is filled in order.

    Arguments:
        rows: of all histories and manipulations.
        altered: of manipulations before and after everyday alterations.
    """
    record: dict[str, Any] = {"schema": SCHEMA}
    authentic = [row for row in rows if not row["manipulated"]]
    record["tails"] = tails(authentic)
    compare_sizes(rows, Calibration(record))
    record["scores"] = scores(authentic)
    calibration = Calibration(record)
    record["audited"] = audited(rows, calibration)
    record["likelihood_ratio"], record["power"] = weighed(rows, calibration)
    record["lasting"] = lasting(altered, calibration)
    record["sources"] = len({row["source"] for row in authentic if not row["stratum"].endswith(FULL_SIZE)})
    record["photographs"] = len({row["source"] for row in authentic if row["stratum"].endswith(FULL_SIZE)})
    PATH.write_text(json.dumps(record, indent=0, sort_keys=True) + "\n")
    calibration_module.table.cache_clear()


def tails(rows: Iterable[Row]) -> dict[str, Any]:
    """The survival of the statistics of authentic tiles, by finding and stratum of whole photographs."""
    pooled: dict[str, Any] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for name, finding in row["findings"].items():
            if "tiles" in finding:
                pooled[name][row["stratum"]].append(finding["tiles"])
    return {
        name: {stratum: survival(photographs) for stratum, photographs in strata.items() if len(photographs) >= 20}
        for name, strata in pooled.items()
    }


def survival(photographs: Sequence[Sequence[float]]) -> dict[str, Any]:
    """log10 of the share of tiles that reach a statistic, every photograph counted once, and its slope beyond the last.

    As `{statistic, log10_survival, decades}`; beyond, the excess over the 98 % quantile is taken as exponential (the
    peaks-over-threshold limit of light tails, Balkema and de Haan 1974).
    """
    values = np.concatenate([np.asarray(tiles, float) for tiles in photographs])
    weights = np.concatenate([np.full(len(tiles), 1 / (len(tiles) * len(photographs))) for tiles in photographs])
    order = np.argsort(values)
    values, weights = values[order], weights[order]
    num = len(values)
    distinct, first = np.unique(values, return_index=True)
    reached = np.log10(weights[::-1].cumsum()[::-1][first].clip(max=1.0))
    kept = np.unique(
        np.searchsorted(-reached, np.linspace(0, -np.log10(FEWEST_BEYOND), 60)).clip(max=len(distinct) - 1)
    )
    threshold = float(values[min(int(np.searchsorted(weights.cumsum(), 1 - TAIL)), num - 1)])
    beyond = values > threshold
    scale = float(np.average(values[beyond] - threshold, weights=weights[beyond])) if beyond.any() else 1.0
    return {
        "statistic": _short(distinct[kept]),
        "log10_survival": _short(reached[kept]),
        "decades": float(f"{1 / (max(scale, 1e-6) * np.log(10)):.5g}"),
    }


def compare_sizes(rows: Iterable[dict[str, Any]], calibration: Calibration) -> None:
    """Put the statistics of whole photographs on the scale on which their ranks are taken, in place."""
    for row in rows:
        for name, finding in row["findings"].items():
            if "num_tiles" in finding:
                finding["statistic"] = calibration.oddness(
                    name, row["stratum"], finding["statistic"], finding.pop("num_tiles")
                )


def scores(rows: Iterable[Row]) -> dict[str, Any]:
    """The sorted statistics by finding, stratum and history, one per source, of findings without a bound of their own."""
    answers: dict[str, Any] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for row in rows:
        for name, finding in row["findings"].items():
            if finding["about"] != "history" and name not in BASELINES:
                answers[name][row["stratum"]][row["kind"]].append(finding["statistic"])
    return {
        name: {
            stratum: {kind: _short(sorted(values)) for kind, values in histories.items() if len(values) >= 20}
            for stratum, histories in strata.items()
        }
        for name, strata in answers.items()
    }


def audited(rows: Sequence[Row], calibration: Calibration) -> dict[str, Any]:
    """The findings that count in each stratum, and why or why not."""
    answers: dict[str, Any] = defaultdict(dict)
    for stratum in sorted({row["stratum"] for row in rows}):
        here = [row for row in rows if row["stratum"] == stratum]
        able = {name: ability(name, here) for name in sorted({name for row in here for name in row["findings"]})}
        for name in set(able) - set(BASELINES):
            if all(row["findings"][name]["about"] != "history" for row in here if name in row["findings"]):
                answers[name][stratum] = _judged(name, stratum, here, able, calibration)
        candidates = sorted(
            (
                name
                for name in able
                if (answers.get(name, {}).get(stratum, {}).get("by_rank") or calibrated(name))
                and answers.get(name, {}).get(stratum, {}).get("fused")
            ),
            key=lambda name: -able[name]["power"],
        )
        bounded = [
            name
            for name in able
            if name not in candidates and name not in BASELINES and answers.get(name, {}).get(stratum, {}).get("fused")
        ]
        shares = best_shares(candidates, bounded, here, stratum, Calibration(calibration.record | {"audited": answers}))
        for name in candidates:
            answers[name][stratum] |= (
                {"share": shares[name]} if name in shares else {"fused": False, "because": CROWDED}
            )
    return {name: dict(strata) for name, strata in answers.items()}


def best_shares(
    candidates: Sequence[str], bounded: Sequence[str], rows: Sequence[Row], stratum: str, calibration: Calibration
) -> dict[str, float]:
    """The calibrated tests that count, each with its share of the level, beside those that bound themselves.

    Each that counts costs the others level, and with few photographs its smallest p may not reach a small share. Of all ways to
    share the one is taken under which the kind of manipulation that is served worst keeps most of what any finds of it, so that
    no kind is given up for another; then the one that finds most; then that with the fewest tests. Since the shares are fixed
    before an image is seen, its level holds whatever they are (Holm 1979).
    """
    changed = [row for row in rows if row["manipulated"]]
    kinds = np.array([row["kind"] for row in changed])
    common = [kind for kind in np.unique(kinds) if (kinds == kind).sum() >= FEWEST_OF_A_KIND]
    if not common:
        return {}
    most = list(candidates[:MOST_TRIED])
    ranked, own = (_p_values(names, changed, stratum, calibration) for names in (most, bounded))
    ways = list(_ways_to_share(len(most)))
    shares = np.array([_found(np.array(way), ranked, own, kinds, common) for way in ways])
    kept = ((shares + HARDLY) / (shares.max(0) + HARDLY)).min(1)
    best = max(
        range(len(ways)),
        key=lambda k: (
            round(float(kept[k]), 9), round(float(shares[k].mean()), 9), -sum(part > 0 for part in ways[k]), -k,
        ),
    )  # fmt: skip
    return {name: round(part / PARTS, 4) for name, part in zip(most, ways[best], strict=True) if part}


def _ways_to_share(num: int) -> Iterator[tuple[int, ...]]:
    """All ways to deal the parts of the level to so many tests, among no more than `MOST_SHARING` at once; and to none."""
    yield (0,) * num
    for way in product(range(PARTS + 1), repeat=num):
        if sum(way) == PARTS and sum(part > 0 for part in way) <= MOST_SHARING:
            yield way


def _p_values(names: Sequence[str], rows: Sequence[Row], stratum: str, calibration: Calibration) -> np.ndarray:
    """p by row and test; NaN where a test does not apply."""
    p = np.full((len(rows), len(names)), np.nan)
    for k, row in enumerate(rows):
        for column, name in enumerate(names):
            finding = as_finding(name, row["findings"][name], stratum, calibration) if name in row["findings"] else None
            if finding is not None and finding.probability is not None:
                p[k, column] = finding.probability
    return p


def _found(
    way: np.ndarray, ranked: np.ndarray, own: np.ndarray, kinds: np.ndarray, common: Sequence[str]
) -> np.ndarray:
    """The share that the verdict finds at its level, by kind: Holm's first step decides that."""
    applies = ~np.isnan(ranked) & (way > 0)
    parts = np.where(applies, way, 0.0)
    own_applies = ~np.isnan(own)
    left = np.where(own_applies.any(1), 1 - SHARE_OF_NFA, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        over = np.where(applies, ranked / (parts / parts.sum(1, keepdims=True) * left[:, None]), np.inf)
        given = np.where(applies.any(1), SHARE_OF_NFA, 1.0) / own_applies.sum(1)
        own_over = np.where(own_applies, own / given[:, None], np.inf)
    hits = np.minimum(over.min(1, initial=np.inf), own_over.min(1, initial=np.inf)) <= LEVEL
    return np.array([hits[kinds == kind].mean() for kind in common])


def ability(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The best AUC over manipulations, the better baseline's AUC there, and the mean power at 5 % false alarms."""
    normal = [row for row in rows if not row["manipulated"] and name in row["findings"]]
    best: dict[str, Any] = {"kind": None, "auc": 0.5, "baseline": 0.5, "power": 0.0}
    if len(normal) < 20:
        return best
    level = float(np.quantile([row["findings"][name]["statistic"] for row in normal], 1 - LEVEL))
    powers = []
    for kind in sorted({row["kind"] for row in rows if row["manipulated"]}):
        changed = [row for row in rows if row["manipulated"] and row["kind"] == kind and name in row["findings"]]
        if len(changed) < 10:
            continue
        powers.append(np.mean([row["findings"][name]["statistic"] > level for row in changed]))
        auc = _auc(name, normal, changed)
        if auc > best["auc"]:
            best |= {
                "kind": kind,
                "auc": auc,
                "baseline": max(_auc(baseline, normal, changed) for baseline in BASELINES),
            }
    return best | {"power": float(np.mean(powers)) if powers else 0.0}


def _auc(name: str, normal: Sequence[Row], changed: Sequence[Row]) -> float:
    values = [row["findings"][name]["statistic"] for row in (*normal, *changed)]
    return float(roc_auc_score([0] * len(normal) + [1] * len(changed), values))


def _judged(
    name: str, stratum: str, rows: Sequence[Row], able: Mapping[str, Any], calibration: Calibration
) -> dict[str, Any]:
    normal = [row["findings"][name] for row in rows if not row["manipulated"] and name in row["findings"]]
    ours = able[name]
    audit: dict[str, Any] = {"n": len(normal), "auc": round(ours["auc"], 3), "best_at": ours["kind"]}
    if calibrated(name):
        if calibration.p_value(name, stratum, 0.0) is None:
            return audit | {"fused": False, "because": "too few authentic images of this kind"}
        nominal = 0.01
        # Each authentic image is compared with the others of its history.
        whole = [row for row in rows if not row["manipulated"] and name in row["findings"]]
        alarms = sum(_left_out(name, stratum, row, calibration) <= nominal for row in whole)
    else:
        nominal = 10.0**REPORTED
        alarms = sum(finding["log10_nfa"] <= REPORTED for finding in normal)
    audit |= {"false_alarms": int(alarms), "nominal": nominal}
    if not calibrated(name):
        audit["by_rank"] = exceeds(name, rows)
    if name in UNMEASURED:
        return audit | {"fused": False, "because": UNMEASURED[name]}
    if ours["auc"] < USEFUL or ours["auc"] < ours["baseline"] + BETTER:
        return audit | {
            "fused": False,
            "because": f"it finds no manipulation clearly better than error level or noise variance do (AUC {ours['auc']:.2f})",
        }
    return audit | {
        "fused": True,
        "because": f"finds {ours['kind']} with AUC {ours['auc']:.2f}, baselines {ours['baseline']:.2f}",
    }


def exceeds(name: str, rows: Sequence[Row]) -> bool:
    """Whether in some history more authentic images, one per source, pass the NFA than its bound can explain."""
    for kind in {row["kind"] for row in rows if not row["manipulated"]}:
        values = [
            row["findings"][name]["log10_nfa"]
            for row in rows
            if not row["manipulated"] and row["kind"] == kind and name in row["findings"]
        ]
        if lower_bound(sum(value <= REPORTED for value in values), len(values)) > 10.0**REPORTED:
            return True
    return False


def _left_out(name: str, stratum: str, row: Row, calibration: Calibration) -> float:
    """p of an authentic image among the others: its own score is taken out of each history that holds it."""
    value, p_values = row["findings"][name]["statistic"], []
    for kind, values in calibration.record["scores"][name][stratum].items():
        ahead = sum(score >= value - 1e-9 for score in values) - (kind == row["kind"])
        p_values.append((1 + ahead) / (len(values) + (kind != row["kind"])))
    return max(p_values, default=1.0)


def lower_bound(count: int, n: int, confidence: float = 0.95) -> float:
    """The one-sided lower confidence bound of a rate (Clopper and Pearson 1934)."""
    return exact_interval(count, n, 2 * confidence - 1)[0]


def weighed(rows: Sequence[Row], calibration: Calibration) -> tuple[dict[str, Any], dict[str, Any]]:
    """The likelihood ratios with their bounds, and the power, by stratum."""
    ratios: dict[str, Any] = {}
    power: dict[str, Any] = {}
    for stratum in sorted({row["stratum"] for row in rows}):
        every = [(row, verdict_p(row, calibration)[0]) for row in rows if row["stratum"] == stratum]
        judged = [(row, p) for row, p in every if p is not None]
        changed = [(row, p) for row, p in judged if row["manipulated"]]
        normal = [(row, p) for row, p in judged if not row["manipulated"]]
        kinds = sorted({row["kind"] for row, _ in changed})
        power[stratum] = [
            {
                "manipulation": kind,
                "found": sum(p <= LEVEL for row, p in changed if row["kind"] == kind),
                "n": sum(row["kind"] == kind for row, _ in changed),
            }
            for kind in kinds
        ]
        if len(changed) >= 30 and len(normal) >= 30:
            ratios[stratum] = ratio([evidence_score(p) for _, p in changed], [evidence_score(p) for _, p in normal])
    return ratios, power


def ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    """The line that gives log10 LR from the score (logistic, classes weighted alike), and its bounds (ELUB)."""
    from sklearn.linear_model import LogisticRegression

    values = np.array([*first, *second])[:, None]
    labels = np.array([1] * len(first) + [0] * len(second))
    fitted = LogisticRegression(class_weight="balanced", C=1e3).fit(values, labels)
    slope, intercept = float(fitted.coef_[0, 0]) / np.log(10), float(fitted.intercept_[0]) / np.log(10)
    log10 = slope * values[:, 0] + intercept
    return {
        "slope": round(slope, 4), "intercept": round(intercept, 4), "bound": bounds(log10[labels == 1], log10[labels == 0]),
        "n": [len(first), len(second)],
    }  # fmt: skip


def bounds(first: np.ndarray, second: np.ndarray) -> list[float]:
    """Empirical lower and upper bound of a likelihood ratio (ELUB, Vergeer, van Es, de Jongh, Alberink and Stoel 2016).

    The largest (smallest) ratio at which the system still has a lower expected cost than ratios of 1 have, with one misleading
    case added on each side: what so few cases cannot have shown wrong is not claimed.
    """
    grid = np.linspace(-4, 4, 801)
    useful = []
    for threshold in grid:
        # Prior odds at which this ratio is what decides: 10 ** -threshold; costs in units of the smaller prior.
        missed, alarmed = (first <= threshold).sum() + 1, (second > threshold).sum() + 1
        odds = 10.0**-threshold
        cost = odds * missed / (len(first) + 1) + alarmed / (len(second) + 1)
        useful.append(cost <= min(odds, 1.0))
    high = [t for t, good in zip(grid, useful, strict=True) if good and t > 0]
    low = [t for t, good in zip(grid, useful, strict=True) if good and t < 0]
    return [round(float(10 ** min(low, default=0.0)), 4), round(float(10 ** max(high, default=0.0)), 4)]


def _short(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
