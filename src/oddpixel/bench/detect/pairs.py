"""Kinds of pictures against each other: normal is one kind, odd another; AUROC on files (sides, blocks) that nothing was
fitted to."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from oddpixel.bench.intervals import RESAMPLES, of_groups
from oddpixel.forensics.density.store import load_pyramid
from oddpixel.forensics.detect.choice import auroc
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.encoders import encoder_named
from oddpixel.forensics.detect.neighbours import coreset, mean_distance
from oddpixel.forensics.detect.observation import Observation, Observer
from oddpixel.forensics.detect.prepare import Preparation

from .kinds import KINDS, SIDE, Kind, Picture, is_near, pictures

ENCODER = "efficientnet-lite0"
AT_MOST = 32  # pictures of a kind on either side of the split
BANK = 2000
OURS = "ours, with encoder"


@dataclass(frozen=True, eq=False)
class Observed:
    """A kind's pictures as the networks see them, split once: what may be fitted to, and what is judged."""

    kind: Kind
    fitting: list[Observation]
    fitting_groups: list[str]
    judged: list[Observation]
    judged_groups: list[str]


def observed_kinds(model: str) -> tuple[Observer, list[Observed]]:
    """The observations of all kinds, split into a part to fit and a part to judge.

    Raises: MissingFile where a corpus was not fetched.
    """
    observe = Observer(load_pyramid(model), encoder_named(ENCODER), {"density"})
    prepare = Preparation(unit="display", side=SIDE)
    observed = []
    for kind in KINDS:
        fitting, judged = (_thinned(part) for part in _split(pictures(kind)))
        sides = [[observe(prepare(picture.image)) for picture in part] for part in (fitting, judged)]
        groups = [[picture.image.group for picture in part] for part in (fitting, judged)]
        observed.append(Observed(kind, sides[0], groups[0], sides[1], groups[1]))
    return observe, observed


def with_few(observed: tuple[Observer, list[Observed]], count: int = 8) -> tuple[Observer, list[Observed]]:
    """The same, fitted to so many pictures only, spread over all."""
    observer, kinds = observed

    def few(kind: Observed) -> Observed:
        spread = np.linspace(0, len(kind.fitting) - 1, min(count, len(kind.fitting))).round().astype(int)
        fitting, groups = ([all_[index] for index in spread] for all_ in (kind.fitting, kind.fitting_groups))
        return replace(kind, fitting=fitting, fitting_groups=groups)

    return observer, [few(kind) for kind in kinds]


def _split(chosen: tuple[Picture, ...]) -> tuple[list[Picture], list[Picture]]:
    """By role where files have one; else every other group, in order, to either side."""
    if any(picture.role == "train" for picture in chosen):
        return [p for p in chosen if p.role != "test"], [p for p in chosen if p.role == "test"]
    names = list(dict.fromkeys(picture.image.group for picture in chosen))
    first = {name for index, name in enumerate(names) if index % 2 == 0}
    return [p for p in chosen if p.image.group in first], [p for p in chosen if p.image.group not in first]


def _thinned(chosen: list[Picture]) -> list[Picture]:
    return chosen[:: max(-(-len(chosen) // AT_MOST), 1)]


def pairs(observed: tuple[Observer, list[Observed]], seed: int) -> dict[str, list[dict[str, Any]]]:
    """AUROC of each method for every ordered pair of kinds, and its mean over far and near pairs."""
    observer, kinds = observed
    # One set of draws of each kind's groups for all its cells, so that what they share is drawn alike.
    draws = {kind.kind.name: _draws(kind.judged_groups, seed + number) for number, kind in enumerate(kinds)}
    again: dict[str, list[np.ndarray]] = defaultdict(list)
    cells: list[dict[str, Any]] = []
    for normal in kinds:
        print(f"pairs: {normal.kind.name}", file=sys.stderr, flush=True)
        methods = _fitted(observer, normal, seed)
        scored = {
            method: {kind.kind.name: np.asarray(score(kind.judged)) for kind in kinds}
            for method, score in methods.items()
        }
        for odd_kind in kinds:
            if odd_kind is normal:
                continue
            row: dict[str, Any] = {"normal": normal.kind.name, "odd": odd_kind.kind.name}
            row |= {"near": is_near(normal.kind.name, odd_kind.kind.name)}
            row |= {"fitted": len(normal.fitting), "normals": len(normal.judged), "odd ones": len(odd_kind.judged)}
            for method, scores in scored.items():
                ordinary, strange = scores[normal.kind.name], scores[odd_kind.kind.name]
                row[method] = auroc(ordinary, strange)
                again[method].append(
                    np.array(
                        [
                            auroc(ordinary[n], strange[o])
                            for n, o in zip(draws[normal.kind.name], draws[odd_kind.kind.name], strict=True)
                        ]
                    )
                )
            row["low"], row["high"] = np.quantile(again[OURS][-1], (0.025, 0.975)).tolist()
            cells.append(row)
    return {"pairs, mean AUROC": _means(cells, again), "pairs, AUROC": cells}


def _means(cells: list[dict[str, Any]], again: dict[str, list[np.ndarray]]) -> list[dict[str, Any]]:
    """The mean AUROC per method over far and near pairs, with bootstrap intervals.

    Arguments:
        again: by method, every cell's AUROC in each resample.
    """
    far = np.array([not row["near"] for row in cells])
    enough = np.array([row["fitted"] >= 12 for row in cells])
    rows = []
    for method, resamples in again.items():
        aurocs = np.array([row[method] for row in cells])
        row: dict[str, Any] = {"method": method}
        for name, which in (("far", far), ("near", ~far)):
            low, high = np.quantile(np.array(resamples)[which].mean(0), (0.025, 0.975))
            row |= {name: float(aurocs[which].mean()), f"{name}, low": float(low), f"{name}, high": float(high)}
        row |= {"far, least": float(aurocs[far].min()), "far, below 0.8": int((aurocs[far] < 0.8).sum())}
        if (far & enough).any():
            row |= {"far, at least 12 fitted": float(aurocs[far & enough].mean())}
        row |= {"pairs far": int(far.sum()), "pairs near": int((~far).sum())}
        rows.append(row)
    return rows


def _fitted(observer: Observer, normal: Observed, seed: int) -> dict[str, Any]:
    """Every method fitted to a kind: functions of an observation, higher is odder."""
    fitting = normal.fitting
    groups = normal.fitting_groups
    if len(set(groups)) < 2:  # one volume: scales are learned from slices among their neighbours
        groups = [f"{group}/{index}" for index, group in enumerate(groups)]
    ours = Detector(encoder=ENCODER, seed=seed)
    alone = Detector(encoder=None, seed=seed)
    for detector in (ours, alone):
        detector.observer_ = observer
        detector.learn(fitting, groups)
    nll = np.array([_nll(observer, observation) for observation in fitting])
    pixels = np.stack([observation.coarse.ravel() for observation in fitting])
    components = PCA(min(24, len(fitting) // 2), random_state=seed).fit(pixels)
    reduced = components.transform(pixels)
    gaussian = LedoitWolf().fit(reduced)
    forest = IsolationForest(random_state=seed).fit(reduced)
    means = np.stack([_patches(observation).mean((0, 1)) for observation in fitting])

    def neighbours(k: int) -> Any:
        return lambda observations: mean_distance(
            np.stack([_patches(observation).mean((0, 1)) for observation in observations]), means, k
        )

    bank = patchcore_bank([_patches(observation) for observation in fitting], seed)

    def reduced_of(observations: list[Observation]) -> np.ndarray:
        return np.asarray(components.transform(np.stack([observation.coarse.ravel() for observation in observations])))

    return {
        OURS: lambda observations: [ours.judge_observed(observation).raw for observation in observations],
        "ours, without encoder": lambda observations: [
            alone.judge_observed(observation).raw for observation in observations
        ],
        "raw NLL": lambda observations: [_nll(observer, observation) for observation in observations],
        "typicality": lambda observations: [
            abs(_nll(observer, observation) - float(np.median(nll))) for observation in observations
        ],
        "pixel PCA + Mahalanobis": lambda observations: gaussian.mahalanobis(reduced_of(observations)),
        "IsolationForest on pixel PCA": lambda observations: -forest.score_samples(reduced_of(observations)),
        "kNN on the encoder's mean, k = 1": neighbours(1),
        "kNN on the encoder's mean, k = 5": neighbours(5),
        "PatchCore": lambda observations: [
            float(patchcore_heat(_patches(observation), bank).max()) for observation in observations
        ],
    }


def patchcore_bank(fitting: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """The memory bank of PatchCore: embeddings `[n, d]` thinned to a coreset (Roth et al. 2022)."""
    generator = np.random.default_rng(seed)
    flat = np.concatenate([patches.reshape(-1, patches.shape[2]) for patches in fitting])
    return coreset(flat[generator.permutation(len(flat))[:20_000]], BANK, generator)


def patchcore_heat(patches: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """The distance of each patch to its nearest neighbour in the memory bank."""
    return mean_distance(patches.reshape(-1, patches.shape[2]), bank, 1).reshape(patches.shape[:2])


def _patches(observation: Observation) -> np.ndarray:
    assert observation.encoder_patches is not None
    return observation.encoder_patches


def _nll(observer: Observer, observation: Observation) -> float:
    """Nats a dimension, scales by their dimensions."""
    values = observation.vector[[index for index, name in enumerate(observer.names) if name.endswith(":nll")]]
    weights = np.isfinite(values) / 4.0 ** np.arange(len(values))
    return float((np.nan_to_num(values) * weights).sum() / weights.sum())


def _draws(groups: list[str], seed: int) -> list[np.ndarray]:
    """Members of groups drawn with replacement, for every resample."""
    members = of_groups(groups)
    generator = np.random.default_rng(seed)
    count = len(set(groups))
    return [members(generator.integers(count, size=count)) for _ in range(RESAMPLES)]
