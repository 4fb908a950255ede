"""What the commands print for people: tables on stdout, progress on stderr and only on a terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oddpixel.counting import counted
from oddpixel.envelope import envelope

MAX_ROWS = 60
GROUP_SHOWN = 16  # characters of a group, which may be a long hash


def console() -> Console:
    """stdout; where it is not a terminal, wide enough for every table."""
    return Console(width=None if sys.stdout.isatty() else 140, highlight=False, emoji=False)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar with the time left on a terminal; lines `what done/total` where ODDPIXEL_PROGRESS=lines, else silent."""
    if not sys.stderr.isatty():
        yield _progress_lines(what, total) if os.environ.get("ODDPIXEL_PROGRESS") == "lines" else lambda: None
        return
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _progress_lines(what: str, total: int) -> Callable[[], None]:
    done, said = 0, 0.0

    def advance() -> None:
        nonlocal done, said
        done += 1
        if done == total or time.monotonic() - said >= 1:
            said = time.monotonic()
            print(f"{what} {done}/{total}", file=sys.stderr, flush=True)

    return advance


@contextmanager
def training_progress(steps: int, done: int) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Loss and time left: a live bar on a terminal, else a line on stderr now and then."""
    started = time.monotonic()
    if not sys.stderr.isatty():

        def say(step: int, losses: dict[str, float]) -> None:
            if step % 500 == 0:
                left = (time.monotonic() - started) / max(step - done, 1) * (steps - step)
                shown = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
                print(f"step {step} of {steps}: {shown}; {left / 60:.0f} min left", file=sys.stderr)

        yield say
        return
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=steps, completed=done, losses="")
        yield lambda step, losses: bar.update(
            task, completed=step, losses=", ".join(f"{name} {value:.4f}" for name, value in losses.items())
        )


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], Callable[[int, dict[str, float]], None]]]:
    """The same for trainings of several stages, each told when it begins."""
    with ExitStack() as stages:

        def on_stage(stage: str, done: int, steps: int) -> Callable[[int, dict[str, float]], None]:
            stages.close()
            print(f"stage {stage}: step {done} of {steps}", file=sys.stderr)
            return stages.enter_context(training_progress(steps, done))

        yield on_stage


@contextmanager
def steps_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each part of a sampling, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda part, done, total: None
        return
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda part, done, total: bar.update(task, description=part, completed=done, total=total)


def print_options(command: str, options: dict[str, Any]) -> None:
    print(envelope("options", command=command, options=options))


def print_inspection(items: list[dict[str, Any]], out: Path | None) -> None:
    from oddpixel.image import spacing_as_size

    table = Table("item", "format", "size", "bits", "unit", "spacing mm", "sha256", "notes", box=None, pad_edge=False)
    for item in items:
        sha256 = (item["sha256"] or "")[:12]
        if item["error"]:
            said = f"{item['error']['type']}: {item['error']['message']}"
            table.add_row(
                escape(shown(item["item"])), "-", "-", "-", "-", "-", sha256, f"[red]{escape(shown(said))}[/red]"
            )
            continue
        size = f"{item['width']} x {item['height']}" + (f" x {item['channels']}" if item["channels"] > 1 else "")
        spacing = spacing_as_size(item["spacing_mm"])
        cells = (item["item"], item["meta"]["format"], size, str(item["bits"]), item["unit"], spacing, sha256)
        table.add_row(*(escape(shown(cell)) for cell in cells), escape(shown(_notes(item["meta"]))))
    console().print(table)
    bad = sum(1 for item in items if item["error"])
    print(f"\n{len(items) - bad} read, {bad} not readable" + (f"; contact sheet: {out / 'index.html'}" if out else ""))


def _notes(meta: dict[str, Any]) -> str:
    """What a reader should know about these pixels, in a few words."""
    notes = [str(meta[name]) for name in ("modality", "model", "transfer_syntax") if name in meta]
    notes += [f"{name} {meta[name]}" for name in ("alpha", "converted_from") if name in meta]
    if "used_bits" in meta:
        notes.append(f"only {counted(meta['used_bits'], 'bit')} used")
    return ", ".join([*notes, *meta.get("notes", [])])


def print_density(items: list[dict[str, Any]]) -> None:
    table = Table("item", "bits/dim", "by identity", "nats", "dims", "notes", box=None, pad_edge=False)
    for item in items:
        if item["error"]:
            said = f"{item['error']['type']}: {item['error']['message']}"
            table.add_row(escape(shown(item["item"])), "-", "-", "-", "-", f"[red]{escape(shown(said))}[/red]")
            continue
        identity = item["identity_bits_per_dim"]
        cross_check = "-" if identity is None else f"{identity:.3f}"
        table.add_row(
            escape(shown(item["item"])),
            f"{item['bits_per_dim']:.3f}",
            cross_check,
            f"{item['nats']:.1f}",
            str(item["dims"]),
            escape(shown("; ".join(item["notes"]))),
        )
    console().print(table)


def print_fitted(record: Mapping[str, Any], out: Path) -> None:
    """What a detector rests on, and how many normals each promise needs."""
    from oddpixel.forensics.detect.card import promises
    from oddpixel.forensics.detect.levels import Levels
    from oddpixel.forensics.detect.training_images import in_words

    print(
        f"{out}: fitted on {counted(len(record['fitted_on']), 'image')}, calibrated on "
        f"{counted(record['num_calibration_images'], 'other')} in {counted(record['num_calibration_groups'], 'group')}; "
        f"channels: {', '.join(record['channels'])}\n"
    )
    if chosen := in_words(record["selection"]):
        print(chosen)
    if (learned := record["levels"]["learned"]) is not None:
        print(f"black to white in unit {learned['unit']}: {Levels.of_json(learned)}")
    for each in record["left_out"]:
        print(shown(f"left out: {each}"))
    print_rows("what it can promise", promises(int(record["num_calibration_groups"])))


def print_expected(run: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Where the expected normals are, or why there is none."""
    for each in records:
        where = run / each["expected"] if each["expected"] else shown(each["error"]["message"])
        print(f"expected normal of {shown(each['item'])}: {where}")


def print_flagged(found: Any) -> None:
    """Items by oddness with their reasons, and what the decision promises. `found`: a `Flagged`."""
    from oddpixel.forensics.detect.decide import odd_themselves
    from oddpixel.forensics.detect.levels import is_usual
    from oddpixel.forensics.row_cells import notes_of

    decisive = odd_themselves(found.rows, found.decision)
    is_grouped = len({row["group"] for row in found.rows}) < len(found.rows)
    table = Table("item", *(["group"] if is_grouped else []), "p", "q", "decision", "why", box=None, pad_edge=False)
    for row in found.rows[:MAX_ROWS]:
        names = [row["item"], _shortened(str(row["group"]))] if is_grouped else [row["item"]]
        table.add_row(*(escape(shown(name)) for name in names), *_judged_cells(row, row["item"] in decisive))
    console().print(table)
    if len(found.rows) > MAX_ROWS:
        print(f"... {len(found.rows) - MAX_ROWS} more in the run's table")
    notes = {row["item"]: [note for note in notes_of(row) if not is_usual(note)] for row in found.rows}
    for line in _note_lines(notes):
        print(shown(line))
    decision = found.decision
    flagged, groups = decision.get("num_flagged_groups", 0), decision.get("num_groups", 0)
    promise = decision.get("promise", "")
    promised = f" {promise[0].upper()}{promise[1:]}." if promise else ""
    print(f"\n{flagged} of {counted(groups, 'group')} flagged.{promised}")
    for warning in decision.get("warnings", []):
        print(f"warning: {warning}")
    print(f"run: {found.run.path}; report: {found.run.path / 'index.html'}; look: oddpixel dashboard {found.run.path}")


def _shortened(group: str) -> str:
    return group if len(group) <= GROUP_SHOWN else f"{group[:GROUP_SHOWN]}…"


def _judged_cells(row: Mapping[str, Any], is_decisive: bool) -> tuple[str, str, str, str]:
    """p, q, decision and why of one row.

    Arguments:
        is_decisive: whether it is itself why its group is flagged (`odd_themselves`).
    """
    from oddpixel.forensics.row_cells import error_of, reasons_of

    if (error := error_of(row)) is not None:
        return "-", "-", "not read", f"[red]{escape(error['type'])}: {escape(shown(error['message']))}[/red]"
    decision = "not flagged"
    if row["flagged"]:
        decision = "[red]flagged[/red]" if is_decisive else "in a flagged group"
    why = reasons[0]["because"] if is_decisive and (reasons := reasons_of(row)) else ""
    return f"{row['p_value']:.4f}", f"{row['q_value']:.4f}", decision, escape(shown(why))


def _note_lines(notes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One line for each note, with the items that it is about: of a series all slices have the same.

    Arguments:
        notes: of each item.
    """
    items: dict[str, list[str]] = {}
    for item, said in notes.items():
        for note in said:
            items.setdefault(note, []).append(item)
    for note, about in [*items.items()][:MAX_ROWS]:
        others = f" and {counted(len(about) - 1, 'other')}" if len(about) > 1 else ""
        yield f"note on {about[0]}{others}: {note}"
    if len(items) > MAX_ROWS:
        yield f"... {counted(len(items) - MAX_ROWS, 'more note')} in the run's table"


def print_arrival(arrival: Any) -> None:
    """One line an image, as it is decided. `arrival`: a `watch.Arrival`."""
    from oddpixel.forensics.detect.levels import is_usual

    row = arrival.row
    if row.get("error"):
        print(shown(f"{row['item']}: {row['error']['type']}: {row['error']['message']}"), flush=True)
        return
    decision = "flagged" if row["flagged"] else "not flagged"
    why = f": {row['reasons'][0]['because']}" if row["flagged"] else ""
    alarm = " (drift: nothing is promised)" if arrival.drift_alarm else ""
    notes = "".join(f" ({note})" for note in row.get("notes") or () if not is_usual(note))
    print(shown(f"{row['item']}: p {row['p_value']:.4f}, {decision}{why}{alarm}{notes}"), flush=True)


def print_audited(found: Any) -> None:
    """A line a file, and where its report is. `found`: an `AuditRun`."""
    table = Table("item", "verdict", "p", "why", box=None, pad_edge=False)
    for item in found.items[:MAX_ROWS]:
        if item["error"]:
            said = f"[red]{escape(item['error']['type'])}: {escape(item['error']['message'])}[/red]"
            table.add_row(escape(shown(item["item"])), "not read", "-", said)
            continue
        verdict = item["verdict"]
        value = verdict["p_value"]
        p = "-" if value is None else "< 1e-6" if value < 1e-6 else f"{value:.2g}"
        table.add_row(escape(shown(item["item"])), verdict["label"], p, escape(shown("; ".join(verdict["because"]))))
    console().print(table)
    if len(found.items) > MAX_ROWS:
        print(f"... {len(found.items) - MAX_ROWS} more in the run's table")
    reports = [item["report"] for item in found.items if not item["error"]]
    if reports:
        print(f"\nreports: {found.run.path / reports[0] / 'report.html'}" + (", ..." if len(reports) > 1 else ""))
    print("No result here says that an image is authentic.")


def print_checks(items: list[dict[str, Any]]) -> None:
    for item in items:
        print(f"{item['name']} ({item['kind']}): {item['purpose']}")
        print(f"    needs: {item['needs']}\n    cannot: {item['cannot']}\n    after: {item['reference']}")


def shown(text: str) -> str:
    """A terminal obeys control characters; a file's name or text may hold some."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def print_corpora(items: list[dict[str, Any]]) -> None:
    rows = [
        {"corpus": item["name"], "what": item["title"], "licence": item["licence"]}
        | {"weights may ship": "yes" if item["weights_may_ship"] else "no", "here": "yes" if item["cached"] else "no"}
        for item in items
    ]
    print_rows("corpora", rows)


def print_corpus(facts: dict[str, Any], files: list[dict[str, Any]]) -> None:
    print_facts(facts)
    print_rows("files", [{"file": file["path"].name, "role": file["role"], "group": file["group"]} for file in files])


def print_facts(facts: dict[str, Any]) -> None:
    """One line a fact; nothing for what is empty or a table of its own."""
    for name, value in facts.items():
        if value not in (None, "", ()) and not isinstance(value, Mapping):
            print(f"{name.replace('_', ' '):17} {cell(value)}")


def print_doctor(findings: dict[str, Any]) -> None:
    for section in ("versions", "codecs", "audit", "sandbox", "devices"):
        table = Table(section, "", "", box=None, pad_edge=False, min_width=60)
        for row in findings[section]:
            mark = {"ok": "[green]ok[/green]", "optional": "[yellow]optional[/yellow]"}.get(
                row["state"], "[red]missing[/red]"
            )
            table.add_row(row["name"], mark, escape(row["detail"]))
        console().print(table, "")
    print(findings["summary"])


def print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """A benchmark's table: one column for every key."""
    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(cell(row.get(column))) for column in columns))
    console().print(table, "")


def cell(value: Any) -> str:
    """A value as tables show it: four digits, nothing for None."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
