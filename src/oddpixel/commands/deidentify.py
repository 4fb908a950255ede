"""`deidentify`: DICOM files without what names patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, FollowLinks, Places


def deidentify(
    files: Places,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the files and the report.")] = Path(
        "deidentified"
    ),
    key: Annotated[
        Path,
        typer.Option(
            help="Secret that pseudonyms come from: made where it is not there; keep it apart from the files."
        ),
    ] = Path("pseudonyms.key"),
    text: Annotated[
        str, typer.Option(help="Text in the pixels: mask, refuse the file, or leave (do not look).")
    ] = "mask",
    retain: Annotated[str | None, typer.Option(help="Options of the standard, with commas: patient, device.")] = None,
    dates: Annotated[
        str, typer.Option(help="move (by days that are a patient's own, so that intervals stay) or remove.")
    ] = "move",
    follow_links: FollowLinks = False,
    json: AsJson = False,
) -> None:
    """Write DICOM files without what names somebody, by the basic profile of PS3.15 E. Look at a sample before you share it."""
    from oddpixel.console import progress, shown
    from oddpixel.counting import counted
    from oddpixel.datasets.listing import reasons
    from oddpixel.datasets.source import open_source
    from oddpixel.envelope import envelope
    from oddpixel.errors import UsageError

    from .ending import check_choice

    check_choice("--text", text, ("mask", "refuse", "leave"))
    check_choice("--dates", dates, ("move", "remove"))
    try:
        import dicomanonymizer  # noqa: F401

        if text != "leave":
            import rapidocr  # noqa: F401
    except ImportError as error:
        raise UsageError(f"this needs {error.name}: pip install 'oddpixel[deidentify]'") from error
    from oddpixel.datasets.deidentify.files import deidentify_files, report
    from oddpixel.datasets.deidentify.profile import Profile
    from oddpixel.datasets.deidentify.pseudonyms import Pseudonyms, key_of

    names = [each.strip() for each in (retain or "").split(",") if each.strip()]
    profile = Profile.of(names, move_dates=dates == "move")
    source = open_source(*files, follow_links=follow_links)
    written = folder_for(out)
    entries = [entry for entry in source.entries if written not in entry.path.resolve().parents]
    if out.resolve() in key.resolve().parents:
        raise UsageError(f"{key} would lie beside the files: whoever has both can tell whom a pseudonym stands for")
    pseudonyms = Pseudonyms(key_of(key))
    done = []
    with progress("de-identifying", len(entries)) as advance:
        for each in deidentify_files(entries, out, profile, pseudonyms, text):  # type: ignore[arg-type]
            done.append(each)
            advance()
    unused_name(out / "report.json").write_text(report(done, profile, text))  # type: ignore[arg-type]
    failed = [each for each in done if each.error is not None]
    if json:
        print(envelope("deidentify", out=str(out), items=done))
    else:
        masked = sum(each.masked for each in done)
        print(f"{counted(len(done) - len(failed), 'file')} written to {out}, {counted(masked, 'place')} of text masked")
        for reason, count in reasons(source.left_out).items():
            print(f"not looked at: {counted(count, 'file')}, {reason}")
        if len(entries) < len(source.entries):
            print(f"not looked at: {counted(len(source.entries) - len(entries), 'file')} in {out} itself")
        for number, each in enumerate(done, start=1):
            if each.error is not None:
                print(f"left out: {shown(each.item)} (number {number} of the report): {each.error['message']}")
    if len(failed) == len(done):
        raise typer.Exit(3)
    if failed:
        raise typer.Exit(1)


def folder_for(out: Path) -> Path:
    """The folder, made where it is not there, as an absolute path. Raises: UsageError."""
    from oddpixel.errors import UsageError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be the folder for the files: {error.strerror or error}") from error
    return out.resolve()


def unused_name(path: Path) -> Path:
    """The path, or one with a number: the report of an earlier run stays."""
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"report-{number}.json")
    return path


COMMAND = deidentify
EXAMPLES = (
    "deidentify studies/ -o shared --key pseudonyms.key",
    "deidentify studies/ -o shared --retain patient,device --text refuse",
)
