"""A model folder: `model.json` (what it is), `model.safetensors` (weights), `README.md` (the card). Never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from oddpixel.devices import device_named
from oddpixel.envelope import plain
from oddpixel.errors import CorruptWeights, MissingWeights, WrongArchitecture
from oddpixel.records import read_record
from oddpixel.weights import load_weights, read_weights

from .card import write_card
from .flat import Flat
from .model import DensityModel
from .model_schema import MODEL
from .pyramid import Pyramid

SCHEMA = "oddpixel/model/1"
MOST_BEYOND = 4  # numbers that a description may promise for one that the weights hold


KINDS: dict[str, Callable[[dict[str, Any]], DensityModel]] = {kind.kind: kind.from_options for kind in (Flat, Pyramid)}


def build(options: dict[str, Any]) -> DensityModel:
    """The model that `{kind, ...}` describes, with fresh weights. Raises: WrongArchitecture."""
    kind = str(options.get("kind"))
    if kind not in KINDS:
        raise WrongArchitecture(f"no density model is of kind {kind!r}; there are {', '.join(KINDS)}")
    try:
        return KINDS[kind](options)
    except (TypeError, ValueError, KeyError) as error:
        raise WrongArchitecture(f"the model's options do not fit together: {error}") from error


def save_model(folder: Path, model: DensityModel, record: dict[str, Any]) -> None:
    """Write the three files. `record` holds what the card tells: data, training, figures."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.weights.state_dict().items()}
    temporary = folder / ".model.safetensors.tmp"
    save_file(weights, temporary)
    temporary.replace(folder / "model.safetensors")
    content = {
        "schema": SCHEMA,
        **model.describe(),
        "weights_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "record": record,
    }
    (folder / "model.json").write_text(json.dumps(plain(content), indent=2, allow_nan=False) + "\n")
    write_card(folder / "README.md", plain(content))


def load_model(name: str | Path, device: str = "cpu") -> DensityModel:
    """A model by folder, or by the name of a bundled one, in evaluation mode, on a device (`oddpixel.devices`).

    Raises: UsageError (no such device), MissingWeights, CorruptWeights, UnsafeWeights, WrongArchitecture.
    """
    on, folder = device_named(device), find_model(name)
    options = read_record(folder / "model.json", MODEL, CorruptWeights)
    weights = read_weights(folder / "model.safetensors")
    _check_size(options, weights, folder)
    model = build(options)
    load_weights(model.weights, weights)
    model.weights.eval()
    if isinstance(model, nn.Module):
        model.to(on)
    return model


def _check_size(options: dict[str, Any], weights: dict[str, Tensor], folder: Path) -> None:
    """Widths and blocks that the file of weights is far too small for are refused before a network is built of them.

    Raises: WrongArchitecture.
    """
    network = options["network"]
    width = max(int(network.get(name) or 0) for name in ("width", "base_width", "channels"))
    blocks = max(int(network.get(name) or 0) for name in ("num_blocks", "base_blocks", "num_res_blocks"))
    held = sum(value.numel() for value in weights.values())
    if width * width * max(blocks, 1) > MOST_BEYOND * max(held, 1):
        raise WrongArchitecture(
            f"{folder / 'model.json'} describes a network {width} wide with {blocks} blocks; its weights hold {held} numbers"
        )


def find_model(name: str | Path) -> Path:
    """The folder of a model, given its path or a bundled model's name.

    Raises: MissingWeights, naming the bundled models.
    """
    bundled = files("oddpixel.forensics").joinpath("weights")
    for folder in (Path(name), Path(str(bundled)) / str(name)):
        if (folder / "model.json").is_file():
            return folder
    names = sorted(item.parent.name for item in Path(str(bundled)).glob("*/model.json"))
    raise MissingWeights(
        f"no model {str(name)!r}: neither a folder with a model.json nor one of {', '.join(names) or 'none'}"
    )


def load_flat(name: str | Path) -> Flat:
    """A model by name or folder that must be a flat one. Raises: WrongArchitecture."""
    model = load_model(name)
    if not isinstance(model, Flat):
        raise WrongArchitecture(f"{name} is a pyramid; this needs a flat model")
    return model


def load_pyramid(name: str | Path | Pyramid) -> Pyramid:
    """A pyramid by name or folder, or the caller's own. Raises: WrongArchitecture."""
    model: DensityModel = name if isinstance(name, Pyramid) else load_model(name)
    if not isinstance(model, Pyramid):
        raise WrongArchitecture(f"{name} is a flat model; this needs a pyramid, such as photo-rgb")
    return model


def load_official(path: Path, options: dict[str, Any]) -> Flat:
    """A checkpoint of the reference implementation into the model that `options` describes. Raises: ModelError."""
    model = Flat.from_options(options)
    load_weights(model.network, read_weights(path))
    return model.eval()
