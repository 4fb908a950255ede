"""Everything that OddPixel makes is marked as made: IPTC's digital source type in XMP, and plain text beside it. A report
can be signed on top (C2PA 2.2), with the user's own key; evidence never is.

https://cv.iptc.org/newscodes/digitalsourcetype/; IPTC Photo Metadata Standard 2023.2.
"""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
from jaxtyping import UInt8

from oddpixel import __version__
from oddpixel.errors import UsageError
from oddpixel.files import plain_text, write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

# A report is data drawn by a program. Not algorithmicMedia, which is a picture out of a formula, and never
# trainedAlgorithmicMedia: both would declare the report's figures machine-made pictures.
COMPUTED = "http://cv.iptc.org/newscodes/digitalsourcetype/dataDrivenMedia"
LIBRARY_NAME = "C2PA_LIBRARY_NAME"
LIBRARIES = {"darwin": "libc2pa_c.dylib", "win32": "c2pa_c.dll"}
SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MEDIA_TYPES = {
    ".png": "image/png",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".tiff": "image/tiff",
    ".tif": "image/tiff",
}
LONGEST_SIDES = {"image/webp": 16383, "image/jpeg": 65500}  # pixels: of the formats, as Pillow writes them
TIFF_XMP, TIFF_DESCRIPTION = 700, 270  # TIFF 6.0, XMP part 3
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
<xmp:CreatorTool>{tool}</xmp:CreatorTool>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True)
class Signature:
    """The certificates and the key that sign a C2PA manifest.

    Arguments:
        certificates: PEM, the signer's first, then up to its root.
        key: the signer's private key, PEM without a password.
    """

    certificates: Path
    key: Path


def save_synthetic(
    path: Path, picture: UInt8[np.ndarray, "h w *c"], made_by: str, signature: Signature | None = None
) -> None:
    """Save a picture as PNG, JPEG, WebP or TIFF by its suffix, marked as synthetic in XMP and in a comment.

    Arguments:
        made_by: which model and seed.
        signature: of a C2PA manifest that declares the same.

    Raises: UsageError where the manifest cannot be signed, or the format does not take so large a picture.
    """
    from PIL import Image as Pillow

    check_sides(path.suffix, max(picture.shape[:2]))
    made_by = plain_text(made_by)
    comment = f"Synthetic image, made by OddPixel {__version__} ({made_by})."
    xmp = XMP.format(source=SYNTHETIC, tool=escape(f"OddPixel {__version__}: {made_by}"))
    written = io.BytesIO()
    kind = MEDIA_TYPES[path.suffix.lower()]
    Pillow.fromarray(picture).save(written, kind.removeprefix("image/"), **_marks(kind, xmp, comment))
    content = written.getvalue()
    if signature is not None:
        claim = _claim(path.name, SYNTHETIC)
        content = _signed(content, kind, claim, signature, path.name)
    write_whole(path, content)


def check_sides(suffix: str, longest: int) -> None:
    """Refuse a picture too large for its file format.

    Raises: UsageError where a format takes no picture with so long a side.
    """
    most = LONGEST_SIDES.get(MEDIA_TYPES[suffix.lower()])
    if most is not None and longest > most:
        raise UsageError(
            f"{suffix.removeprefix('.')} takes sides of up to {most} pixels, not {longest}; use png or tiff"
        )


def _marks(kind: str, xmp: str, comment: str) -> dict[str, Any]:
    from PIL.PngImagePlugin import PngInfo

    if kind == "image/png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp)
        info.add_text("Comment", comment)
        return {"pnginfo": info}
    if kind == "image/tiff":
        return {"tiffinfo": {TIFF_XMP: xmp.encode(), TIFF_DESCRIPTION: comment}, "compression": "tiff_deflate"}
    if kind == "image/webp":
        return {"xmp": xmp.encode(), "quality": 92}
    return {"xmp": xmp.encode(), "comment": comment, "quality": 95, "subsampling": 0}


def sign_report(pdf: Path, out: Path, certificates: Path, key: Path, title: str) -> None:
    """Write a copy of a PDF report that carries a C2PA manifest, signed by the user's key. Offline: no time authority is asked.

    Arguments:
        out: the copy; another file than `pdf`, which stays as it is.
        certificates: PEM, the signer's first, then up to its root. A certificate that signed itself is refused by C2PA.
        key: the signer's private key, PEM without a password: P-256, P-384, P-521, RSA (PSS) or Ed25519.
        title: of the report, in the manifest.

    Raises:
        UsageError: not a PDF, a certificate or key that cannot sign, a file that cannot be read or written, or no c2pa-python.
    """
    content = _content(pdf)
    if not content.startswith(b"%PDF"):
        raise UsageError(f"{pdf} is not a PDF: only reports are signed, never evidence")
    if out.exists() and out.samefile(pdf):
        raise UsageError(f"{out} is the report itself; name another file for the signed copy")
    signature = Signature(certificates, key)
    signed = _signed(content, "application/pdf", _claim(title, COMPUTED), signature, str(pdf))
    try:
        out.write_bytes(signed)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error


def _signed(content: bytes, kind: str, claim: dict[str, object], signature: Signature, name: str) -> bytes:
    """The same file with a C2PA manifest. Raises: UsageError."""
    try:
        c2pa = c2pa_library()
        algorithm, private = _signing_key(signature.key, signature.certificates)
    except ImportError as error:
        raise UsageError("signing needs c2pa-python: pip install 'oddpixel[c2pa]'") from error
    settings = {
        "builder": {"thumbnail": {"enabled": False}},
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    }
    signed = io.BytesIO()
    try:
        chain = c2pa.C2paSignerInfo(algorithm, _content(signature.certificates), private, None)
        with c2pa.Context.from_dict(settings) as context, c2pa.Signer.from_info(chain) as signer:
            c2pa.Builder(claim, context).sign(signer, kind, io.BytesIO(content), signed)
    except c2pa.C2paError as error:
        raise UsageError(f"{name} could not be signed with {signature.certificates}: {error}") from error
    return signed.getvalue()


def c2pa_library() -> ModuleType:
    """The module c2pa-python, with its shared library from its own folder.

    Left alone it loads `libc2pa_c.so` from the working directory if there is one (measured, 0.38.1): with somebody else's
    pictures in that directory, their code would run.

    Raises: ImportError.
    """
    spec = importlib.util.find_spec("c2pa")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("c2pa-python is not installed: pip install 'oddpixel[c2pa]'")
    library = Path(spec.submodule_search_locations[0]) / "libs" / LIBRARIES.get(sys.platform, "libc2pa_c.so")
    before = os.environ.get(LIBRARY_NAME)
    os.environ[LIBRARY_NAME] = str(library.absolute())
    try:
        return importlib.import_module("c2pa")
    except RuntimeError as error:
        raise ImportError(f"c2pa-python does not load: {error}") from error
    finally:
        os.environ.pop(LIBRARY_NAME)
        if before is not None:
            os.environ[LIBRARY_NAME] = before


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _claim(title: str, source: str) -> dict[str, object]:
    action = {"action": "c2pa.created", "digitalSourceType": source}
    return {
        "title": title,
        "claim_generator_info": [{"name": "OddPixel", "version": __version__}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }


def _signing_key(key: Path, certificates: Path) -> tuple[bytes, bytes]:
    """The C2PA name of the key's algorithm, and the key as PKCS#8, the one form that c2pa takes."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509 import load_pem_x509_certificates

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    try:
        private = serialization.load_pem_private_key(_content(key), password=None)
    except (ValueError, TypeError) as error:  # TypeError: it has a password
        raise UsageError(f"{key} holds no PEM private key that can be read without a password: {error}") from error
    try:
        leaf = load_pem_x509_certificates(_content(certificates))[0]
    except ValueError as error:
        raise UsageError(f"{certificates} holds no PEM certificates: {error}") from error
    encodings = [
        key.public_bytes(serialization.Encoding.PEM, form) for key in (leaf.public_key(), private.public_key())
    ]
    if encodings[0] != encodings[1]:
        raise UsageError(f"{key} is not the key of the first certificate in {certificates}")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return _algorithm(private, key), private.private_bytes(pem, pkcs8, serialization.NoEncryption())


def _algorithm(private: PrivateKeyTypes, key: Path) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    curves = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}
    if isinstance(private, rsa.RSAPrivateKey):
        return b"ps256"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in curves:
        return curves[private.curve.name]
    raise UsageError(f"{key} is of a kind that C2PA does not sign with: use P-256, P-384, P-521, RSA or Ed25519")
