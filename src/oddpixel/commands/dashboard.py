"""`dashboard`: runs in a browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from .options import Store


def dashboard(
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but a loopback one requires --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8501,
    token: Annotated[
        str | None,
        typer.Option(help="`new` makes one that every visitor must know; your own goes into ODDPIXEL_TOKEN."),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file that holds your own token.")] = None,
    folder: Annotated[Path, typer.Option(help="Where uploads, and the runs and detectors made here, go.")] = Path(
        "oddpixel-dashboard"
    ),
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Folders that visitors may read images from, by path; the current one if not given."),
    ] = None,
    store: Store = None,
    max_upload: Annotated[int, typer.Option(help="MB that one uploaded file may have.", min=1)] = 500,
    oidc: Annotated[
        str | None, typer.Option(help="Sign-on instead of a token: the OpenID Connect issuer's address (extra `oidc`).")
    ] = None,
    oidc_client: Annotated[
        str, typer.Option(help="What the issuer knows this dashboard by.", envvar="ODDPIXEL_OIDC_CLIENT")
    ] = "",
    oidc_role: Annotated[
        list[str] | None,
        typer.Option(
            help="GROUP=viewer|reader|lead (may be repeated); whoever is in none may only look. Else all are leads."
        ),
    ] = None,
    oidc_groups_claim: Annotated[str, typer.Option(help="The claim of the ID token that names groups.")] = "groups",
    address: Annotated[
        str, typer.Option(help="Where visitors reach the dashboard, https://...; for the sign-on.")
    ] = "",
) -> None:
    """Triage, compare, decide and export in a browser. Nothing is sent anywhere else."""
    from oddpixel.dashboards.roles import parsed
    from oddpixel.dashboards.serve import serve
    from oddpixel.errors import UsageError

    oidc_secret = os.environ.get("ODDPIXEL_OIDC_SECRET", "")
    if oidc and not (oidc_client and oidc_secret and address):
        raise UsageError("--oidc needs --oidc-client, --address, and the client's secret in ODDPIXEL_OIDC_SECRET")
    if oidc_role and not oidc:
        raise UsageError("--oidc-role needs --oidc: without a sign-on nobody vouches for groups")
    sign_on = {
        "issuer": oidc, "client": oidc_client, "secret": oidc_secret, "address": address,
        "roles": parsed(oidc_role or []), "groups_claim": oidc_groups_claim,
    }  # fmt: skip
    serve(
        runs or [],
        host=host,
        port=port,
        token=_token(token, token_file),
        folder=folder,
        data=data or [Path()],
        store=store,
        oidc=sign_on if oidc else None,
        max_upload=max_upload,
    )


def _token(given: str | None, file: Path | None) -> str | None:
    """The token that visitors must know: from the file or the environment, `new`, or none.

    Raises: UsageError for a token on the command line, which every user of the machine can read there.
    """
    from oddpixel.errors import UsageError

    if given not in (None, "new"):
        raise UsageError(
            "a token on the command line can be read by others; put it into ODDPIXEL_TOKEN or --token-file"
        )
    if file is None:
        return given or os.environ.get("ODDPIXEL_TOKEN") or None
    try:
        return file.read_text().strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} holds no token that can be read: {error}") from error


EXAMPLES = (
    "dashboard run",
    "dashboard run --host 0.0.0.0 --token new",
)
COMMAND = dashboard
