"""Encoders by name, and what a detector keeps of one: the files that it was made with, so that it works on another machine."""

from __future__ import annotations

import hashlib
import shutil
from importlib.resources import files
from pathlib import Path

import torch
from torch import nn

from oddpixel.encoders import EFFICIENTNET_LITE0, is_path, load_encoder
from oddpixel.errors import MissingWeights

BUNDLED = Path(str(files("oddpixel.forensics").joinpath("weights", EFFICIENTNET_LITE0, "model.safetensors")))
OWN = "encoder"  # the folder of a detector that holds its encoder


def encoder_named(name: str, device: str | torch.device = "cpu") -> nn.Module:
    """The encoder of that name. Raises: UsageError, MissingWeights, CorruptWeights, WrongArchitecture."""
    return load_encoder(name, BUNDLED, device)


def keep(name: str, detector: Path) -> tuple[str, str | None]:
    """Copy an encoder's files into a detector's folder.

    Returns: its name there, and the digest of its files; the name as it is, and None, for one without files of its own.

    Raises: MissingWeights, CorruptWeights.
    """
    if not is_path(name):
        return name, None
    kept = detector / OWN
    kept.mkdir()
    for path in files_of(Path(name)):
        shutil.copyfile(path, kept / path.name)
    own = OWN if Path(name).is_dir() else f"{OWN}/{Path(name).name}"
    return own, digest(detector / own)


def kept(named: str, detector: Path) -> str | None:
    """The path of the encoder that a detector's record names, where it is one of its files."""
    first, _, name = named.partition("/")
    if first != OWN or "/" in name or name in (".", ".."):
        return None
    return str(detector / OWN / name if name else detector / OWN)


def digest(path: Path) -> str:
    """SHA-256 over an encoder's files and their names. Raises: MissingWeights, CorruptWeights."""
    sums = hashlib.sha256()
    for each in files_of(path):
        with each.open("rb") as file:
            sums.update(f"{each.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return sums.hexdigest()


def files_of(path: Path) -> list[Path]:
    """All that the encoder at a path is read from. Raises: MissingWeights, CorruptWeights."""
    from oddpixel.encoders import configuration, onnx_file, transformers_folder

    if path.is_dir():
        candidates = [path / name for name in transformers_folder.FILES]
    else:
        candidates = [*onnx_file.files(path), path.parent / configuration.PREPROCESSOR]
    if missing := [each for each in candidates if not each.is_file() and each.name != configuration.PREPROCESSOR]:
        raise MissingWeights(f"the encoder lacks {missing[0]}")
    return [each for each in candidates if each.is_file()]
