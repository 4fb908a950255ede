"""From a request to files: pictures of a cascade, marked as synthetic, each with a record of how it was made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from oddpixel.errors import UsageError
from oddpixel.provenance import Signature

from .adapter import Adapter, load_adapter
from .cascade import BUNDLED, load_cascade, read_content
from .control_inputs import ControlInputs
from .given import Given
from .official.load import from_official
from .outputs import Outputs
from .pipeline import OnStep, SamplingOptions, UltraPixelPipeline
from .references import Reference, size_like
from .request import PLACES, STRENGTH, Request
from .sizes import Grid

logger = logging.getLogger(__name__)
DEFAULT_SIZE = (512, 512)
STRETCHED = 1.05  # as high, or as wide, as things were: from here on it is said
LEAST_LIKE = 1.45  # sides of the low-resolution pass: what guidance was trained on
LABEL_OF_UNIT = {"HU": "ct"}


@dataclass(frozen=True, eq=False)
class Synthetic:
    """A generated picture.

    Arguments:
        pixels: sRGB, or grey levels three times.
        record: seed, cascade and its hash, request and reference, as written beside the file.
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    record: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Generator:
    """A cascade that is ready to make pictures.

    Arguments:
        name, sha256: of the cascade.
        labels: prompts that it understands; none where it reads text.
        adapter: a style or a control that was added to it.
    """

    pipeline: UltraPixelPipeline
    name: str
    sha256: str
    labels: tuple[str, ...] = ()
    cascade: Any = None
    adapter: Adapter | None = None

    @classmethod
    def load(
        cls,
        cascade: str | Path = BUNDLED,
        official: Path | None = None,
        device: str = "cpu",
        offload: bool = False,
        adapter: Path | None = None,
    ) -> Generator:
        """A bundled cascade, a folder that `oddpixel train` wrote, or released weights. Raises: ModelError, UsageError."""
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise UsageError(f"the device {device!r} is not available here; use cpu") from error
        if official is not None:
            if adapter is not None:
                raise UsageError("adapters work with cascades trained by OddPixel, not with released weights")
            pipeline = from_official(official, device=device, offload=offload)
            digests = sorted(file["sha256"] for file in pipeline.facts["files"].values())
            return cls(pipeline, official.name, hashlib.sha256("".join(digests).encode()).hexdigest())
        loaded = load_cascade(cascade)
        sha256 = read_content(loaded.folder)["weights_sha256"]
        added = None if adapter is None else load_adapter(adapter, loaded, sha256).to(device)
        return cls(loaded.pipeline(device, offload), Path(cascade).name, sha256, loaded.options.labels, loaded, added)

    def make(
        self,
        request: Request,
        on_step: OnStep = lambda part, done, total: None,
        given: Given | None = None,
    ) -> Iterator[Synthetic]:
        """Generate the pictures of a request, one by one.

        Arguments:
            given: the images that the request names, where the caller has read them already.

        Raises: UsageError, NotEnoughMemory, UnreadableInput.
        """
        given = given or Given.read(request)
        like, image, shown = given.like, given.image, given.shown
        size = self.size(request, shown)
        least = self._least_like
        if like is not None and size[0] * size[1] < least**2:
            raise UsageError(
                f"a picture like another needs an area of {least} x {least} pixels or more, got {size[0]} x {size[1]}: "
                "smaller ones do not keep its layout"
            )
        if shown is not None and not 1 / STRETCHED < (factor := shown.stretched(size)) < STRETCHED:
            logger.warning(
                "things get %.2f times as %s as they are in %s; without --size its proportions are kept",
                max(factor, 1 / factor), "high" if factor > 1 else "wide", shown.name,
            )  # fmt: skip
        prompt = self._prompt(request, shown)
        controls = ControlInputs.of(self.adapter, given.control, given.mask, size)
        for seed in range(request.seed, request.seed + request.count):
            output = self.pipeline(
                [prompt],
                size=size,
                seeds=[seed],
                negative_prompts=None if request.negative_prompt is None else [request.negative_prompt],
                reference=None if like is None else like.pixels,
                image=None if image is None else image.pixels,
                strength=1.0 if image is None else request.strength or STRENGTH,
                controls=controls.roles,
                options=self._options(request, size),
                on_step=on_step,
            )
            yield Synthetic(controls.blend(output.pictures[0]), self._record(request, seed, size, shown, prompt))

    def size(self, request: Request, shown: Reference | None) -> Grid:
        """Height and width of the pictures that a request will give."""
        return request.size or (DEFAULT_SIZE if shown is None else size_like(shown.size))

    @property
    def options_sha256(self) -> str | None:
        """Hash of the options: the same weights under other labels or another geometry make other pictures."""
        if self.cascade is None:
            return None
        options = json.dumps(dataclasses.asdict(self.cascade.options), sort_keys=True)
        return hashlib.sha256(options.encode()).hexdigest()

    @property
    def _least_like(self) -> int:
        """Pixels a side that guidance needs to act as it was trained."""
        geometry = self.pipeline.geometry
        return round(LEAST_LIKE * geometry.base * geometry.compression)

    def __str__(self) -> str:
        added = "" if self.adapter is None else f" with {self.adapter.name} {self.adapter.sha256[:12]}"
        return f"cascade {self.name} {self.sha256[:12]}{added}"

    def _prompt(self, request: Request, shown: Reference | None) -> Any:
        """The request's own; a CT is a CT without being called one."""
        label = request.prompt
        if label is None and shown is not None:
            label = LABEL_OF_UNIT.get(shown.unit) if LABEL_OF_UNIT.get(shown.unit) in self.labels else None
        if self.labels and shown is not None and request.like is not None:
            return label, shown.pixels[0]  # its style as well as its layout
        return label

    def _options(self, request: Request, size: Grid) -> SamplingOptions:
        grows = request.image is None and request.control is None
        options: SamplingOptions = (
            SamplingOptions() if self.cascade is None else self.cascade.sampling(size, grows=grows)
        )
        if request.steps is None:
            return options
        growth = options.growth and dataclasses.replace(options.growth, steps=request.steps)
        low, high = (
            dataclasses.replace(pass_options, steps=request.steps) for pass_options in (options.low, options.high)
        )
        return dataclasses.replace(options, low=low, high=high, growth=growth)

    def _record(self, request: Request, seed: int, size: Grid, shown: Reference | None, prompt: Any) -> dict[str, Any]:
        return {
            "synthetic": True,
            "seed": seed,
            "height": size[0],
            "width": size[1],
            "cascade": self.name,
            "cascade_sha256": self.sha256,
            "options_sha256": self.options_sha256,
            "label": prompt[0] if isinstance(prompt, tuple) else prompt,
            "adapter": None if self.adapter is None else self.adapter.facts,
            "request": request.described(),
            "reference": None if shown is None else shown.facts(size),
        }


def make(
    request: Request,
    generator: Generator,
    out: Path,
    on_step: OnStep = lambda part, done, total: None,
    signature: Signature | None = None,
    *,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Write the pictures one by one, a record beside each, and `generate.json`. What was made before an error is kept.

    Arguments:
        signature: of a C2PA manifest in every file.
        overwrite: replace pictures of the same seeds.

    Raises: UsageError, NotEnoughMemory, ModelError, UnreadableInput.
    """
    outputs = Outputs(out, request.format, overwrite)
    given = Given.read(request)
    outputs.prepare(request, generator.size(request, given.shown), given.digests)
    items: list[dict[str, Any]] = []
    for synthetic in generator.make(request, on_step, given):
        made_by = f"{generator}, seed {synthetic.record['seed']}{_words(request)}"
        items.append(outputs.write(synthetic.pixels, made_by, synthetic.record, signature))
        outputs.list_all(items, _files(generator.pipeline))
    return items


def _words(request: Request) -> str:
    described = request.described()
    parts = {"prompt": "prompt", "negative_prompt": "negative prompt"} | {name: name for name in PLACES}
    return "".join(f", {words} {described[name]}" for name, words in parts.items() if described[name])


def _files(pipeline: UltraPixelPipeline) -> dict[str, Any]:
    """Hashes of released files, without the folders they lie in."""
    files = pipeline.facts.get("files", {})
    return {kind: {"file": Path(file["path"]).name, "sha256": file["sha256"]} for kind, file in files.items()}
