"""From prompts to pictures: a low-resolution pass, a high-resolution pass guided by it, stage B, stage A.

    1. low       stage C at the base grid, from noise; or the semantic latent of a reference picture in its place
    2. capture   its features at t = 0.05, whatever the number of steps
    3. high      stage C at the grid of the picture, from noise (or from a noised picture), guided by them
    4. decode    stage B from the semantic latent, stage A in exact tiles

UltraPixel (Ren et al. 2024). Where a reference gives the low-resolution pass, what is made has its layout and the model's detail.
A picture larger than guidance was trained for is grown (`growing`), where the options say so: steps 2 to 4 again over tiles
of twice the size, with the picture made so far in the place of the low-resolution pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from oddpixel.errors import CorruptWeights, NotEnoughMemory, UsageError

from .conditions.conditioner import Conditioner
from .conditions.tokens import Conditions, contrasted
from .cost import Cost, cost_of, weight_bytes
from .deblocking import deblocked
from .decoding import Decoder
from .growing import Growth, Mosaic, tiles, with_colours_of
from .guidance.guided import GuidedStageC, Plan, Role
from .sampler import Guidance, PredictNoise, Step, seeded_noise, steps
from .schedule import CosineSchedule, add_noise
from .sizes import Geometry, Grid
from .stages.semantic import SemanticEncoder
from .stages.stage_a import TILE, StageA
from .stages.unet import CascadeUNet

CAPTURED_AT = 0.05
PARTS = ("low", "capture", "high", "decode", "grow")
OnStep = Callable[[str, int, int], None]  # part, steps done, steps in all
Pictures = Float[Tensor, "_b 3 _h _w"]


@dataclass(frozen=True, kw_only=True)
class PassOptions:
    """How one denoising pass is sampled.

    Arguments:
        steps: of the sampler.
        guidance: without a classifier.
        shift: of the schedule; 1 as published.
        eta: 1 is DDPM, 0 DDIM.
    """

    steps: int = 20
    guidance: Guidance = field(default_factory=Guidance)
    shift: float = 1.0
    eta: float = 1.0

    @property
    def schedule(self) -> CosineSchedule:
        """The cosine schedule with this pass's shift."""
        return CosineSchedule(shift=self.shift)


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """The defaults are the published ones, but for stage B's guidance of 1.1, which doubles its cost for no visible change.

    Arguments:
        captures_last_step: features of the last low-resolution step, as the reference takes them; right for 20 steps only.
        growth: of large pictures, which `low` and `high` then make the first and smallest of; None makes all at once.
        keeps_colours: what is made after a reference has its coarse colours (`growing.with_colours_of`).
    """

    low: PassOptions = PassOptions()
    high: PassOptions = PassOptions()
    decode: PassOptions = PassOptions(steps=10, guidance=Guidance(scale=1.0))
    captures_last_step: bool = False
    growth: Growth | None = None
    keeps_colours: bool = False

    def sizes(self, size: Grid) -> list[Grid]:
        """The sizes on the way to a picture of this size."""
        return [size] if self.growth is None else self.growth.sizes(size)


@dataclass(frozen=True, eq=False)
class PipelineOutput:
    """The pictures of one call, and the latents they were decoded from.

    Arguments:
        pictures: 0..255.
        semantic: stage C's latents of them.
        low: the same of the low-resolution pass, of the first size where pictures are grown.
    """

    pictures: UInt8[np.ndarray, "_b _h _w 3"]
    semantic: Float[Tensor, "_b _c _p _q"]
    low: Float[Tensor, "_b _c _r _s"]


@dataclass(frozen=True)
class Estimate:
    """Memory and work that a call will need, against the memory that is free.

    Arguments:
        weights: bytes of each part's weights.
        activations: bytes of activations that are live at once, by part.
        flops: of the whole, by part.
        available: bytes, now.
    """

    weights: dict[str, int]
    activations: dict[str, int]
    flops: dict[str, float]
    available: int
    offload: bool

    @property
    def peak(self) -> int:
        """Bytes of weights and activations in memory at once, at most."""
        resident = 0 if self.offload else sum(self.weights.values())
        return max(
            (self.weights[part] if self.offload else resident) + self.activations[part] for part in self.activations
        )

    def __str__(self) -> str:
        work = sum(self.flops.values()) / 1e12
        return f"{self.peak / 2**30:.1f} GiB at once, {work:.1f} TFLOP; {self.available / 2**30:.1f} GiB are free"


@dataclass(frozen=True, eq=False)
class _Batch:
    """What is sampled together, as it travels through the passes.

    Arguments:
        conditions, negative: of the prompts and of the negative prompts, on the pipeline's device.
        controls: what else acts on both passes of stage C.
    """

    size: Grid
    seeds: tuple[int, ...]
    conditions: Conditions
    negative: Conditions | None
    controls: tuple[Role, ...]
    options: SamplingOptions
    on_step: OnStep


@dataclass(eq=False)
class UltraPixelPipeline:
    """The cascade as a pipeline from prompts to pictures.

    Arguments:
        c, b, a: the stages.
        encoder: needed for references and image to image.
        conditioner: of prompts.
        device: where to compute.
        offload: each stage is brought there when its turn comes, and taken away after.
    """

    c: GuidedStageC
    b: CascadeUNet
    a: StageA
    encoder: SemanticEncoder | None
    conditioner: Conditioner
    geometry: Geometry = field(default_factory=Geometry)
    device: torch.device | str = "cpu"
    offload: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.offload:
            for part in (self.c, self.b, self.a, self.encoder, self.conditioner):
                if isinstance(part, nn.Module):
                    part.to(self.device)

    @torch.no_grad()
    def __call__(
        self,
        prompts: Sequence[Any] = (None,),
        *,
        size: Grid,
        seeds: Sequence[int] = (0,),
        negative_prompts: Sequence[Any] | None = None,
        reference: Pictures | None = None,
        image: Pictures | None = None,
        strength: float = 1.0,
        controls: Sequence[Role] = (),
        options: SamplingOptions = SamplingOptions(),
        on_step: OnStep = lambda part, done, total: None,
    ) -> PipelineOutput:
        """Generate pictures.

        Arguments:
            prompts: for the conditioner, one a picture (text, a label, None).
            size: height and width in pixels.
            seeds: one a picture; the same seed gives the same picture whatever its batch mates.
            negative_prompts: what pictures are led away from, one a picture.
            reference: pictures in 0..1, any size; their low-resolution content takes the place of the low-resolution pass.
            image: pictures in 0..1 that the high-resolution pass starts from, noised.
            strength: of that noise, 0..1; 1 starts from noise alone.
            controls: what else acts on both passes of stage C.

        Raises: UsageError, NotEnoughMemory; both before any work.
        """
        self._check(prompts, size, seeds, negative_prompts, reference, image, strength)
        self._check_memory(size, len(seeds), options)
        way = options.sizes(size)
        if len(way) > 1 and (image is not None or controls):
            raise UsageError("a picture that is grown has no image to start from and no controls; leave growth away")
        conditions = _on(self.conditioner(list(prompts)), self.device)
        negative = None if negative_prompts is None else _on(self.conditioner(list(negative_prompts)), self.device)
        batch = _Batch(way[0], tuple(seeds), conditions, negative, tuple(controls), options, on_step)
        guided = self.c.networks is not None
        with self._resident(self.c):
            low, plan = self._blueprint(batch, reference) if guided else (torch.zeros(0), None)
            start = None if image is None else self._encoded(image, self.geometry.semantic(size))
            semantic = self._high(batch, plan, start, strength)
        pictures = self._decoded(batch, semantic)
        if reference is not None and options.keeps_colours:
            pictures = with_colours_of(reference.to(pictures), pictures)
        for larger in way[1:]:
            batch = replace(batch, size=larger)
            smaller = pictures.clamp(0, 1)
            with self._resident(self.c):
                semantic = self._grown(batch, smaller)
            pictures = with_colours_of(smaller, self._decoded(batch, semantic))
        if not bool(torch.isfinite(pictures).all()):
            raise CorruptWeights(
                "the networks' values overflow: the weights of the cascade or of an adapter are damaged"
            )
        rounded = (255 * pictures.clamp(0, 1)).round().byte()
        return PipelineOutput(
            rounded.permute(0, 2, 3, 1).cpu().numpy(), semantic.cpu(), (low if guided else semantic).cpu()
        )

    def estimate(self, size: Grid, count: int = 1, options: SamplingOptions | None = None) -> Estimate:
        """Estimate what a call will need, from the shapes alone."""
        options = options or SamplingOptions()
        first, *larger = options.sizes(size)
        call = _Calls(self, first, count)
        costs = {"c": call.stage_c(options.high), "b": call.stage_b(options.decode), "a": call.stage_a()}
        low = call.stage_c(options.low, self.geometry.low(first))
        flops = {
            "low": options.low.steps * low.flops,
            "high": options.high.steps * costs["c"].flops,
            "b": options.decode.steps * costs["b"].flops,
            "a": costs["a"].flops,
        }
        for each in larger:
            assert options.growth is not None
            call = _Calls(self, each, count)
            places = tiles(self.geometry.semantic(each), self._tile_side(options.growth))
            tile = call.stage_c(self._of_tiles(options), places[0].grid)
            costs |= {"b": call.stage_b(options.decode), "a": call.stage_a()}
            flops["grow"] = flops.get("grow", 0.0) + options.growth.steps * len(places) * tile.flops
            flops["b"] += options.decode.steps * costs["b"].flops
            flops["a"] += costs["a"].flops
        return Estimate(
            weights={"c": weight_bytes(self.c), "b": weight_bytes(self.b), "a": weight_bytes(self.a)},
            activations={part: cost.peak_bytes for part, cost in costs.items()},
            flops=flops,
            available=_available(self.device),
            offload=self.offload,
        )

    def _blueprint(self, batch: _Batch, reference: Pictures | None) -> tuple[Tensor, Plan]:
        """The low-resolution latent, and its features."""
        grid = self.geometry.low(batch.size)
        if reference is None:
            x_0, features = self._low(batch, grid)
            if batch.options.captures_last_step:
                return x_0, Plan(features)
        else:
            x_0 = self._encoded(reference, grid)
        plan = self._captured(batch, x_0)
        batch.on_step("capture", 1, 1)
        return x_0, plan

    def _captured(self, batch: _Batch, x_0: Tensor) -> Plan:
        """The features of a low-resolution latent, slightly noised."""
        draw = self._noise("capture", batch.seeds, (x_0.shape[2], x_0.shape[3]))
        at, schedule = torch.full((len(x_0),), CAPTURED_AT, device=self.device), CosineSchedule()
        noised = add_noise(x_0, draw(), schedule.log_snr(at))
        _, features = self.c.capture(noised, schedule.timestep(at), batch.conditions)
        return Plan(features)

    def _low(self, batch: _Batch, grid: Grid) -> tuple[Tensor, dict[str, Tensor]]:
        """The low-resolution pass: its latent, and the features of its last step."""
        features: dict[str, Tensor] = {}
        count = len(batch.seeds)

        def predict(x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
            if not batch.options.captures_last_step:
                return self.c.predict_noise(x, t, conditions, None, batch.controls)
            noise, captured = self.c.capture(x, t, conditions)
            features.update({place: feature[:count] for place, feature in captured.items()})
            return noise

        low = batch.options.low
        denoise = contrasted(predict, low.guidance, batch.conditions, batch.negative)
        last = self._sampled("low", denoise, low, self._noise("low", batch.seeds, grid), batch.on_step)
        return last.x_0, features

    def _high(self, batch: _Batch, plan: Plan | None, start: Tensor | None, strength: float) -> Tensor:
        """The high-resolution pass, guided by the low-resolution one where there is a plan."""

        def predict(x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
            return self.c.predict_noise(x, t, conditions, plan, batch.controls)

        high = batch.options.high
        denoise = contrasted(predict, high.guidance, batch.conditions, batch.negative)
        draw = self._noise("high", batch.seeds, self.geometry.semantic(batch.size))
        return self._sampled("high", denoise, high, draw, batch.on_step, start, strength).x_0

    def _grown(self, batch: _Batch, smaller: Pictures) -> Tensor:
        """The semantic latent of the same pictures at twice the size."""
        growth, geometry = batch.options.growth, self.geometry
        assert growth is not None
        grid, plans = geometry.semantic(batch.size), []
        places = tiles(grid, self._tile_side(growth))
        for tile in places:
            shown = tile.part_of(smaller, batch.size, geometry)
            plans.append(self._captured(batch, self._encoded(shown, geometry.low(tile.grid))))
        passes = self._of_tiles(batch.options)
        denoise = contrasted(
            Mosaic(self.c, places, plans).predict_noise, passes.guidance, batch.conditions, batch.negative
        )
        return self._sampled("grow", denoise, passes, self._noise("grow", batch.seeds, grid), batch.on_step).x_0

    def _tile_side(self, growth: Growth) -> int:
        return self.geometry.semantic((growth.side, growth.side))[0]

    @staticmethod
    def _of_tiles(options: SamplingOptions) -> PassOptions:
        assert options.growth is not None
        return replace(options.high, steps=options.growth.steps, shift=options.growth.shift)

    def _decoded(self, batch: _Batch, semantic: Tensor) -> Pictures:
        """Stages B and A: pixels of a semantic latent."""
        size = batch.size
        decode = batch.options.decode
        with self._resident(self.b), self._resident(self.encoder):
            decoder = Decoder(self.b, self.encoder, semantic)
            denoise = contrasted(decoder.predict_noise, decode.guidance, batch.conditions.for_stage_b())
            grid = decoder.grid(self.geometry, batch.size)
            draw = self._noise("decode", batch.seeds, grid, self.b.config.out_channels)
            latent = decoder.latent(self._sampled("decode", denoise, decode, draw, batch.on_step).x_0)
        with self._resident(self.a):
            pixels = [self.a.decode_tiled(sample[None].to(_precision(self.a))).float() for sample in latent]
        pictures = torch.cat(pixels)
        if decoder.split is not None:  # every place of its semantic latent is a block
            pictures = deblocked(pictures, round(self.geometry.compression))
        return pictures[:, :, : size[0], : size[1]]

    def _sampled(
        self,
        part: str,
        denoise: PredictNoise,
        pass_options: PassOptions,
        draw: Callable[[], Tensor],
        on_step: OnStep,
        start: Tensor | None = None,
        strength: float = 1.0,
    ) -> Step:
        x = draw()
        if start is not None and strength < 1:
            x = add_noise(start, x, pass_options.schedule.log_snr(torch.full((len(x),), strength, device=x.device)))
        count = max(math.ceil(strength * pass_options.steps), 1)
        last: Step | None = None
        sampled = steps(denoise, pass_options.schedule, x, count, draw, eta=pass_options.eta, start=strength)
        for done, step in enumerate(sampled, 1):
            on_step(part, done, count)
            last = step
        assert last is not None
        return last

    def _encoded(self, pictures: Pictures, grid: Grid) -> Tensor:
        """Semantic latents on a grid; areas are averaged, nothing is skipped."""
        assert self.encoder is not None
        sized = interpolate(pictures.to(self.device), size=self.geometry.encoded(grid), mode="area")
        with self._resident(self.encoder):
            return self.encoder(sized)

    def _noise(self, part: str, seeds: Sequence[int], grid: Grid, channels: int | None = None) -> Callable[[], Tensor]:
        """Noise for one part of the work; parts and samples never share noise."""
        mixed = [int(np.random.SeedSequence([seed, PARTS.index(part)]).generate_state(1)[0]) for seed in seeds]
        wide = self.c.unet.config.in_channels if channels is None else channels
        return seeded_noise(mixed, (wide, *grid), self.device)

    @contextmanager
    def _resident(self, part: Any) -> Iterator[None]:
        if not (self.offload and isinstance(part, nn.Module)):
            yield
            return
        part.to(self.device)
        try:
            yield
        finally:
            part.to("cpu")

    def _check(
        self,
        prompts: Sequence[Any],
        size: Grid,
        seeds: Sequence[int],
        negative_prompts: Sequence[Any] | None,
        reference: Pictures | None,
        image: Pictures | None,
        strength: float,
    ) -> None:
        self.geometry.check(size)
        batches = {"seeds": seeds, "negative_prompts": negative_prompts, "reference": reference, "image": image}
        for name, value in batches.items():
            if value is not None and len(value) != len(prompts):
                raise UsageError(f"{len(prompts)} prompts, but {len(value)} {name}")
        if not 0 < strength <= 1:
            raise UsageError(f"the strength must be above 0 and at most 1, got {strength:g}")
        if strength < 1 and image is None:
            raise UsageError("a strength below 1 needs an image to start from")
        if (reference is not None or image is not None) and self.encoder is None:
            raise UsageError("a reference or an image needs the semantic encoder, which this cascade does not have")
        if reference is not None and self.c.networks is None:
            raise UsageError("a reference needs UltraPixel's guidance, which this cascade does not have")

    def _check_memory(self, size: Grid, count: int, options: SamplingOptions) -> None:
        estimate = self.estimate(size, count, options)
        if estimate.peak > estimate.available + (0 if self.offload else sum(estimate.weights.values())):
            offload = "" if self.offload else ", turn offload on,"
            raise NotEnoughMemory(f"generation needs {estimate}; choose a smaller size{offload} or free some memory")


class _Calls:
    """Costs of every kind of network call of a pipeline, on the meta device."""

    def __init__(self, pipeline: UltraPixelPipeline, size: Grid, count: int) -> None:
        self.of, self.size, self.count = pipeline, size, count
        self.dtype = _precision(pipeline.b)

    def stage_c(self, pass_options: PassOptions, grid: Grid | None = None) -> Cost:
        config = self.of.c.unet.config
        unet = self._empty(self.of.c.unet)
        rows, columns = grid or self.of.geometry.semantic(self.size)
        count = self.count * (2 if pass_options.guidance.is_needed else 1)
        conditions = Conditions(
            self._tensor(count, 1, config.clip_text_pooled_in_channels),
            self._tensor(count, 77, config.clip_text_in_channels),
            self._tensor(count, 1, config.clip_image_in_channels),
        )
        x, t = self._tensor(count, config.in_channels, rows, columns), torch.empty(count, device="meta")
        return cost_of(lambda: unet.predict_noise(x, t, **conditions.arguments()))

    def stage_b(self, pass_options: PassOptions) -> Cost:
        config = self.of.b.config
        unet = self._empty(self.of.b)
        count = self.count * (2 if pass_options.guidance.is_needed else 1)
        x = self._tensor(count, config.in_channels, *self.of.geometry.latent(self.size))
        semantic = self._tensor(count, config.effnet_in_channels, *self.of.geometry.semantic(self.size))
        pooled, t = self._tensor(count, 1, config.clip_text_pooled_in_channels), torch.empty(count, device="meta")
        return cost_of(lambda: unet.predict_noise(x, t, pooled=pooled, semantic=semantic))

    def stage_a(self) -> Cost:
        with torch.device("meta"):
            stage = StageA(self.of.a.options).to(self.dtype).eval()
        latent = self._tensor(1, stage.options.latent, *self.of.geometry.latent(self.size))
        return cost_of(lambda: stage.decode_tiled(latent, TILE))

    def _empty(self, unet: CascadeUNet) -> CascadeUNet:
        with torch.device("meta"):
            built = CascadeUNet.from_config(unet.config)
        result: CascadeUNet = built.to(self.dtype).eval()
        return result

    def _tensor(self, *shape: int) -> Tensor:
        return torch.empty(*shape, dtype=self.dtype, device="meta")


def _precision(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype


def _on(conditions: Conditions, device: torch.device | str) -> Conditions:
    return conditions.map(lambda tokens: tokens.to(device))


def _available(device: torch.device | str) -> int:
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)
