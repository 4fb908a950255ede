"""`python -m oddpixel.bench.audit.calibration CASES.jsonl`: what the audit's tests do on training and validation
photographs.

First the measurements (kept line by line in the file named, so that a killed run goes on where it was), then what is made
of them: `forensics/audit/calibration.json`. Test photographs are never opened.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from oddpixel.forensics.audit.checks import check_of, checks
from oddpixel.forensics.audit.gate import FULL_SIZE

from .alterations import EVERYDAY, UNALTERED, of_altered
from .cases import CALIBRATED_OF_JPEGS, Source, authentic, in_all_forms, sources
from .fit import fit
from .measure import kept, measure
from .photographs import of_photograph, of_published, photographs, published

ROLES = ("train", "validation")
EVERY = 3  # of the sources is a host of manipulations
EVERY_WHOLE = 8  # of the photographs at full size, which cost more


def main(path: Path) -> None:
    """Measure all training and validation photographs, and fit the calibration to them."""
    tiles, screened = sources(ROLES)
    print(f"{len(tiles)} sources; screened out by the grid test: {screened}", file=sys.stderr)
    jobs = [
        (source, tiles[(k + 7) % len(tiles)] if k % EVERY == 0 else None) for k, source in enumerate(tiles)
    ]  # fmt: skip
    measured = fair([*kept(path, [source.name for source in tiles], jobs, of_source), *whole(path)])
    fit(measured, fair(altered(path, tiles)))


def altered(path: Path, tiles: list[Source]) -> list[dict[str, Any]]:
    """The measured everyday alterations of hosts of manipulations."""
    jobs = [
        (source, tiles[(k + 7) % len(tiles)], (UNALTERED, *EVERYDAY))
        for k, source in enumerate(tiles) if k % EVERY == 0
    ]  # fmt: skip
    return kept(path, [f"altered {source.name}" for source, _, _ in jobs], jobs, of_altered)


def whole(path: Path) -> list[dict[str, Any]]:
    """The measured cases of photographs at full size, with the statistics of all their tiles."""
    pictures = photographs(ROLES)
    jobs = [
        (source, pictures[(k + 7) % len(pictures)] if k % EVERY_WHOLE == 0 else None, True)
        for k, source in enumerate(pictures)
    ]
    files = [(name, content, True) for name, content in published(ROLES)]
    rows = [
        *kept(path, [f"full size {source.name}" for source in pictures], jobs, of_photograph),
        *kept(path, [f"published {name}" for name, _, _ in files], files, of_published),
    ]
    return [row for row in rows if row["stratum"].endswith(FULL_SIZE)]


def fair(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without what a check says of photographs that it has learnt from: that is no measure of its error rates.

    An authentic one still measures the other checks; a manipulated one is left out, since the verdict has all of them.
    """
    learnt = {name: getattr(check, "learnt_from", ()) for name, check in checks().items()}
    answers = []
    for row in rows:
        corpus = row["source"].partition("/")[0]
        unfair = {name for name, corpora in learnt.items() if corpus in corpora}
        if not unfair:
            answers.append(row)
        elif not row["manipulated"]:
            findings = {name: finding for name, finding in row["findings"].items() if check_of(name) not in unfair}
            answers.append(row | {"findings": findings})
    return answers


def of_source(job: tuple[Source, Source | None]) -> list[dict[str, Any]]:
    """The measured cases of one source; manipulated ones where a donor is given."""
    source, donor = job
    rows = [measure(case) | {"manipulated": False} for case in authentic(source)]
    if donor is not None:
        made = in_all_forms(source, donor, of_jpegs=CALIBRATED_OF_JPEGS)
        rows += [measure(case) | {"manipulated": True, "form": form} for case, form in made]
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]))
