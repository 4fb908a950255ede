"""`config.json` and `preprocessor_config.json` of an encoder's folder, read as data: whatever they say, it is checked first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oddpixel import records
from oddpixel.errors import CorruptWeights, MissingWeights

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
LARGEST = 1_000_000  # of any number in a configuration; vocabularies are the largest that occur
MOST_LAYERS = 512
OBJECT: dict[str, Any] = {"type": "object"}
THREE = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
APPEARANCE: dict[str, Any] = {"type": "object", "properties": {"image_mean": THREE, "image_std": THREE}}


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration. Raises: MissingWeights, CorruptWeights where it would allocate or run what no encoder needs."""
    path = folder / CONFIG
    if not path.is_file():
        raise MissingWeights(
            f"{folder} has no {CONFIG}; name the folder of an encoder as transformers or timm saves it"
        )
    config = records.read_record(path, OBJECT, CorruptWeights)
    _check(config, path)
    return config


def _check(value: Any, path: Path, name: str = "") -> None:
    """Raises: CorruptWeights for a number that is too large."""
    if isinstance(value, dict):
        for key, each in value.items():
            _check(each, path, str(key))
    elif isinstance(value, list):
        for each in value:
            _check(each, path, name)
    elif isinstance(value, int | float):
        most = MOST_LAYERS if "layers" in name or name == "depth" else LARGEST
        if not abs(value) <= most:
            raise CorruptWeights(f"{path}: {name} is {value}, more than any encoder has")


def appearance(folder: Path) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation that the network's pictures had; ImageNet's where the folder does not say. Raises: CorruptWeights."""
    path = folder / PREPROCESSOR
    if not path.is_file():
        return IMAGENET_MEAN, IMAGENET_DEVIATION
    said = records.read_record(path, APPEARANCE, CorruptWeights)
    deviation = said.get("image_std", IMAGENET_DEVIATION)
    if min(deviation) <= 0:
        raise CorruptWeights(f"{path}: image_std is {deviation}")
    return said.get("image_mean", IMAGENET_MEAN), deviation
