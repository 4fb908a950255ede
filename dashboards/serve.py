"""Start the dashboard: check where it may listen, print its address, serve until interrupted."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from oddpixel.errors import UsageError

SHORTEST_TOKEN = 16
KEY_BYTES = 32


def serve(
    runs: Sequence[Path],
    *,
    host: str,
    port: int,
    token: str | None,
    folder: Path,
    data: Sequence[Path],
    store: str | None,
    oidc: dict[str, Any] | None = None,
    max_upload: int = 500,
) -> None:
    """Check the options, print the address, and serve until interrupted.

    Arguments:
        oidc: `issuer`, `client`, `secret`, `address`, `roles` and `groups_claim` of a sign-on (`sign_on`).
        max_upload: MB a file.

    Raises: UsageError where others could reach it without a token or sign-on, RunError for a folder that is no run.
    """
    import uvicorn

    from .access import Signer
    from .app import application
    from .library import Library
    from .sign_on import SignOn
    from .site import Site

    token = secrets.token_urlsafe(24) if token == "new" else token
    check(host, token, bool(oidc))
    signer = Signer(kept_key(folder, token))
    sign_on = SignOn(signer=signer, **oidc) if oidc else None
    places = tuple(path.resolve() for path in data)
    site = Site(Library(runs, folder, store, places), folder.resolve(), places, signer, sign_on)
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    shown = "localhost" if is_loopback(host) else socket.gethostname() if host in EVERYWHERE else host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/" + (f"?token={token}" if token else "")
    print(f"dashboard: {address}", flush=True)
    print("stop it with Ctrl+C", file=sys.stderr)
    config = uvicorn.Config(
        application(site, token, max_upload), log_level="warning", access_log=False, server_header=False
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        site.library.close()


def kept_key(folder: Path, token: str | None) -> bytes:
    """The key that cookies and tickets are signed with: they hold across restarts, as long as the token is the same.

    The secret behind it lies in the dashboard's folder, for its owner alone; where that cannot be, it lasts for this process.
    """
    path = folder / "secret"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
        secret = path.read_bytes()
    except OSError:
        secret = b""
    if len(secret) != KEY_BYTES:
        secret = secrets.token_bytes(KEY_BYTES)
    return hmac.digest(secret, (token or "").encode(), hashlib.sha256)


def check(host: str, token: str | None, signs_on: bool = False) -> None:
    """Refuse an address that others can reach without a token or sign-on, and a token that can be guessed.

    Raises: UsageError.
    """
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise UsageError(
            f"a token of {len(token)} characters can be guessed; use at least {SHORTEST_TOKEN}, or --token new"
        )
    if token is None and not signs_on and not is_loopback(host):
        raise UsageError(f"{host} can be reached by others; add --token new or --oidc, and put TLS in front of it")


EVERYWHERE = ("0.0.0.0", "::")  # of a host: all addresses of this machine


def is_loopback(host: str) -> bool:
    """Whether a host name or address is reached from this machine only."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UsageError(f"cannot listen on {host}:{port} ({error.strerror}); choose another --port, or 0") from error
    return listening
