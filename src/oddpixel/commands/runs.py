"""`runs`: run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddpixel.counting import counted
from oddpixel.places import default_folder

from .options import Alpha, AsJson, Confidence, DetectorFolder, Device, RunFolder, Store

app = typer.Typer(no_args_is_help=True, help="Run folders: what they hold, merging them, checking their verdicts.")


@app.command("show")
def show_run(run: RunFolder, json: AsJson = False) -> None:
    """What a run is, how far it got, and what was decided about it."""
    from oddpixel.console import print_facts
    from oddpixel.envelope import envelope
    from oddpixel.forensics.runs.summary import summarise

    facts = summarise(run)
    print(envelope("run", **facts)) if json else print_facts(facts)


@app.command("merge")
def merge_runs(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of one command with the same options.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the merged run; FIRST-merged if not given.")
    ] = None,
) -> None:
    """One run out of several, as array jobs and several machines leave them."""
    from oddpixel.forensics.runs.run import Run

    folder = default_folder((str(runs[0]),), "merged") if out is None else out
    merged = Run.merge(folder, [Run.open(run) for run in runs])
    print(f"{merged.path}: {counted(len(merged.parts()), 'part')} of {counted(len(runs), 'run')}")
    if merged.record["kind"] == "flag":  # groups and q-values are of all rows together
        print(
            f"its decisions are still those of the parts; decide: oddpixel runs decide {merged.path} --detector DETECTOR"
        )


@app.command("decide")
def decide_run_anew(
    run: RunFolder,
    detector: DetectorFolder,
    alpha: Alpha = 0.05,
    confidence: Confidence = None,
    fdr: Annotated[
        float | None, typer.Option(help="Instead of --alpha: false alarms among all that is flagged.")
    ] = None,
    device: Device = "cpu",
) -> None:
    """Decide a finished run of `flag` by another rule, from its scores alone; its images need not be there any more."""
    from oddpixel.forensics.detect.decide import Rule
    from oddpixel.forensics.detect.flag import decide_anew
    from oddpixel.forensics.runs.run import Run

    from .flag import print_flagged

    strata = tuple(Run.open(run).record["options"].get("strata") or ())
    rule = Rule(alpha=alpha, confidence=confidence, fdr=fdr, strata=strata)
    print_flagged(decide_anew(run, detector, rule, device=device))


@app.command("verify")
def verify_run(run: RunFolder, store: Store = None, json: AsJson = False) -> None:
    """Recompute the chain of the audit log: was any verdict changed after it was given? Exit 1 if so."""
    from oddpixel.console import print_facts
    from oddpixel.envelope import envelope
    from oddpixel.forensics.runs.run import Run
    from oddpixel.forensics.runs.verdicts import Verdicts

    with Verdicts(store or Run.open(run).verdicts_path) as verdicts:
        chain = verdicts.verify()
    print(envelope("verify", **vars(chain))) if json else print_facts(vars(chain))
    if not chain.ok:
        raise typer.Exit(1)


COMMAND = app
