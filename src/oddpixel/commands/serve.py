"""`serve`: score, audit, density and generate over HTTP."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer


def serve(
    folder: Annotated[Path, typer.Option("--folder", help="Where files, jobs and results are kept.")] = Path("service"),
    detector: Annotated[
        Path | None, typer.Option(help="A fitted detector, for `score`; exchange the folder to change it.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine it needs --tokens or --oidc.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8600,
    tokens: Annotated[Path | None, typer.Option(help="File with a line NAME TOKEN for each client.")] = None,
    oidc: Annotated[
        str | None,
        typer.Option(help="Take access tokens of this OpenID Connect issuer as well (extra `oidc`): its address."),
    ] = None,
    oidc_audience: Annotated[
        str | None, typer.Option(help="What that issuer calls this service; tokens for others are refused.")
    ] = None,
    oidc_claim: Annotated[str, typer.Option(help="The claim that names a client: sub, azp, client_id.")] = "sub",
    store: Annotated[
        str | None, typer.Option(help="Database URL, for several machines; else SQLite in the folder.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that answer; 0 where others serve this store.")] = 2,
    rate: Annotated[float, typer.Option(min=0.1, help="Requests a second of each client.")] = 50.0,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Of one file.")] = 100.0,
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="Of one image.")] = 150.0,
    max_open: Annotated[int, typer.Option(min=1, help="Jobs that may wait; beyond, clients come back later.")] = 1000,
    keep_hours: Annotated[float, typer.Option(min=0.01, help="How long finished jobs are kept.")] = 24.0,
) -> None:
    """Serve over HTTP: one image at once, many as jobs. OpenAPI at /openapi.json, metrics at /metrics."""
    from oddpixel.errors import UsageError

    try:
        from oddpixel.service.clients import Issued, read_tokens
        from oddpixel.service.serve import Place
        from oddpixel.service.serve import serve as run
    except ImportError as error:
        raise UsageError(f"the service needs {error.name}: pip install 'oddpixel[service]'") from error
    if (oidc is None) != (oidc_audience is None):
        raise UsageError(
            "--oidc and --oidc-audience belong together: a token for another service is no token for this one"
        )
    issued = None
    if oidc is not None and oidc_audience is not None:
        from oddpixel.identity_provider import Provider

        if find_spec("jwt") is None:
            raise UsageError("--oidc needs PyJWT: pip install 'oddpixel[oidc]'")
        issued = Issued(Provider(oidc), oidc_audience, oidc_claim)
    place = Place(folder=folder, store=store, detector=detector, max_megapixels=max_megapixels)
    run(
        place, host=host, port=port, tokens={} if tokens is None else read_tokens(tokens), workers=workers, rate=rate,
        max_megabytes=max_megabytes, max_open=max_open, keep_hours=keep_hours, issued=issued,
    )  # fmt: skip


COMMAND = serve
