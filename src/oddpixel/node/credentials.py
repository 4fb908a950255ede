"""TLS between nodes (PS3.15 B): certificates of both sides, signed by an authority that both know."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oddpixel.errors import UsageError

HANDSHAKE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Certificates of this node, in PEM; with `authority` peers must show one that it signed."""

    certificate: Path
    key: Path
    authority: Path | None = None

    def accepting(self) -> ssl.SSLContext:
        """TLS for those who call. Raises: UsageError."""
        context = _Accepting(ssl.PROTOCOL_TLS_SERVER)
        self._load(context)
        if self.authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def calling(self) -> ssl.SSLContext:
        """TLS for those who are called. Raises: UsageError."""
        if self.authority is None:
            raise UsageError("to send over TLS, name who signs the certificates of other nodes: --authority")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # nodes are known by who signed for them, not by a name
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self.certificate, self.key)
            if self.authority is not None:
                context.load_verify_locations(self.authority)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"the certificates cannot be used: {error}") from error


class _Accepting(ssl.SSLContext):
    """Shakes hands within a time: connections are accepted one by one, and one that says nothing must not keep others out."""

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """The connection, once hands are shaken; closed where they are not. Raises: OSError."""
        sock.settimeout(HANDSHAKE_SECONDS)
        try:
            wrapped = super().wrap_socket(sock, *arguments, **options)
        except OSError:
            sock.close()
            raise
        wrapped.settimeout(None)
        return wrapped


def credentials_of(certificate: Path | None, key: Path | None, authority: Path | None) -> Credentials | None:
    """The certificates of a command line; None without any. Raises: UsageError where one is missing."""
    if certificate is None and key is None and authority is None:
        return None
    if certificate is None or key is None:
        raise UsageError("to speak TLS, give both --certificate and --key")
    return Credentials(certificate=certificate, key=key, authority=authority)
