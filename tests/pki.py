"""A private root and a signing leaf, made for one test: C2PA refuses a leaf that signed itself (C2PA 2.2, 14.5.1).

The leaf carries the extended key usage emailProtection, one of those that verifiers accept from any root they were given.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
ISSUER = "A private root"
SIGNER = "A laboratory"


@dataclass(frozen=True)
class Credentials:
    """All PEM: what a verifier is given, and what a signer keeps.

    Arguments:
        chain: the leaf, then the root.
        key: of the leaf.
    """

    root: str
    chain: str
    key: str


def make_key(algorithm: str = "es256") -> Key:
    if algorithm == "ps256":
        return rsa.generate_private_key(65537, 2048)
    if algorithm == "secp256k1":
        return ec.generate_private_key(ec.SECP256K1())
    return ed25519.Ed25519PrivateKey.generate() if algorithm == "ed25519" else ec.generate_private_key(ec.SECP256R1())


def credentials(algorithm: str = "es256", *, signer: str = SIGNER, days: int = 30, started: int = 1) -> Credentials:
    """Arguments:
    algorithm: es256, ps256 or ed25519, of the leaf's key.
    signer: the organisation in the leaf's subject.
    days, started: the leaf holds from `started` days ago, for `days`.
    """
    root_key, key = make_key(), make_key(algorithm)
    root = _certificate(ISSUER, ISSUER, root_key, root_key, 3650, 400)
    leaf = _certificate(signer, ISSUER, key, root_key, days, started)
    return Credentials(_pem(root), _pem(leaf) + _pem(root), private_pem(key))


def self_signed(algorithm: str = "es256") -> tuple[str, str]:
    """A root and its own key."""
    key = make_key(algorithm)
    return _pem(_certificate(ISSUER, ISSUER, key, key, 30, 1)), private_pem(key)


def private_pem(key: Key, password: bytes | None = None) -> str:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock).decode()


def _certificate(subject: str, issuer: str, key: Key, signing: Key, days: int, started: int) -> x509.Certificate:
    is_root = key is signing
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=started)
    usage = dict.fromkeys(
        (
            "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
            "decipher_only",
        ), False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    if not is_root:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(usages, critical=False)
    return builder.sign(signing, None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _name(organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, organisation),
        ]
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
