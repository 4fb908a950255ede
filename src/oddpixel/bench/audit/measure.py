"""What all checks say of one made case: numbers only, so that thousands of cases fit into a table. Runs in several
processes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from oddpixel.console import progress
from oddpixel.forensics.audit.aids.error_level import error_level
from oddpixel.forensics.audit.checks import checks
from oddpixel.forensics.audit.exhibit import Exhibit, exhibit_of
from oddpixel.forensics.audit.judge import answers_of
from oddpixel.forensics.audit.measurement import About, Measurement
from oddpixel.forensics.audit.windows import block_means, oddest

from .cases import Case

Job = TypeVar("Job")
Answer = TypeVar("Answer")


def measure(case: Case, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """The raw findings of all checks and the two baselines.

    As `{kind, source, stratum, findings: {name: {...}}, seconds: {...}}`.
    """
    exhibit = exhibit_of(case.content, case.kind)
    findings: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for check in checks().values():
        if check.name not in skip:
            began = time.process_time()
            about = {question.name: question.about for question in check.questions}
            measured = [answer for answer in answers_of(check, exhibit) if isinstance(answer, Measurement)]
            findings |= {answer.question: _row(answer, about[answer.question], case) for answer in measured}
            seconds[check.name] = time.process_time() - began
    findings |= {name: _row(baseline, "manipulation", case) for name, baseline in baselines(exhibit).items()}
    return {
        "kind": case.kind, "source": case.source.name, "stratum": exhibit.gate.stratum, "findings": findings,
        "seconds": seconds, "degraded": exhibit.gate.degraded,
    }  # fmt: skip


def _row(measured: Measurement, about: About, case: Case) -> dict[str, Any]:
    row: dict[str, Any] = {"statistic": measured.statistic, "log10_nfa": measured.log10_nfa, "about": about}
    if "first_quality" in measured.details:
        row["first_quality"] = measured.details["first_quality"]
    if case.mask is not None and measured.map is not None:
        row |= localisation(measured.map > 0.5, case.mask)
    return row


def localisation(marked: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """F1 and Matthews' coefficient of what a map marks at one half; never the better of a map and its inverse."""
    tp, fp = float((marked & mask).sum()), float((marked & ~mask).sum())
    fn, tn = float((~marked & mask).sum()), float((~marked & ~mask).sum())
    product = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
    return {"f1": 2 * tp / max(2 * tp + fp + fn, 1.0), "mcc": (tp * tn - fp * fn) / product if product > 0 else 0.0}


def baselines(exhibit: Exhibit) -> dict[str, Measurement]:
    """The statistics of error level and noise variance, each by its oddest window: what a check must beat."""
    level = error_level(exhibit.pixels).mean(2)
    noise = exhibit.luma[1:-1, 1:-1] - (exhibit.luma[:-2, 1:-1] + exhibit.luma[2:, 1:-1] + exhibit.luma[1:-1, :-2] +
                                        exhibit.luma[1:-1, 2:]) / 4  # fmt: skip
    answers = {}
    for name, picture in (("plain-error-level", level), ("plain-noise-variance", np.log(np.square(noise) + 0.1))):
        odd = oddest(block_means(picture, 32).astype(np.float64), 32, exhibit.size, least=1e-3)
        answers[name] = Measurement(name, odd.score, "", map=odd.map)
    return answers


def kept(path: Path, keys: Sequence[str], jobs: Sequence[Job], function: Callable[[Job], Any]) -> list[dict[str, Any]]:
    """All rows of all jobs, each measured once. Every job's rows are appended to a file, so that a killed run resumes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    done = {json.loads(line)["key"] for line in path.read_text().splitlines()}
    left = [(key, job) for key, job in zip(keys, jobs, strict=True) if key not in done]
    with path.open("a") as file, progress("measuring", len(left)) as advance:
        for (key, _), rows in zip(left, over_processes(function, [job for _, job in left]), strict=True):
            file.write(json.dumps({"key": key, "rows": rows}) + "\n")
            file.flush()
            advance()
    wanted = set(keys)
    lines = (json.loads(line) for line in path.read_text().splitlines())
    return [row for line in lines if line["key"] in wanted for row in line["rows"]]


def over_processes(
    function: Callable[[Job], Answer], jobs: Sequence[Job], workers: int | None = None
) -> Iterable[Answer]:
    """The results of a function over jobs, in their order, from a pool of processes.

    One thread each: they share the cores.
    """
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with ProcessPoolExecutor(workers or os.cpu_count(), get_context("spawn"), initializer=_one_thread) as pool:
        yield from pool.map(function, jobs)


def _one_thread() -> None:
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
