"""A cascade of our own training: all parts in one folder (`model.json`, `model.safetensors`, `README.md`).

Weights are stored in half precision and computed with in full; bundled cascades lie under `generation/weights/NAME/`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import nn

from oddpixel.errors import CorruptWeights, MissingWeights, WrongArchitecture
from oddpixel.records import read_record
from oddpixel.weights import check_finite, load_weights, read_weights, sha256_of

from .card import write_card
from .cascade_schema import CASCADE
from .conditions.label import LabelConditioner
from .conditions.reference import ReferenceConditioner
from .growing import Growth
from .guidance.guided import GuidanceNetworks, GuidedStageC
from .guidance.implicit import ImplicitGuidance, ImplicitOptions
from .guidance.strength import full
from .pipeline import PassOptions, SamplingOptions, UltraPixelPipeline
from .sampler import Guidance
from .sizes import Geometry
from .stages.components import ComponentEncoder
from .stages.stage_a import StageA, StageAOptions
from .stages.stage_b import StageBOptions, build_stage_b
from .stages.stage_c import StageCOptions, build_stage_c

SCHEMA = "oddpixel/cascade/1"
BUNDLED = "cascade"
LOW_STEPS, HIGH_STEPS, DECODE_STEPS = 16, 12, 10
LABEL_SCALE = 1.5  # of guidance without a classifier
TRAINED_SIDE = 512  # pixels of the largest pictures that guidance is trained on


@dataclass(frozen=True, kw_only=True)
class CascadeOptions:
    """The architecture of a cascade: options of its stages, its grids and its labels.

    Arguments:
        labels: what a prompt may ask for by name.
        slots: text tokens that a label is embedded into.
    """

    a: StageAOptions = field(default_factory=StageAOptions)
    b: StageBOptions = field(default_factory=StageBOptions)
    c: StageCOptions = field(default_factory=StageCOptions)
    guidance: ImplicitOptions = field(default_factory=ImplicitOptions)
    geometry: Geometry = field(default_factory=Geometry)
    labels: tuple[str, ...] = ()
    slots: int = 8

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> CascadeOptions:
        """Parse the options of a model.json. Raises: WrongArchitecture."""
        kinds = {
            "a": StageAOptions,
            "b": StageBOptions,
            "c": StageCOptions,
            "guidance": ImplicitOptions,
            "geometry": Geometry,
        }
        try:
            parts = {name: kind(**_tuples(content.get(name, {}))) for name, kind in kinds.items()}
            return cls(**parts, labels=tuple(content.get("labels", ())), slots=content.get("slots", 8))
        except TypeError as error:
            raise WrongArchitecture(f"the cascade's options do not fit together: {error}") from error

    def shift(self, grid: tuple[int, int]) -> float:
        """The schedule's shift for a grid of stage C: noise grows with its side, as pixels of a place grow together."""
        result: float = max((grid[0] * grid[1]) ** 0.5 / self.geometry.base, 1.0)
        return result


class Cascade(nn.Module):
    """Every network of a cascade, with fresh weights."""

    def __init__(self, options: CascadeOptions) -> None:
        super().__init__()
        self.options = options
        self.folder = Path()
        self.a, self.b = StageA(options.a), build_stage_b(options.b)
        side = int(options.geometry.compression) // options.a.reduction
        self.encoder = ComponentEncoder(self.a, options.c.channels, side)
        unet = build_stage_c(options.c)
        self.c = GuidedStageC(unet, GuidanceNetworks(options.guidance, on_the_way_up=full))
        labels = LabelConditioner(
            options.labels, text=options.c.text, pooled=options.c.pooled, picture=options.c.picture, slots=options.slots
        )
        self.labels = labels
        self.b.initialise()
        unet.initialise()
        assert self.c.networks is not None
        for network in self.c.networks.at.values():
            cast(ImplicitGuidance, network).silence()

    def pipeline(self, device: torch.device | str = "cpu", offload: bool = False) -> UltraPixelPipeline:
        """A sampling pipeline over these networks; `offload` keeps those not in use on the CPU."""
        conditioner = ReferenceConditioner(self.labels, self.encoder)
        return UltraPixelPipeline(
            self.c, self.b, self.a, self.encoder, conditioner.eval(), self.options.geometry, device, offload
        )

    def sampling(self, size: tuple[int, int], *, grows: bool = True) -> SamplingOptions:
        """Sampling options for pictures of this size, schedules shifted as in training.

        Few steps without fresh noise keep the contrast that DDPM's lose. The label guides the low-resolution pass, which
        guides the other.

        Arguments:
            grows: large pictures from smaller ones, as `growing` has it; not where an image or controls of the whole size act.
        """
        geometry = self.options.geometry
        tile = geometry.semantic((TRAINED_SIDE, TRAINED_SIDE))
        growth = Growth(side=TRAINED_SIDE, steps=HIGH_STEPS, shift=self.options.shift(tile)) if grows else None
        size = size if growth is None else growth.sizes(size)[0]
        low, high = (
            PassOptions(steps=count, shift=self.options.shift(grid), guidance=Guidance(scale=scale), eta=0.0)
            for count, scale, grid in (
                (LOW_STEPS, LABEL_SCALE, geometry.low(size)),
                (HIGH_STEPS, 1.0, geometry.semantic(size)),
            )
        )
        decode = PassOptions(steps=DECODE_STEPS, guidance=Guidance(scale=1.0))
        return SamplingOptions(low=low, high=high, decode=decode, growth=growth, keeps_colours=True)


def save_cascade(folder: Path, cascade: Cascade, record: dict[str, Any]) -> None:
    """Write weights in half precision, model.json and the model card into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = cascade.state_dict()
    half = {n: (v.half() if v.is_floating_point() else v).cpu().contiguous() for n, v in weights.items()}
    temporary = folder / ".model.safetensors.tmp"
    save_file(half, temporary)
    temporary.replace(folder / "model.safetensors")
    content = {
        "schema": SCHEMA,
        "kind": "cascade",
        "options": asdict(cascade.options),
        "weights_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "record": record,
    }
    (folder / "model.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    write_card(folder / "README.md", content)


def load_cascade(name: str | Path = BUNDLED) -> Cascade:
    """Load a cascade by its folder, or by the name of a bundled one, in evaluation mode.

    Raises: MissingWeights, CorruptWeights, WrongArchitecture.
    """
    folder = find_cascade(name)
    content = read_content(folder)
    weights = read_weights(folder / "model.safetensors")
    if sha256_of(folder / "model.safetensors") != content["weights_sha256"]:
        raise CorruptWeights(f"the weights of {folder} are not those that its model.json describes (SHA-256)")
    check_finite(weights, str(folder))
    options = CascadeOptions.from_json(content["options"])
    with torch.device("meta"):  # the weights must fit before anything is allocated for them
        load_weights(_built(options), {n: v.to("meta") for n, v in weights.items()}, f"the weights of {folder}")
    cascade = _built(options)
    load_weights(cascade, {n: v.float() if v.is_floating_point() else v for n, v in weights.items()})
    cascade.folder = folder
    return cascade.eval()


def _built(options: CascadeOptions) -> Cascade:
    """A cascade of these options, with fresh weights.

    Raises: WrongArchitecture where the options do not make a network.
    """
    try:
        return Cascade(options)
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise WrongArchitecture(f"the cascade's options do not fit together: {error}") from error


def read_content(folder: Path) -> dict[str, Any]:
    """Read and validate a cascade's model.json. Raises: CorruptWeights, WrongArchitecture."""
    content = read_record(folder / "model.json", CASCADE, CorruptWeights)
    if content["schema"] != SCHEMA:
        raise WrongArchitecture(f"{folder} is not a cascade (schema {content['schema']!r}, expected {SCHEMA!r})")
    return content


def find_cascade(name: str | Path) -> Path:
    """The folder of a cascade: the path itself, or a bundled cascade of this name.

    Raises: MissingWeights, naming the bundled cascades.
    """
    bundled = Path(str(files("oddpixel.generation").joinpath("weights")))
    for folder in (Path(name), bundled / str(name)):
        if (folder / "model.json").is_file():
            return folder
    names = sorted(item.name for item in bundled.iterdir() if item.is_dir()) if bundled.is_dir() else []
    available = ", ".join(names) or "none is installed"
    raise MissingWeights(
        f"unknown cascade {str(name)!r}: it is neither a folder with a model.json nor a bundled cascade ({available}); train "
        "one with: oddpixel train --recipe cascade -o FOLDER, and use it with --cascade FOLDER"
    )


def _tuples(options: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
