"""`oddpixel doctor`: versions, codecs, confinement and devices; what is missing and how to get it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from oddpixel import __version__

# Code under licences that OddPixel does not depend on, so it stays opt-in.
OPTIONAL = {"pylibjpeg-libjpeg": "a GPL-3.0 codec, not needed: pip install 'oddpixel[gpl-codecs]'"}
MODULE_OF = {"opencv-python-headless": "cv2", "pillow": "PIL", "scikit-learn": "sklearn", "python-gdcm": "gdcm"}


def examine() -> dict[str, Any]:
    """The sections of rows `{name, state: ok | optional | missing, detail}`, and a summary line."""
    sections = {
        "versions": _versions(), "codecs": _codecs(), "audit": _audit(), "sandbox": _sandbox(), "devices": _devices(),
    }  # fmt: skip
    missing = [row["name"] for rows in sections.values() for row in rows if row["state"] == "missing"]
    summary = f"missing: {', '.join(missing)}" if missing else "everything OddPixel needs is here"
    return {**sections, "summary": summary}


def _row(name: str, ok: bool, detail: str, *, optional: bool = False) -> dict[str, str]:
    return {"name": name, "state": "ok" if ok else ("optional" if optional else "missing"), "detail": detail}


def _versions() -> list[dict[str, str]]:
    rows = [
        _row("oddpixel", True, __version__),
        _row("python", sys.version_info >= (3, 11), platform.python_version()),
        _row("platform", True, platform.platform()),
    ]
    for requirement in requires("oddpixel") or []:
        if "extra ==" not in requirement:
            name = requirement.split(">")[0].split("<")[0].split("=")[0].strip()
            rows.append(_package(name))
    return rows


def _package(name: str) -> dict[str, str]:
    try:
        return _row(name, True, version(name))
    except PackageNotFoundError:
        return _row(name, False, f"pip install {name}")


def _audit() -> list[dict[str, str]]:
    """What an audit uses where it is there."""
    packages = {
        "c2pa-python": "C2PA manifests, signed reports: pip install 'oddpixel[c2pa]'",
        "reportlab": "reports as PDF: pip install 'oddpixel[pdf]'",
    }
    rows = []
    for name, hint in packages.items():
        package = _package(name)
        rows.append(package if package["state"] == "ok" else _row(name, False, hint, optional=True))
    program = shutil.which("exiftool")
    return [
        *rows,
        _row(
            "ExifTool", program is not None, program or "more metadata: Debian's libimage-exiftool-perl", optional=True
        ),
    ]


def _codecs() -> list[dict[str, str]]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import AllTransferSyntaxes

    from oddpixel.datasets import jpeg12

    jpeg12.register()
    rows = []
    for syntax in AllTransferSyntaxes:
        try:
            decoder = get_decoder(syntax)
        except NotImplementedError:
            continue
        detail = ", ".join(decoder.available_plugins) or (
            "built in" if decoder.is_available else "; ".join(decoder.missing_dependencies)
        )
        rows.append(_row(f"DICOM {syntax.name.split(':')[0]}", decoder.is_available, detail, optional=True))
    heic = importlib.util.find_spec("pi_heif") is not None
    rows.append(_row("HEIC", heic, "pi-heif" if heic else "pip install pi-heif"))
    rows += _image_codecs()
    for name, hint in OPTIONAL.items():
        try:
            rows.append(_row(name, True, version(name)))
        except PackageNotFoundError:
            rows.append(_row(name, False, hint, optional=True))
    return rows


def _image_codecs() -> list[dict[str, str]]:
    import imagecodecs
    from PIL import features

    hint = "pip install -U imagecodecs pillow"
    names = {"AVIF": "AVIF", "JPEG XL": "JPEGXL", "JPEG 2000": "JPEG2K", "colour profiles of every depth": "CMS"}
    there = {shown: bool(getattr(imagecodecs, name).available) for shown, name in names.items()}
    there["AVIF"] = there["AVIF"] and bool(features.check("avif"))
    return [_row(shown, ok, "imagecodecs" if ok else hint) for shown, ok in there.items()]


def _sandbox() -> list[dict[str, str]]:
    from oddpixel.datasets.limits import Limits
    from oddpixel.datasets.sandbox import SandboxedDecoder

    decoder = SandboxedDecoder(Limits(), b"doctor")
    try:
        held = decoder.start()
    finally:
        decoder.close()
    explain = {
        "no_new_privileges": "a decoder cannot gain privileges",
        "no_network": "a decoder has no network; needs root or user namespaces",
        "no_file_writes": "a decoder cannot touch the file system; needs Linux 5.13 with Landlock",
    }
    limits = _row("resource limits", True, "memory, processor time, no file growth, few open files")
    return [limits, *(_row(name, ok, explain[name], optional=True) for name, ok in held.items())]


def _devices() -> list[dict[str, str]]:
    import torch

    rows = [_row("cpu", True, f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads")]
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    rows += [_row(f"cuda:{i}", True, torch.cuda.get_device_name(i)) for i in range(count)]
    if not count:
        rows.append(_row("cuda", False, "no GPU seen; everything runs on the CPU", optional=True))
    return rows
