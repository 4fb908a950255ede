"""The command line: parse, call one library function, print.

Results go to stdout (`--json` for machines), talk and progress to stderr. Exit 0 fine, 1 `--fail-on` was asked for and met, or
an image failed unexpectedly, 2 usage, 3 nothing was readable. Everything heavy is imported inside the commands.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from oddpixel import __version__, cli_audit, cli_dashboard, cli_detect, cli_generate
from oddpixel.cli_options import (
    AnySuffix,
    AsJson,
    ByShot,
    DryRun,
    Every,
    FailOnError,
    FollowLinks,
    ListLeftOut,
    MaxPixels,
    Overwrite,
    Places,
    RunFolder,
    Store,
    Workers,
)
from oddpixel.counting import counted
from oddpixel.errors import OddPixelError, UnreadableInput, describe

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)

data_app = typer.Typer(no_args_is_help=True, help="Packaged image corpora: what there is, and getting it.")
app.add_typer(data_app, name="data")
runs_app = typer.Typer(no_args_is_help=True, help="Run folders: what they hold, merging them, checking their verdicts.")
app.add_typer(runs_app, name="runs")


def main() -> None:
    """Entry point: what OddPixel raises on purpose becomes one line on stderr and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path may hold bytes that are no UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except UnreadableInput as error:
        _fail(error, 3)
    except OddPixelError as error:
        _fail(error, 2)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (`| head`); that is no error
        raise SystemExit(0) from None


def _fail(error: OddPixelError, code: int) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    raise SystemExit(code) from error


def _version(wanted: bool) -> bool:
    if wanted:
        print(f"oddpixel {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """How odd an image is, where, and how sure."""


@app.command()
def inspect(
    files: Places,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write a run: table, thumbnails, contact sheet.")
    ] = None,
    json: AsJson = False,
    workers: Workers = 2,
    any_suffix: AnySuffix = False,
    every: Every = 1,
    by_shot: ByShot = False,
    max_megapixels: MaxPixels = 150.0,
    follow_links: FollowLinks = False,
    left_out: ListLeftOut = False,
    fail_on: FailOnError = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Read images safely and say what they are: format, size, bits, hashes, technical metadata."""
    from oddpixel.cli_ending import check_choice, exit_by, not_read, print_not_read
    from oddpixel.console import print_inspection, print_options, progress
    from oddpixel.datasets.limits import Limits
    from oddpixel.datasets.source import open_source
    from oddpixel.envelope import envelope
    from oddpixel.forensics.inspect import inspect_into, inspect_source

    check_choice("--fail-on", fail_on, ("error",))
    options = {"any_suffix": any_suffix, "every": every, "by_shot": by_shot, "max_megapixels": max_megapixels}
    options |= {"follow_links": follow_links}
    if dry_run:
        return print_options("inspect", {"files": files, "workers": workers, **options})
    limits = Limits(max_pixels=int(max_megapixels * 1e6))
    source = open_source(
        *files, limits=limits, num_workers=workers, any_suffix=any_suffix, every=every, by_shot=by_shot,
        follow_links=follow_links,
    )  # fmt: skip
    with progress("reading", len(source)) as advance:
        if out is None:
            items = inspect_source(source, advance)
        else:
            items = inspect_into(out, source, options, advance, places=files, overwrite=overwrite)
    if json:
        print(envelope("inspect", items=items, **not_read(source.listing)))
    else:
        print_inspection(items, out)
        print_not_read(source.listing, left_out)
    exit_by(items, fail_on == "error")
    return None


@app.command()
def train(
    out: Annotated[Path, typer.Option("-o", "--out", help="The model folder; a training in it is resumed.")],
    source: Annotated[
        list[str] | None, typer.Argument(help="Images to train on; none where the recipe names a corpus.")
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="A bundled recipe (digits, photo-rgb, cascade, style, edges, ...), or a TOML file.")
    ] = "digits",
    steps: Annotated[int | None, typer.Option(help="Train to this step instead of the recipe's.", min=1)] = None,
    start_from: Annotated[Path | None, typer.Option(help="Begin with this model's weights.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Train for so long, with the learning rate tied to the clock.", min=0.01)
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Of a cascade: only this one (a, b, c, guidance).")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu; the accelerator, where there is one, if nothing is named.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads.", min=1)] = None,
    dry_run: DryRun = False,
) -> None:
    """Train a density model, a cascade, or an adapter of one. Ctrl-C saves; the same command goes on.

    Several GPUs: accelerate launch.
    """
    from oddpixel.console import print_options, training_progress
    from oddpixel.errors import UsageError
    from oddpixel.recipe import read_recipe

    resolved = read_recipe(recipe)
    kind = resolved["model"].get("kind")
    is_cascade = kind == "cascade"
    if steps is not None and is_cascade:
        raise UsageError("a cascade's recipe has steps for every stage; change them in a copy of it")
    if steps is not None:
        resolved["training"]["steps"] = steps
    if dry_run:
        return print_options("train", {"source": source or [], "out": out, "recipe": resolved})
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    if is_cascade:
        from oddpixel.console import stage_progress
        from oddpixel.generation.training.recipe import train as train_cascade

        with stage_progress() as on_stage:
            reached = train_cascade(
                resolved, source or [], out, on_stage, start_from, minutes=minutes, only=stage, device=device
            )
        print(f"{out}: stage {reached}")
        return None
    if stage is not None:
        raise UsageError(f"--stage {stage}: only a cascade has stages")
    if kind == "adapter":
        from oddpixel.generation.training.adapter import prepare
    else:
        from oddpixel.forensics.density.recipe import prepare
    trainer = prepare(resolved, source or [], out, start_from, minutes=minutes, device=device)
    with training_progress(trainer.options.steps, trainer.step) as on_step:
        trainer.run(on_step)
    print(f"{out}: step {trainer.step} of {trainer.options.steps}")
    return None


cli_detect.add_commands(app)
cli_audit.add_commands(app)
cli_dashboard.add_commands(app)
cli_generate.add_commands(app)


@app.command()
def density(
    files: Places,
    model: Annotated[str, typer.Option("--model", help="A model folder, or the name of a bundled model.")],
    identity: Annotated[
        bool, typer.Option("--identity", help="Cross-check with the model's own denoiser (slow).")
    ] = False,
    maps: Annotated[
        Path | None,
        typer.Option("--map", help="Folder for maps of where each image is unlikely, on an absolute scale."),
    ] = None,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Pyramids: inner layers in bf16, faster where the processor has it.")
    ] = False,
    json: AsJson = False,
    workers: Workers = 2,
    any_suffix: AnySuffix = False,
    follow_links: FollowLinks = False,
    left_out: ListLeftOut = False,
    fail_on: FailOnError = None,
) -> None:
    """The likelihood of each image under a density model, in bits per dimension: one forward pass."""
    from oddpixel.cli_ending import check_choice, exit_by, not_read, print_not_read
    from oddpixel.console import print_density, progress
    from oddpixel.datasets.source import open_source
    from oddpixel.envelope import envelope
    from oddpixel.forensics.density.measure import measure_source
    from oddpixel.forensics.density.pyramid import Pyramid
    from oddpixel.forensics.density.store import load_model

    check_choice("--fail-on", fail_on, ("error",))
    loaded = load_model(model)
    if isinstance(loaded, Pyramid):
        loaded.use_bf16(bf16)
    source = open_source(*files, num_workers=workers, any_suffix=any_suffix, follow_links=follow_links)
    with progress("measuring", len(source)) as advance:
        items = measure_source(source, loaded, identity=identity, maps=maps, on_item=advance)
    if json:
        print(envelope("density", model=model, items=items, **not_read(source.listing)))
    else:
        print_density(items)
        print_not_read(source.listing, left_out)
    exit_by(items, fail_on == "error")


@app.command()
def onnx(
    model: Annotated[str, typer.Option("--model", help="A pyramid's folder, or the name of a bundled one.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the graphs.")],
) -> None:
    """Write a pyramid's networks as ONNX, one graph a scale, for runtimes without PyTorch."""
    from oddpixel.forensics.density.export import export_onnx
    from oddpixel.forensics.density.store import load_pyramid

    for path in export_onnx(load_pyramid(model), out):
        print(path)


@app.command()
def sample(
    model: Annotated[str, typer.Option("--model", help="A model folder, or the name of a bundled model.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the images and their sheet.")],
    number: Annotated[int, typer.Option("-n", help="How many images.", min=1)] = 16,
    sampler: Annotated[str | None, typer.Option(help="ddim, ddpm, dpm-solver-2 or flow-euler.")] = None,
    steps: Annotated[int, typer.Option(help="Denoising steps.", min=1)] = 50,
    seed: int = 0,
    label: Annotated[int | None, typer.Option(help="A class, for models that have them.")] = None,
    guidance: Annotated[float, typer.Option(help="Weight of classifier-free guidance.")] = 1.25,
    size: Annotated[int, typer.Option(help="Pixels a side, for pyramids; flat models have their own.", min=1)] = 128,
) -> None:
    """Draw images from a density model. Every one is marked as synthetic in its metadata."""
    from oddpixel.forensics.density.pyramid import Pyramid
    from oddpixel.forensics.density.sampling import sample_pyramid, sample_values, write_samples
    from oddpixel.forensics.density.store import load_model

    loaded = load_model(model)
    if isinstance(loaded, Pyramid):
        sampler, bits = "ancestral", 8
        values = sample_pyramid(loaded, number, (size, size), num_steps=steps, seed=seed)
    else:
        bits = loaded.quanta.bits
        values = sample_values(
            loaded, number, sampler=sampler, num_steps=steps, seed=seed, label=label, guidance=guidance
        )
    made_by = f"model {Path(model).name}, sampler {sampler or 'default'}, {steps} steps, seed {seed}"
    print(write_samples(out, values, bits, made_by))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the detector, the images and the run.")] = Path(
        "demo"
    ),
) -> None:
    """Fit on normal images that packages ship, flag others with planted and real oddities, and say where the report is."""
    from oddpixel.console import print_flagged
    from oddpixel.demo import demonstrate

    print_flagged(demonstrate(out))


@data_app.command("list")
def list_corpora(json: AsJson = False) -> None:
    """Every corpus: what it shows, its licence, and whether it is on this machine."""
    from oddpixel.console import print_corpora
    from oddpixel.datasets.corpora import cards, is_cached
    from oddpixel.envelope import envelope

    items = [card.facts() | {"cached": is_cached(card.name)} for card in cards().values()]
    print(envelope("data", items=items)) if json else print_corpora(items)


@data_app.command("show")
def show_corpus(name: Annotated[str, typer.Argument(help="A corpus.")], json: AsJson = False) -> None:
    """All that is known of a corpus: origin, licence, attribution, and its files by role where it is on this machine."""
    from oddpixel.console import print_corpus
    from oddpixel.datasets.corpora import cached, card, is_cached
    from oddpixel.envelope import envelope

    facts = card(name).facts() | {"cached": is_cached(name)}
    files = [vars(file) for file in cached(name).files()] if facts["cached"] else []
    print(envelope("data", items=[facts | {"files": files}])) if json else print_corpus(facts, files)


@data_app.command("fetch")
def fetch_corpora(
    names: Annotated[list[str] | None, typer.Argument(help="Corpora; all of them where none is named.")] = None,
    json: AsJson = False,
) -> None:
    """Get corpora through their packages' own clients, check every byte, and keep them for working offline."""
    from oddpixel.console import print_rows, progress
    from oddpixel.datasets.corpora import card, cards, fetch
    from oddpixel.envelope import envelope

    items: list[dict[str, Any]] = []
    wanted = [card(name).name for name in names or cards()]
    with progress("fetching", len(wanted)) as advance:
        for name in wanted:
            try:
                corpus = fetch(name)
                items.append(
                    {"corpus": name, "files": len(corpus.files()), "folder": str(corpus.folder), "error": None}
                )
            except UnreadableInput as error:
                items.append({"corpus": name, "files": 0, "folder": None, "error": describe(error)})
            advance()
    print(envelope("data", items=items)) if json else print_rows("corpora", items)
    if any(item["error"] for item in items):
        raise typer.Exit(3)


@runs_app.command("show")
def show_run(run: RunFolder, json: AsJson = False) -> None:
    """What a run is, how far it got, and what was decided about it."""
    from oddpixel.console import print_facts
    from oddpixel.envelope import envelope
    from oddpixel.forensics.summary import summarise

    facts = summarise(run)
    print(envelope("run", **facts)) if json else print_facts(facts)


@runs_app.command("merge")
def merge_runs(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of one command with the same options.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the merged run.")],
) -> None:
    """One run out of several, as array jobs and several machines leave them."""
    from oddpixel.forensics.runs import Run

    merged = Run.merge(out, [Run.open(run) for run in runs])
    print(f"{merged.path}: {counted(len(merged.parts()), 'part')} of {counted(len(runs), 'run')}")


@runs_app.command("verify")
def verify_run(run: RunFolder, store: Store = None, json: AsJson = False) -> None:
    """Recompute the chain of the audit log: was any verdict changed after it was given? Exit 1 if so."""
    from oddpixel.console import print_facts
    from oddpixel.envelope import envelope
    from oddpixel.forensics.runs import Run
    from oddpixel.forensics.verdicts import Verdicts

    with Verdicts(store or Run.open(run).verdicts_path) as verdicts:
        chain = verdicts.verify()
    print(envelope("verify", **vars(chain))) if json else print_facts(vars(chain))
    if not chain.ok:
        raise typer.Exit(1)


@app.command()
def doctor(json: AsJson = False) -> None:
    """What is installed here, what is missing, and how to get it."""
    from oddpixel.console import print_doctor
    from oddpixel.doctor import examine
    from oddpixel.envelope import envelope

    findings = examine()
    print(envelope("doctor", **findings)) if json else print_doctor(findings)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="Which benchmark; `all` for every one that needs no argument.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the JSON.")] = Path("benchmarks"),
    fixtures: Annotated[Path | None, typer.Option(help="parity: a folder with a manifest.json.")] = None,
    json: AsJson = False,
) -> None:
    """Measure: prints a table and writes JSON with machine, versions and seed."""
    from oddpixel.bench import run
    from oddpixel.envelope import envelope

    results = run(name, out, {"fixtures": fixtures} if fixtures else {}, quiet=json)
    if json:
        print(envelope("bench", results=results))
    if not all(result["passed"] for result in results):
        raise typer.Exit(1)
