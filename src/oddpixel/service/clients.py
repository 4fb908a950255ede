"""Who may ask, and how often: bearer tokens by client (RFC 6750), and a bucket of requests for each.

Tokens are those of a file, or access tokens of an OpenID Connect provider (JSON Web Tokens for this service, RFC 9068).
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from pathlib import Path

from oddpixel.errors import UsageError
from oddpixel.identity_provider import NotValid, Provider

SHORTEST_TOKEN = 16
LONGEST_CLIENT = 200
ISSUED = "oidc:"  # before the name of a client whom a provider vouches for
LOCAL = "local"  # the only client of a service without tokens, which listens on loopback alone


@dataclass
class Bucket:
    """Requests that a client has left: `rate` a second, at most `most` at once."""

    rate: float
    most: float
    left: float = field(init=False)
    since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.left = self.most

    def take(self) -> float:
        """Seconds until a request may come; 0 takes one now."""
        now = time.monotonic()
        self.left = min(self.most, self.left + (now - self.since) * self.rate)
        self.since = now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / self.rate


@dataclass(frozen=True)
class Issued:
    """Access tokens that a provider issues for this service.

    Arguments:
        audience: what the provider calls this service; a token for another is refused.
        claim: which of a token's claims names the client.
    """

    provider: Provider
    audience: str
    claim: str = "sub"

    def client(self, token: str) -> str | None:
        """Whom a token was issued to; None where it is none of the provider's. Raises: UsageError (out of reach)."""
        try:
            claims = self.provider.claims(token, self.audience, ("exp", self.claim))
        except NotValid:
            return None
        return str(claims[self.claim])[:LONGEST_CLIENT] or None


class Clients:
    """The clients of a service.

    Arguments:
        tokens: by client name; without any, and without `issued`, everybody is `local`.
        issued: by a provider, beside those tokens.
        rate, burst: requests a second of each client, and how many may come at once.
    """

    def __init__(
        self, tokens: dict[str, str], rate: float = 50.0, burst: float = 100.0, issued: Issued | None = None
    ) -> None:
        self.issued = issued
        self._digests = {name: _digest(token) for name, token in tokens.items()}
        self._buckets: dict[str, Bucket] = {}
        self.rate, self.burst = rate, burst

    def named(self, authorization: str | None) -> str | None:
        """The client whose token a request carries; None for nobody's. Raises: UsageError where a provider is out of reach."""
        if not self._digests and self.issued is None:
            return LOCAL
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = _digest(token.strip())
        # All are compared, so that time tells nothing of which one is near.
        matching = [name for name, kept in self._digests.items() if hmac.compare_digest(kept, digest)]
        if matching:
            return matching[0]
        # A name from elsewhere is never that of a line of the file.
        client = self.issued.client(token.strip()) if self.issued is not None else None
        return None if client is None else f"{ISSUED}{client}"

    def wait(self, client: str) -> float:
        """Seconds that a client must wait before its next request; 0 where it may ask now."""
        return self._buckets.setdefault(client, Bucket(self.rate, self.burst)).take()


def read_tokens(path: Path) -> dict[str, str]:
    """Lines `NAME TOKEN`; empty ones and those after # are skipped. Raises: UsageError."""
    tokens: dict[str, str] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, token = line.strip().partition(" ")
        token = token.strip()
        if len(token) < SHORTEST_TOKEN or " " in token:
            raise UsageError(
                f"{path}, line {number}: write NAME TOKEN, the token of {SHORTEST_TOKEN} characters or more"
            )
        if name in tokens:
            raise UsageError(f"{path}, line {number}: the client {name!r} has a token already")
        tokens[name] = token
    if not tokens:
        raise UsageError(f"{path} names no client; write lines NAME TOKEN")
    return tokens


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
