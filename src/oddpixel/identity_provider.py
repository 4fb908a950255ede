"""An OpenID Connect provider: what it says of itself, and whether a token is one of its own.

OpenID Connect Discovery 1.0; JSON Web Tokens by RFC 7519, their keys by RFC 7517.
"""

from __future__ import annotations

import json
import math
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from oddpixel.errors import UsageError

TIMEOUT = 10
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]  # never `none`, never a shared secret
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
MOST_BYTES = 1_000_000
SECONDS_BETWEEN_FETCHES = 10.0


class NotValid(UsageError):
    """A token that is not one of the provider's, or not for whom it was shown to."""


@dataclass(frozen=True)
class Provider:
    """The provider at an address.

    Arguments:
        issuer: the address, as in its discovery document. https, unless it is this machine.
    """

    issuer: str

    def __post_init__(self) -> None:
        check_secure(self.issuer)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The discovery document. Raises: UsageError."""
        document = fetch(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer", "").rstrip("/") != self.issuer.rstrip("/"):
            raise UsageError(f"the provider at {self.issuer} identifies itself as {document.get('issuer')}")
        return document

    @cached_property
    def _keys(self) -> _Keys:
        return _Keys(self.document["jwks_uri"])

    def claims(self, token: str, audience: str, required: Sequence[str] = ("exp", "iat", "sub")) -> dict[str, Any]:
        """What a token says, once its signature, issuer, audience and expiry are checked.

        Raises: NotValid; UsageError where the provider cannot be reached.
        """
        import jwt

        try:
            key = self._keys.of(token)
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=ALGORITHMS, audience=audience, issuer=self.document["issuer"],
                options={"require": list(required)},
            )  # fmt: skip
        except jwt.PyJWKClientConnectionError as error:
            raise UsageError(f"the keys of the provider at {self.issuer} cannot be fetched: {error}") from error
        except (KeyError, jwt.PyJWTError) as error:
            raise NotValid(f"the token is not valid: {error}") from error
        return claims


class _Keys:
    """Public keys by their ids. For an id that is not known they are fetched anew, but not for each of many made-up ones."""

    def __init__(self, address: str) -> None:
        import jwt

        self._client = jwt.PyJWKClient(address, timeout=TIMEOUT)
        self._fetched = -math.inf
        self._lock = threading.Lock()

    def of(self, token: str) -> Any:
        """The key that a token says it is signed with. Raises: PyJWTError."""
        import jwt

        wanted = jwt.get_unverified_header(token).get("kid")
        with self._lock:
            found = self._find(wanted, refresh=False)
            if found is None and time.monotonic() - self._fetched > SECONDS_BETWEEN_FETCHES:
                self._fetched = time.monotonic()
                found = self._find(wanted, refresh=True)
        if found is None:
            raise jwt.PyJWKClientError("it is signed with no key of the provider")
        return found

    def _find(self, wanted: str | None, refresh: bool) -> Any:
        keys = self._client.get_signing_keys(refresh)
        return next((each.key for each in keys if each.key_id == wanted), None)


def check_secure(*urls: str) -> None:
    """Raises: UsageError where one is neither https nor of this machine."""
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOCAL_HOSTS:
            raise UsageError(f"{url}: sign-on needs https")


def fetch(address: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON object at an address; a form is posted. Raises: UsageError."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data), timeout=TIMEOUT) as answer:
            content: dict[str, Any] = json.loads(answer.read(MOST_BYTES))
    except (OSError, ValueError) as error:
        raise UsageError(f"the sign-on provider at {urlsplit(address).netloc} cannot be reached: {error}") from error
    return content
