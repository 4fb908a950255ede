"""Access tokens of an OpenID Connect provider: whom it vouches for may ask, each for its own jobs; nobody else may."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from PIL import Image as Pillow

from oddpixel.errors import UsageError
from oddpixel.identity_provider import Provider as Known
from oddpixel.service.clients import Clients, Issued
from tests.dashboards.test_sign_on import Provider, provider
from tests.patience import PATIENCE

from .conftest import TOKENS, Served, serving

__all__ = ["provider"]


def bearer(provider: Provider, **claims: Any) -> str:
    provider.claims = claims
    return f"Bearer {provider.token()}"


@pytest.fixture
def clients(provider: Provider) -> Clients:
    return Clients({"lab": TOKENS["lab"]}, issued=Issued(Known(provider.address), "odd"))


def test_who_is_vouched_for_is_named_apart_from_the_file(clients: Clients, provider: Provider) -> None:
    assert clients.named(f"Bearer {TOKENS['lab']}") == "lab"
    assert clients.named(bearer(provider, sub="lab")) == "oidc:lab"


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another"}, {"iss": "https://elsewhere.example"}, {"exp": 1}, {"sub": ""}],
    ids=["for another service", "of another issuer", "expired", "of nobody"],
)
def test_tokens_that_do_not_fit_are_nobodys(clients: Clients, provider: Provider, claims: dict[str, Any]) -> None:
    assert clients.named(bearer(provider, **claims)) is None


def test_forged_tokens_are_nobodys(clients: Clients, provider: Provider) -> None:
    good = bearer(provider)
    assert clients.named(good) == "oidc:7"
    assert clients.named(None) is None
    assert clients.named("Bearer not.a.token") is None
    assert clients.named(good[:-6] + "AAAAAA") is None
    provider.signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert clients.named(bearer(provider)) is None
    unsigned = jwt.encode({"iss": provider.address, "aud": "odd", "sub": "7", "exp": 2**32}, "", algorithm="none")
    assert clients.named(f"Bearer {unsigned}") is None


def test_made_up_keys_are_not_fetched_for_each(clients: Clients, provider: Provider) -> None:
    claims = {"iss": provider.address, "aud": "odd", "sub": "7", "exp": 2**32}
    for number in range(20):
        token = jwt.encode(claims, provider.key, algorithm="RS256", headers={"kid": f"made-up-{number}"})
        assert clients.named(f"Bearer {token}") is None
    assert provider.keys_asked <= 3


def test_a_provider_must_be_reached_safely() -> None:
    with pytest.raises(UsageError, match="needs https"):
        Known("http://provider.example")


@pytest.fixture
def served(provider: Provider, tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "service", "--oidc", provider.address, "--oidc-audience", "odd", "--workers", "1") as one:
        yield one


def test_the_service_takes_them(served: Served, provider: Provider) -> None:
    file = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(file, "PNG")

    def ask(authorization: str, job: str = "") -> httpx.Response:
        with httpx.Client(
            base_url=served.address, headers={"authorization": authorization}, timeout=PATIENCE
        ) as client:
            if job:
                return client.get(f"/v1/jobs/{job}")
            return client.post("/v1/jobs/density", files={"file": ("a.png", file.getvalue())})

    ann = bearer(provider, sub="ann")
    accepted = ask(ann)
    assert accepted.status_code == 202, accepted.text
    job = accepted.json()["job"]
    assert ask(ann, job).status_code in (200, 202)
    assert ask(bearer(provider, sub="ben"), job).status_code == 404, "another's job"
    assert ask(bearer(provider, aud="another")).status_code == 401
    assert "ann" in served.log.read_text()
    assert ann.partition(" ")[2] not in served.log.read_text()
