"""Figures of a run: what they show is what the run holds, and where it holds too little they say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from oddpixel.errors import NotPlotted, UsageError
from oddpixel.forensics.runs.order import Order
from oddpixel.forensics.runs.plots import plot, plots
from oddpixel.forensics.runs.plots.roc import auroc, curve
from oddpixel.forensics.runs.rows import Failure, Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Verdicts

NORMAL, ODD = 30, 6


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Thirty images and six odd ones, all of which the run flags; and one that was not read."""
    generator = np.random.default_rng(0)
    scores = np.concatenate([generator.normal(0, 1, NORMAL), generator.normal(4, 1, ODD)])
    names = [f"part/{'odd' if k >= NORMAL else 'good'}-{k:02d}.png" for k in range(len(scores))]
    run = Run.begin(tmp_path / "run", Order(kind="flag", items=[*names, "broken.png"], shard_size=100))
    p_values = [float((1 + (scores[:NORMAL] >= score).sum()) / (NORMAL + 1)) for score in scores]
    rows = [
        Row(item=name, sha256=f"{k:064x}", raw=float(score), p_value=p_value, q_value=p_value, flagged=p_value <= 0.05)
        for k, (name, score, p_value) in enumerate(zip(names, scores, p_values, strict=True))
    ]
    with run.writing_alone():
        run.write_part(0, [*rows, Row(item="broken.png", error=Failure("CorruptFile", "truncated"))])
        run.finish(decision={"rule": {"alpha": 0.05, "fdr": None}})
    return run


@pytest.fixture
def labels(run: Run, tmp_path: Path, save: Callable[..., Path]) -> str:
    """A manifest of the same files under another root."""
    lines = ["path,label"]
    for row in range(NORMAL + ODD):
        name = f"{'odd' if row >= NORMAL else 'good'}-{row:02d}.png"
        save(np.zeros((8, 8), np.uint8), f"elsewhere/{name}")
        lines.append(f"elsewhere/{name},{'scratch' if row >= NORMAL else 'good'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return str(tmp_path / "labels.csv")


def test_every_plot_has_a_meaning_and_says_what_it_lacks(run: Run) -> None:
    assert {"scores", "overlays", "power", "roc", "reliability"} <= set(plots())
    for name, each in plots().items():
        assert each.meaning
        if name != "scores":
            with pytest.raises(NotPlotted):
                plot(run, name)
    with pytest.raises(UsageError, match="did you mean scores"):
        plot(run, "score")


def test_bars_count_every_image_once(run: Run) -> None:
    bars, ranks = plot(run, "scores").axes
    assert sum(patch.get_height() for patch in bars.patches) == NORMAL + ODD
    assert len(ranks.collections[0].get_offsets()) == NORMAL + ODD
    assert [text.get_text() for text in bars.get_legend().get_texts()] == ["not flagged (30)", "flagged (6)"]


def test_roc_is_that_of_labels_or_of_verdicts(run: Run, labels: str) -> None:
    (axes,) = plot(run, "roc", labels).axes
    by_labels = axes.get_legend().get_texts()[0].get_text()
    assert f"{ODD} odd, {NORMAL} normal" in by_labels
    with Verdicts(run.verdicts_path) as verdicts:
        for k in range(NORMAL + ODD):
            item = f"part/{'odd' if k >= NORMAL else 'good'}-{k:02d}.png"
            decision = "odd" if k >= NORMAL else "normal"
            verdicts.record(run.record["id"], item, decision, author="me")
    (axes,) = plot(run, "roc").axes
    assert axes.get_legend().get_texts()[0].get_text() == by_labels


def test_reliability_counts_normals_alone(run: Run, labels: str) -> None:
    (axes,) = plot(run, "reliability", labels).axes
    observed = axes.lines[1]
    assert observed.get_label() == f"observed among {NORMAL} normal images"
    assert observed.get_ydata()[-1] == 1
    assert abs(observed.get_ydata()[49] - 0.5) < 0.05  # these p-values are ranks among themselves


def test_labels_of_other_files_are_refused(run: Run, tmp_path: Path, save: Callable[..., Path]) -> None:
    save(np.zeros((8, 8), np.uint8), "other.png")
    (tmp_path / "other.csv").write_text("path,label\nother.png,good\n")
    with pytest.raises(UsageError, match="no label for any image of this run"):
        plot(run, "roc", str(tmp_path / "other.csv"))


@pytest.mark.parametrize("seed", range(3))
def test_auroc_is_scikit_learns_and_its_interval_holds_it(seed: int) -> None:
    generator = np.random.default_rng(seed)
    normal, odd = generator.integers(0, 8, 40).astype(float), generator.integers(2, 10, 25).astype(float)
    truth = np.repeat([0, 1], [len(normal), len(odd)])
    value, low, high = auroc(normal, odd)
    assert value == pytest.approx(roc_auc_score(truth, np.concatenate([normal, odd])))
    assert low < value < high
    false_alarms, found = curve(normal, odd)
    assert np.trapezoid(found, false_alarms) == pytest.approx(value)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 200 samples of known AUROC, about 95 % of intervals hold it."""
    from scipy.stats import norm

    generator = np.random.default_rng(0)
    truth = norm.cdf(1 / np.sqrt(2))
    intervals = [auroc(generator.normal(0, 1, 40), generator.normal(1, 1, 40))[1:] for _ in range(200)]
    assert 0.90 <= np.mean([low <= truth <= high for low, high in intervals]) <= 0.99
    assert auroc(np.zeros(1), np.ones(1)) == (1.0, 0.0, 1.0)
    assert auroc(np.zeros(9), np.ones(9))[0] == 1.0


def test_the_command_writes_what_applies(run: Run, labels: str, tmp_path: Path) -> None:
    from tests.test_cli import oddpixel

    done = oddpixel("plot", run.path, "-o", tmp_path / "plots", "--labels", labels, "--format", "svg")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"scores.svg", "roc.svg", "reliability.svg"}
    assert "left out: power: no statement of power" in done.stderr
    wrong = oddpixel("plot", run.path, "--only", "rock")
    assert wrong.returncode == 2
    assert "did you mean roc?" in wrong.stderr
