"""From a command's words to files: pictures of a cascade, marked as synthetic, and a record of how they were made."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oddpixel.errors import OddPixelError, UsageError
from oddpixel.image import Image
from oddpixel.provenance import save_synthetic

from .cascade import load_cascade
from .official.load import from_official
from .pipeline import OnStep, SamplingOptions, UltraPixelPipeline

SCHEMA = "oddpixel/generate/1"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be made.

    Arguments:
        asked: a label or text, or None.
        number: pictures, with seeds from `seed` on.
        reference: a place; its layout guides the picture.
        image: a place; the picture starts from it, with noise of `strength`.
        steps: of both passes of stage C; as the cascade has them where None.
    """

    asked: str | None
    size: tuple[int, int]
    number: int = 1
    seed: int = 0
    instead: str | None = None
    reference: str | None = None
    image: str | None = None
    strength: float = 1.0
    steps: int | None = None


def make(
    order: Order,
    cascade: str | Path | None,
    official: Path | None,
    out: Path,
    on_step: OnStep,
    device: str = "cpu",
    offload: bool = False,
) -> list[dict[str, Any]]:
    """Write the pictures one by one, and `generate.json`. What was made before an error is kept.

    Raises: UsageError, NotEnoughMemory, ModelError, UnreadableInput.
    """
    pipeline, options = _pipeline(order, cascade, official, device, offload)
    reference, image = (None if place is None else _picture(place) for place in (order.reference, order.image))
    out.mkdir(parents=True, exist_ok=True)
    made: list[dict[str, Any]] = []
    name = Path(official or cascade or "").name
    for seed in range(order.seed, order.seed + order.number):
        found = pipeline(
            [order.asked],
            size=order.size,
            seeds=[seed],
            instead=None if order.instead is None else [order.instead],
            reference=reference,
            image=image,
            strength=order.strength,
            options=options,
            on_step=on_step,
        )
        path = out / f"{seed:06d}.png"
        save_synthetic(path, found.pictures[0], f"cascade {name}, seed {seed}, {_said(order)}")
        made.append({"item": path.name, "seed": seed, "synthetic": True})
        content = {
            "schema": SCHEMA,
            "cascade": name,
            "order": dataclasses.asdict(order),
            "facts": _plain(pipeline.facts),
            "items": made,
        }
        (out / "generate.json").write_text(json.dumps(content, indent=2) + "\n")
    return made


def _pipeline(
    order: Order, cascade: str | Path | None, official: Path | None, device: str, offload: bool
) -> tuple[UltraPixelPipeline, SamplingOptions]:
    if official is not None:
        pipeline, options = from_official(official, device=device, offload=offload), SamplingOptions()
    elif cascade is None:
        raise UsageError("name a cascade with --cascade, or a folder of released weights with --official")
    else:
        loaded = load_cascade(cascade)
        pipeline, options = loaded.pipeline(device, offload), loaded.sampling(order.size)
    if order.steps is not None:
        low, high = (dataclasses.replace(way, steps=order.steps) for way in (options.low, options.high))
        options = dataclasses.replace(options, low=low, high=high)
    return pipeline, options


def _picture(place: str) -> Float[Tensor, "1 3 _h _w"]:
    """The one image of a place. Raises: UnreadableInput, UsageError."""
    from oddpixel.datasets.source import open_source

    found = list(open_source(place))
    if len(found) != 1:
        raise UsageError(f"{place} holds {len(found)} images; name one")
    if not isinstance(found[0], Image):
        error: OddPixelError = found[0].error
        raise error
    if found[0].unit != "display":
        raise UsageError(f"{place} is in {found[0].unit}; references are display images")
    pixels = found[0].pixels
    channels = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
    return torch.from_numpy(np.ascontiguousarray(channels))[None]


def _said(order: Order) -> str:
    parts: Sequence[tuple[str, Any]] = (
        ("asked for", order.asked),
        ("instead of", order.instead),
        ("reference", order.reference and Path(order.reference).name),
        ("image", order.image and Path(order.image).name),
    )
    return ", ".join(f"{name} {value}" for name, value in parts if value) or "nothing asked for"


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Hashes of released files, without the folders they lie in."""
    files = facts.get("files", {})
    return {kind: {"file": Path(each["path"]).name, "sha256": each["sha256"]} for kind, each in files.items()}
