"""`retrieve`: studies from another DICOM node or DICOMweb service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson


def retrieve(
    peer: Annotated[str, typer.Argument(help="AET@host:port or https://host/dicom-web.")],
    find: Annotated[
        list[str] | None, typer.Option(help="KEYWORD=VALUE, as in StudyDate=20260101- (may be repeated).")
    ] = None,
    study: Annotated[list[str] | None, typer.Option(help="A Study Instance UID (may be repeated).")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the studies; listed only without.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Have them sent to the node of this title (C-MOVE), which the peer must know.")
    ] = None,
    aet: Annotated[str, typer.Option(help="Our application entity title.")] = "ODDPIXEL",
    certificate: Annotated[Path | None, typer.Option(help="Our certificate (PEM): speak TLS.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    authority: Annotated[Path | None, typer.Option(help="Who signed the peer's certificate (PEM).")] = None,
    token: Annotated[Path | None, typer.Option(help="File with a bearer token for DICOMweb.")] = None,
    json: AsJson = False,
) -> None:
    """Find studies by C-FIND or QIDO-RS, and fetch them by C-GET or WADO-RS, each into a folder of its own, or have them sent
    elsewhere by C-MOVE."""
    from oddpixel.console import shown
    from oddpixel.envelope import envelope
    from oddpixel.errors import UsageError

    try:
        from oddpixel.node.credentials import credentials_of
        from oddpixel.node.peers import STUDY_KEYS, Caller, peer_of
        from oddpixel.node.receive import checked_aet
        from oddpixel.node.retrieve import move, parsed_keys
        from oddpixel.node.retrieve import retrieve as retrieved
    except ImportError as error:
        raise UsageError(f"this needs {error.name}: pip install 'oddpixel[dicom-node]'") from error
    if not find and not study:
        raise UsageError("say which studies: --find KEYWORD=VALUE or --study UID")
    if out is not None and to is not None:
        raise UsageError("give -o to fetch them, or --to to have them sent elsewhere, not both")
    words = None if token is None else token.read_text().strip()
    caller = Caller(aet=checked_aet(aet), credentials=credentials_of(certificate, key, authority), token=words)
    other = peer_of(peer, caller)
    found = other.find(parsed_keys(find)) if find else []
    uids = [*(study or ()), *(each["StudyInstanceUID"] for each in found)]
    if out is None and to is None:
        if json:
            print(envelope("retrieve", studies=found))
        else:
            # The UID is what --study takes: a line of its own, whatever the terminal's width.
            if not found:
                print("no study matches", file=sys.stderr)
            for one in found:
                print(one["StudyInstanceUID"])
                print("  " + "  ".join(shown(one[name]) for name in STUDY_KEYS[1:] if one[name]))
        return
    studies = list(dict.fromkeys(uids))
    done = list(retrieved(other, studies, out) if out is not None else move(other, studies, checked_aet(to or "")))
    if json:
        print(envelope("retrieve", studies=[vars(each) for each in done]))
    else:
        for each in done:
            said = (
                each.error["message"]
                if each.error
                else "there already"
                if each.objects is None
                else f"{each.objects} objects"
            )
            print(f"{each.folder or each.study}: {said}{f' sent to {to}' if to and not each.error else ''}")
    if any(each.error for each in done):
        raise typer.Exit(1)


COMMAND = retrieve
EXAMPLES = (
    "retrieve ARCHIVE@10.0.0.5:104 --find StudyDate=20260101-",
    "retrieve ARCHIVE@10.0.0.5:104 --find StudyDate=20260101- --to ODDPIXEL",
    "retrieve https://archive.example/dicom-web --find PatientID=4711 -o studies",
)
