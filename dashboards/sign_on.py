"""Sign-on by OpenID Connect: the authorisation code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636).

    /oddpixel/sign-on      to the provider, with state, nonce and challenge; they stay in a short-lived signed cookie
    /oddpixel/signed-on    back with a code, which is exchanged for an ID token; its signature, issuer, audience, expiry and nonce
                           are checked, and the visitor gets a cookie that says who it is

Who may sign on is the provider's to say.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlencode

from oddpixel.errors import UsageError
from oddpixel.identity_provider import NotValid, Provider, check_secure, fetch

from .access import COOKIE, SECONDS_VALID, Signer, local
from .roles import role_of

START, BACK = "/oddpixel/sign-on", "/oddpixel/signed-on"
PENDING = "oddpixel-sign-on"
SECONDS_PENDING = 600
NAMES = ("email", "preferred_username", "name", "sub")


@dataclass(frozen=True)
class SignOn:
    """The OpenID Connect provider that tells who a visitor is.

    Arguments:
        issuer: the provider's address, as in its discovery document.
        client, secret: what the provider knows this dashboard by.
        address: where visitors reach it, `https://odd.example`; the provider must know `address + BACK`.
        roles: by group; the groups are what the claim `groups_claim` of an ID token names.
    """

    issuer: str
    client: str
    secret: str = field(repr=False)
    address: str
    signer: Signer
    roles: Mapping[str, str] = field(default_factory=dict)
    groups_claim: str = "groups"

    def __post_init__(self) -> None:
        check_secure(self.issuer, self.address)

    @cached_property
    def provider(self) -> Provider:
        """The provider, whose document is fetched when it is first needed."""
        return Provider(self.issuer)

    def begin(self, wanted: str) -> tuple[str, str]:
        """The provider's address for a visitor who wanted that page, and the cookie to give along."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self.client, "redirect_uri": self.address.rstrip("/") + BACK,
            "scope": self._scope, "state": state, "nonce": nonce, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        request = {"state": state, "nonce": nonce, "verifier": verifier, "wanted": local(wanted)}
        cookie = self._cookie(PENDING, self.signer.sign("sign-on", request, SECONDS_PENDING), SECONDS_PENDING)
        return f"{self.provider.document['authorization_endpoint']}?{urlencode(query)}", cookie

    @property
    def _scope(self) -> str:
        """With groups, where they matter and the provider has a scope for them: others refuse what they do not know."""
        has_groups = "groups" in (self.provider.document.get("scopes_supported") or [])
        return "openid email profile" + (" groups" if self.roles and has_groups else "")

    def finish(self, query: dict[str, str], pending: str) -> tuple[str, list[str]]:
        """The page that was wanted, and the cookies of a visitor who has signed on.

        Raises: UsageError for anything that does not fit: then nobody is signed on.
        """
        request = self.signer.read("sign-on", pending)
        if request is None or not hmac.compare_digest(request["state"], query.get("state", "")):
            raise UsageError("this sign-on has expired or was begun elsewhere; sign on again")
        if "code" not in query:
            raise UsageError(f"the sign-on provider reported: {query.get('error', 'nothing')}")
        answer = fetch(
            self.provider.document["token_endpoint"],
            {
                "grant_type": "authorization_code", "code": query["code"], "client_id": self.client,
                "client_secret": self.secret, "redirect_uri": self.address.rstrip("/") + BACK,
                "code_verifier": request["verifier"],
            },
        )  # fmt: skip
        if "id_token" not in answer:
            raise UsageError("the provider's ID token is not valid: there is none")
        try:
            claims = self.provider.claims(str(answer["id_token"]), self.client)
        except NotValid as error:
            raise UsageError(f"the provider's ID token is not valid: {error}") from error
        if not hmac.compare_digest(str(claims.get("nonce", "")), request["nonce"]):
            raise UsageError("the provider's ID token belongs to another sign-on")
        author = next(str(claims[name]) for name in NAMES if claims.get(name))
        role = role_of(claims.get(self.groups_claim), self.roles)
        visit = self.signer.sign("visit", {"author": author, "role": role})
        return request["wanted"], [self._cookie(COOKIE, visit, SECONDS_VALID), self._cookie(PENDING, "", 0)]

    def _cookie(self, name: str, value: str, seconds: int) -> str:
        secure = "; Secure" if self.address.startswith("https:") else ""
        return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
