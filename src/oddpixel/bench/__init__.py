"""`oddpixel bench NAME`: each benchmark prints a table and writes JSON with machine, versions and seed.

One file each, found by walking the folders here: a benchmark is a function `run(**options) -> Report`.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oddpixel.console import cell, print_rows
from oddpixel.discover import modules_with
from oddpixel.envelope import plain
from oddpixel.errors import MissingWeights, UsageError
from oddpixel.files import writable_folder


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a benchmark: its tables, notes, and whether it passed.

    Arguments:
        tables: titled rows, for people and for the JSON alike.
        passed: False where a hard requirement was missed.
        seed: of everything random in it.
        is_kept: whether its figures are written; False where they are about what the caller gave.
    """

    tables: dict[str, list[dict[str, Any]]]
    passed: bool = True
    seed: int = 0
    notes: list[str] = field(default_factory=list)
    is_kept: bool = True


@cache
def benchmarks() -> dict[str, str]:
    """The names of all benchmarks, with the modules that hold them."""
    return modules_with(__name__, "run")


def run(name: str, out: Path | None, options: dict[str, Any], *, quiet: bool = False) -> list[dict[str, Any]]:
    """Run one benchmark, or `all` for which everything is here; write `OUT/NAME.json`. Raises: UsageError."""
    if name != "all" and name not in benchmarks():
        raise UsageError(f"no benchmark {name!r}; there are {', '.join(benchmarks())}, all")
    if out is not None:
        writable_folder(out)
    if name != "all":
        return [_run_one(name, out, options, quiet)]
    results = []
    for benchmark in benchmarks():
        try:
            results.append(_run_one(benchmark, out, options, quiet))
        except (MissingWeights, UsageError) as error:
            print(f"{benchmark}: skipped: {error}", file=sys.stderr)
    return results


def _run_one(name: str, out: Path | None, options: dict[str, Any], quiet: bool) -> dict[str, Any]:
    benchmark: Callable[..., Report] = importlib.import_module(benchmarks()[name]).run
    taken = {option: options[option] for option in inspect.signature(benchmark).parameters if option in options}
    started, used = time.perf_counter(), _cpu_seconds()
    report = benchmark(**taken)
    result = {
        "benchmark": name,
        "passed": report.passed,
        "seed": report.seed,
        "wall_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(_cpu_seconds() - used, 1),
        "machine": machine(),
        "versions": {package: version(package) for package in ("oddpixel", "torch", "numpy", "pillow", "pydicom")},
        "notes": report.notes,
        "tables": report.tables,
    }
    if not quiet:
        for title, rows in report.tables.items():
            print_rows(title, rows)
        for note in report.notes:
            print(note)
    if out is not None and report.is_kept:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.json").write_text(json.dumps(plain(result), indent=2) + "\n")
        write_page(out)
    return result


def write_page(folder: Path) -> None:
    """Write `README.md` beside the JSON files: every table that was last printed, for people."""
    lines = [
        "# Benchmarks",
        "",
        "What `oddpixel bench` last printed here; made by it from the JSON files beside this page.",
        "",
    ]
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text())
        size = result["machine"]
        lines += [
            f"## {result['benchmark']}",
            "",
            f"{size['cores']} cores ({size['architecture']}), {size['memory_gib']} GiB, Python {size['python']}, "
            f"torch {result['versions']['torch']}; seed {result['seed']}; "
            f"{result['wall_s']:.0f} s ({result['cpu_s']:.0f} s of processor time).",
            "",
        ]
        for title, rows in result["tables"].items():
            columns = list(dict.fromkeys(key for row in rows for key in row))
            lines += [f"**{title}**", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
            lines += ["| " + " | ".join(cell(row.get(column)) for column in columns) + " |" for row in rows]
            lines.append("")
        lines += [f"* {note}" for note in result["notes"]] + [""] * bool(result["notes"])
    (folder / "README.md").write_text("\n".join(lines))


def machine() -> dict[str, Any]:
    """The size of this machine and its Python version, never its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def _cpu_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )
