"""Small additions to a cascade, each in a folder of its own (`model.json`, `model.safetensors`): a style, or a control.

    style     low-rank adaptation of stage C's attention (`lora`), from some pictures of one kind
    edges     stage C follows the edges of a picture (`control`)
    mask      stage C makes what a mask hides of a picture

An adapter knows the cascade that it was trained on by its hash; on another it would act at random.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from oddpixel.errors import CorruptWeights, UsageError, WrongArchitecture
from oddpixel.records import read_record
from oddpixel.weights import check_finite, read_weights, sha256_of

from . import lora
from .cascade import Cascade
from .control import ControlNetwork, edges, masked

Kind = Literal["style", "edges", "mask"]
SCHEMA = "oddpixel/adapter/1"
CHANNELS = {"edges": 1, "mask": 4}
ADAPTER: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "options", "cascade_sha256", "record"],
    "properties": {
        "schema": {"const": SCHEMA},
        "cascade_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "options": {
            "type": "object",
            "required": ["kind"],
            "additionalProperties": False,
            "properties": {
                "kind": {"enum": ["style", "edges", "mask"]},
                "rank": {"type": "integer", "minimum": 1, "maximum": 256},
                "hidden": {"type": "integer", "minimum": 1, "maximum": 256},
            },
        },
        "record": {"type": "object"},
    },
}


@dataclass(frozen=True, kw_only=True)
class AdapterOptions:
    """What kind of adapter to build, and how large.

    Arguments:
        rank: of a style's low-rank matrices.
        hidden: channels of a control's first convolution.
    """

    kind: Kind
    rank: int = 8
    hidden: int = 12


class Adapter(nn.Module):
    """An adapter joined to a cascade, whose own weights it leaves unchanged.

    Arguments:
        cascade: its stage C is adapted in place by a style.

    `name` and `sha256` are those of the folder that it came from.
    """

    name, sha256 = "", ""

    def __init__(self, options: AdapterOptions, cascade: Cascade) -> None:
        super().__init__()
        self.options, self._unet = options, (cascade.c.unet,)
        self.network: ControlNetwork | None = None
        if options.kind == "style":
            lora.add(cascade.c.unet, options.rank)
        else:
            cascade.requires_grad_(False)
            self.network = ControlNetwork(CHANNELS[options.kind], cascade.options.c.widths[0], options.hidden)

    @property
    def facts(self) -> dict[str, str]:
        """Kind, name and hash, for the record of a picture."""
        return {"kind": self.options.kind, "name": self.name, "sha256": self.sha256}

    def tensors(self) -> dict[str, Tensor]:
        """The trained tensors by name: low-rank matrices of a style, weights of a control network."""
        return lora.weights(self._unet[0]) if self.network is None else dict(self.network.state_dict())

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Set the trained tensors. Raises: UsageError, RuntimeError where the tensors are another adapter's."""
        if self.network is None:
            lora.load(self._unet[0], tensors)
        else:
            self.network.load_state_dict(tensors)

    def shown(
        self, pictures: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"] | None = None
    ) -> Float[Tensor, "b _c h w"]:
        """The control network's input for pictures in 0..1: edges, or the masked picture and its mask. Raises: UsageError."""
        if self.options.kind == "edges":
            return edges(pictures)
        if mask is None:
            raise UsageError("this adapter fills what a mask hides: give the mask with --mask")
        return masked(pictures, mask)


def save_adapter(folder: Path, adapter: Adapter, cascade_sha256: str, record: dict[str, Any]) -> None:
    """Write the adapter's tensors in half precision, and `model.json` beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.half().cpu().contiguous() for name, value in adapter.tensors().items()},
        folder / "model.safetensors",
    )
    content = {
        "schema": SCHEMA,
        "options": asdict(adapter.options),
        "cascade_sha256": cascade_sha256,
        "record": record,
    }
    (folder / "model.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def load_adapter(folder: Path, cascade: Cascade, cascade_sha256: str) -> Adapter:
    """Load an adapter onto the cascade that it was trained on.

    Raises: MissingFile, CorruptWeights, WrongArchitecture where it was trained on another cascade.
    """
    content = read_record(folder / "model.json", ADAPTER, CorruptWeights)
    if content["cascade_sha256"] != cascade_sha256:
        raise WrongArchitecture(
            f"{folder} was trained on the cascade {content['cascade_sha256'][:12]}, not on {cascade_sha256[:12]}; use that one "
            "with --cascade, or train the adapter again"
        )
    adapter = Adapter(AdapterOptions(**content["options"]), cascade)
    tensors = {name: value.float() for name, value in read_weights(folder / "model.safetensors").items()}
    check_finite(tensors, str(folder))
    try:
        adapter.load(tensors)
    except (UsageError, RuntimeError, KeyError) as error:
        raise CorruptWeights(f"{folder} does not hold the tensors that its model.json describes: {error}") from error
    adapter.name, adapter.sha256 = folder.name, sha256_of(folder / "model.safetensors")
    return adapter.eval()


def drawn_masks(count: int, side: int, generator: torch.Generator) -> Float[Tensor, "b 1 s s"]:
    """Random rectangular masks, sides of a fifth to seven tenths of `side`; 1 is hidden."""
    device = generator.device
    centres, halves = torch.rand(2, count, 2, 1, generator=generator, device=device)
    places = (torch.arange(side, device=device) + 0.5) / side
    inside = (places - centres).abs() < 0.1 + 0.25 * halves
    result: Float[Tensor, "b 1 s s"] = (inside[:, 0, :, None] & inside[:, 1, None, :]).float()[:, None]
    return result
