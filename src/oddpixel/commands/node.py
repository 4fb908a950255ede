"""`node`: a DICOM node that flags what arrives and sends results back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import DetectorFolder


def node(
    detector: DetectorFolder,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="Who gets results: AET@host:port or https://host/dicom-web (may be repeated)."),
    ] = None,
    forget: Annotated[
        list[str] | None,
        typer.Option("--forget", help="Give up what somebody, as --to named them, has not got yet (may be repeated)."),
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Where objects, jobs and results are kept.")] = Path("node"),
    aet: Annotated[str, typer.Option(help="This node's application entity title.")] = "ODDPIXEL",
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine it needs --from.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 11112,
    callers: Annotated[
        list[str] | None, typer.Option("--from", help="Title of a node that may send (may be repeated); any without.")
    ] = None,
    quiet: Annotated[float, typer.Option(min=0.1, help="Seconds without a new object until a study is judged.")] = 30.0,
    alpha: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="At most this share of normal patients is flagged.")
    ] = 0.05,
    results: Annotated[str, typer.Option(help="Made of each study, with commas: sr, seg, sc.")] = "sr,seg",
    store: Annotated[str | None, typer.Option(help="Database URL; else SQLite in the folder.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that judge; 0 where others serve this store.")] = 1,
    certificate: Annotated[Path | None, typer.Option(help="This node's certificate (PEM): speak TLS.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    authority: Annotated[Path | None, typer.Option(help="Who signs the certificates of other nodes (PEM).")] = None,
    token: Annotated[Path | None, typer.Option(help="File with a bearer token for DICOMweb.")] = None,
    max_associations: Annotated[int, typer.Option(min=1, help="At once.")] = 10,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Of one object.")] = 200.0,
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="Of one image.")] = 150.0,
    keep_hours: Annotated[
        float, typer.Option(min=0.01, help="How long studies stay once results are delivered.")
    ] = 24.0,
) -> None:
    """Receive studies by C-STORE, flag them, and send reports and segmentations back."""
    from oddpixel.errors import UsageError

    try:
        from pydantic import ValidationError

        from oddpixel.node.credentials import credentials_of
        from oddpixel.node.receive import LOOPBACK, Door, checked_aet
        from oddpixel.node.run import Results, run_node
        from oddpixel.service.kinds.study import StudyOptions
        from oddpixel.service.serve import Place
    except ImportError as error:
        raise UsageError(f"the node needs {error.name}: pip install 'oddpixel[dicom-node]'") from error
    if host not in LOOPBACK and not callers:
        raise UsageError(f"on {host} anybody could send; name who may with --from AET, or listen on 127.0.0.1")
    try:
        forms = tuple(each.strip() for each in results.split(",") if each.strip())
        options = StudyOptions.model_validate({"alpha": alpha, "results": forms}).model_dump(mode="json")
    except ValidationError as error:
        raise UsageError("give --alpha between 0 and 1, and --results of sr, seg, sc with commas") from error
    door = Door(
        aet=checked_aet(aet), host=host, port=port, callers=[checked_aet(each) for each in callers or ()],
        most=max_associations, most_bytes=int(max_megabytes * 1e6), credentials=credentials_of(certificate, key, authority),
    )  # fmt: skip
    run_node(
        Place(folder=folder, store=store, detector=detector, max_megapixels=max_megapixels), door,
        Results(peers=to or (), options=options, quiet_seconds=quiet, keep_seconds=keep_hours * 3600, forget=forget or ()),
        workers=workers, token=None if token is None else token.read_text().strip(),
    )  # fmt: skip


COMMAND = node
EXAMPLES = (
    "node --detector detector --to ARCHIVE@10.0.0.5:104 --host 0.0.0.0 --from SCANNER",
    "node --detector detector --to https://archive.example/dicom-web --token token.txt",
)
