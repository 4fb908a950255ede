"""`pyramid`, our model: the likelihood of an image of any size, scale by scale and position by position.

    log p(x) = log p(c_J) + sum over j of log p(d_j | c_j),      (c_{j+1}, d_{j+1}) = one Haar step of c_j,  c_0 = x

Exact, because a Haar step in whole numbers is one to one (`haar`), and so is the change of colours before it (`colour`). Each
term is a density ratio without any global operation (`base`, `local`, `conditional`), so it is a sum over positions: the map of
all terms sums to the log-likelihood, and tiles equal the whole. Steps go on until the image is at most `coarsest` pixels wide and
high; what is left then is judged by a network of the same kind that is given nothing, and whose reach covers all of it.

Values are grey levels of 0..255, dequantised with uniform noise of one quantum (`dequantised`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from oddpixel.image import Image, Unreadable

from . import colour, haar
from .base import Details, Logistics, Normal, Trunk
from .conditional import Conditional, ancestral
from .dequantised import Dequantised
from .local import LocalClassifier, LocalOptions
from .map_picture import write_map
from .model import Measured, SampleRequest, Samples, bits_per_dim, generator_of
from .probing import identity_log_likelihoods
from .scales import Scale, check, halvings, scale_dims, sizes
from .streaming import scale_maps, spread_maps, stream

TILE = 256  # positions a side: what one pass holds in memory


@dataclass(frozen=True, kw_only=True)
class PyramidOptions:
    """The architecture of a pyramid and the statistics that it standardises by, as kept in model.json.

    Arguments:
        channels: 1 or 3.
        unit: `display`, or `HU` (CT).
        coarsest: the side at which splitting ends.
        coordinates: every position also knows where in the image it is; for aligned anatomy and fixed cameras.
        num_networks: the finest scales have a network each, all coarser ones share the last.
        width, num_blocks: of every classifier.
        quantum: grey levels between two stored values: 1 for 8 bits. What is finer counts as even within it.
        base_width, base_blocks: of the networks of the base's groups; width 0 is the plain base, white noise.
        trunk_width, trunk_blocks: of the base's network that reads the coarse image for all groups.
        num_levels, top, bottom: knots in log-SNR. `top` belongs where sigma is a two-hundredth of a quantum.
        detail_std: standard deviation of the details by scale and channel (brightness, two colour differences), in grey
            levels, as measured on training images.
        coarsest_std: of the coarsest image by channel, in grey levels.
    """

    channels: int = 3
    unit: str = "display"
    quantum: float = 1.0
    coarsest: int = 8
    coordinates: bool = False
    num_networks: int = 3
    width: int = 64
    num_blocks: int = 6
    base_width: int = 32
    base_blocks: int = 1
    trunk_width: int = 64
    trunk_blocks: int = 2
    num_levels: int = 40
    top: float = 16.0
    bottom: float = -8.0
    detail_std: Sequence[Sequence[float]] = ((12.0, 4.5, 2.5), (14.0, 5.5, 3.0), (15.0, 6.0, 3.0), (16.0, 6.0, 3.0))
    coarsest_std: Sequence[float] = (60.0, 35.0, 15.0)

    def __post_init__(self) -> None:
        stds = tuple(tuple(float(value) for value in each[: self.channels]) for each in self.detail_std)
        object.__setattr__(self, "detail_std", stds)
        object.__setattr__(self, "coarsest_std", tuple(float(v) for v in self.coarsest_std[: self.channels]))


class Pyramid(nn.Module):
    """Any image of the right number of channels, from 1 x 1 pixels up."""

    kind: ClassVar[str] = "pyramid"
    detail_std: Float[Tensor, "scales c"]  # that of the last goes on: natural images are alike at all scales
    coarsest_std: Float[Tensor, "c"]
    middle: Float[Tensor, "c"]
    spread: Float[Tensor, "c"]

    def __init__(self, options: PyramidOptions) -> None:
        super().__init__()
        self.options = options
        constants = {"detail_std": torch.tensor(options.detail_std), "coarsest_std": torch.tensor(options.coarsest_std)}
        constants |= {"middle": colour.middle(options.channels), "spread": colour.spread(options.channels)}
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        channels, details = options.channels, haar.ORIENTATIONS * options.channels
        # Known: the coarse image, its slopes, which orientations are present (none beyond the border), the scale, the place.
        where = 2 * options.coordinates
        known = channels + details + haar.ORIENTATIONS + 1 + where
        self.scales = nn.ModuleList(_conditional(options, details, known) for _ in range(options.num_networks))
        self.coarsest = _conditional(options, channels, 1 + where)

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Pyramid:
        """The model that `{network: ...}` describes, with fresh weights. Raises: TypeError, ValueError, KeyError."""
        return cls(PyramidOptions(**options["network"]))

    def describe(self) -> dict[str, Any]:
        """The options that `from_options` makes the same model from."""
        return {"kind": self.kind, "network": asdict(self.options)}

    @property
    def weights(self) -> nn.Module:
        """What holds the weights under the names they are stored by."""
        return self

    def use_bf16(self, use: bool = True) -> Pyramid:
        """Inner layers in bf16, what they read and what they add up to in float32."""
        for module in self.modules():
            if isinstance(module, LocalClassifier | Logistics | Trunk):
                module.in_bf16 = use
        layout = torch.channels_last if use else torch.contiguous_format
        result: Pyramid = self.to(memory_format=layout)  # type: ignore[call-overload] # nn.Module's stubs lack it
        return result

    def split(self, x: Float[Tensor, "b c h w"]) -> list[Scale]:
        """All terms, finest first. Raises: InvalidImage."""
        check(x, self.options.channels)
        return self.terms(x)

    def terms(self, x: Float[Tensor, "b c h w"]) -> list[Scale]:
        """The same of grey levels known to be sound: nothing in it waits for the device."""
        coarse, full = self.in_quanta(x), (x.shape[2], x.shape[3])
        scales: list[Scale] = []
        while max(coarse.shape[2:]) > self.options.coarsest:
            coarse, details = haar.split(coarse)
            scales.append(self.scale(len(scales), coarse, details, full))
        scales.append(self.coarsest_scale(coarse, len(scales)))
        return scales

    def log_likelihood(self, x: Float[Tensor, "b c h w"], tile: int | None = None) -> Float[Tensor, "b"]:
        """log p(x) in nats, for x in grey levels; one forward pass a scale."""
        return torch.stack([part.flatten(1).sum(1) for part in scale_maps(self, x, tile)]).sum(0)

    def measure(
        self, image: Image | Unreadable, *, identity: bool = False, map_to: Path | None = None
    ) -> dict[str, Any]:
        """Bits and nats of one image, by scale; see `DensityModel`."""
        image.pixels  # noqa: B018 -- an unreadable image raises its error here
        assert isinstance(image, Image)
        generator = generator_of(image)
        grey, device = Dequantised(image, self.options.unit, self.options.channels), self.middle.device
        maps = [part.cpu() for part in stream(self, lambda window: grey.read(window).to(device), grey.size, TILE)]
        dims = scale_dims(grey.size, self.options.channels, self.options.coarsest)
        nats = [float(part.double().sum()) for part in maps]
        scales = [
            {"size": list(part.shape[1:]), "dims": count, "bits_per_dim": bits_per_dim(each, count, grey.quantum)}
            for part, count, each in zip(maps, dims, nats, strict=True)
        ]
        by_identity = None
        if identity:
            whole = grey.read(haar.EVERYTHING).to(device)
            justified = identity_log_likelihoods(self, whole, generator=generator)[0].sum()
            by_identity = bits_per_dim(float(justified), grey.num_dims, grey.quantum)
        if map_to is not None:
            write_map(map_to, bits_per_dim(spread_maps(self, maps, grey.size)[0], len(image.pixels), grey.quantum))
        bits = bits_per_dim(sum(nats), grey.num_dims, grey.quantum)
        return Measured(bits, by_identity, grey.num_dims, scales).as_json()

    def sample(self, request: SampleRequest) -> Samples:
        """Images of 8 bits, CT as grey levels of 16 HU; ancestral sampling whatever sampler is named."""
        generator = torch.Generator().manual_seed(request.seed)
        x = self.draw(request.count, (request.size, request.size), steps=request.steps, generator=generator)
        return Samples(x.floor().clamp(0, 255).long().cpu(), 8, "ancestral")

    @torch.no_grad()
    def draw(
        self, count: int, size: tuple[int, int], *, steps: int = 100, generator: torch.Generator | None = None
    ) -> Float[Tensor, "b c h w"]:
        """New images of that height and width in grey levels, coarse to fine; ancestral sampling (DDPM) at each scale."""
        split = [*halvings(size, self.options.coarsest)]
        smallest = list(sizes(size, len(split) + 1))[-1]
        nothing = torch.zeros(count, self.options.channels, *smallest, device=self.middle.device)
        scale = self.coarsest_scale(nothing, len(split))
        coarse = scale.from_normal(ancestral(scale.conditional, scale.known, scale.present, steps, generator))
        for index in reversed(range(len(split))):
            scale = self.scale(index, coarse, None, size)
            z = ancestral(scale.conditional, scale.known, scale.present, steps, generator)
            coarse = haar.join(coarse, scale.from_normal(z), scale.size)
        return self.in_grey(coarse)

    def in_quanta(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Grey levels as whole numbers of quanta plus a place within one, in opponent colours."""
        return colour.to_opponent(x / self.options.quantum)

    def in_grey(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The inverse of `in_quanta`."""
        return colour.from_opponent(x) * self.options.quantum

    def scale(
        self,
        index: int,
        coarse: Float[Tensor, "b c p q"],
        details: Float[Tensor, "b d p q"] | None,
        full: tuple[int, int],
        window: haar.Window = haar.EVERYTHING,
    ) -> Scale:
        """The term of these details (without any, what can be told from the coarse image alone); `window` is where they lie."""
        channels, quantum = self.options.channels, self.options.quantum
        size = list(sizes(full, index + 1))[-1]
        mask = haar.present(size, coarse, window)
        present = mask.repeat_interleave(channels, 0)
        shown = coarse.floor()
        slopes = haar.smooth_details(shown) * present
        std = self.detail_std[min(index, len(self.detail_std) - 1)].to(coarse).repeat(haar.ORIENTATIONS) / quantum
        parity = sum(part.start or 0 for part in window)
        judged = Details(torch.zeros_like(slopes) if details is None else details, slopes, std, present, parity)
        grey, spread = (part.to(coarse)[:, None, None] for part in (self.middle, self.spread))
        halved = list(sizes(full, index + 2))[-1]
        parts = [mask, torch.full_like(mask[:1], index / 8), *_where(self.options, halved, window)]
        planes = torch.cat([part.to(coarse) for part in parts]).expand(len(coarse), -1, -1, -1)
        known = torch.cat([(shown * quantum - grey) / spread, slopes / std[:, None, None], planes], 1)
        network: Conditional = self.scales[min(index, len(self.scales) - 1)]  # type: ignore[assignment]
        return Scale(
            index, judged, known, size, channels * (size[0] * size[1] - halved[0] * halved[1]), quantum, network
        )

    def coarsest_scale(self, coarse: Float[Tensor, "b c p q"], index: int) -> Scale:
        """The last term: what is left after all steps, given nothing."""
        quantum, size = self.options.quantum, (coarse.shape[2], coarse.shape[3])
        std = self.coarsest_std.to(coarse) / quantum
        flat = self.middle.to(coarse)[:, None, None] / quantum
        judged = Details(coarse, flat.expand_as(coarse), std, torch.ones_like(coarse[0]))
        planes = torch.cat([torch.ones_like(coarse[0, :1]), *_where(self.options, size)])
        known = planes.expand(len(coarse), -1, -1, -1)
        return Scale(index, judged, known, size, coarse[0].numel(), quantum, self.coarsest)


def _conditional(o: PyramidOptions, judged: int, known: int) -> Conditional:
    local = LocalOptions(judged=judged, known=known, width=o.width, num_blocks=o.num_blocks)
    sizes = (o.base_width, o.base_blocks, o.trunk_width, o.trunk_blocks)
    base = Logistics(judged, known, o.channels, *sizes) if o.base_width else Normal()
    return Conditional(base, LocalClassifier(local, 1 + o.num_levels), o.num_levels, o.top, o.bottom)


def _where(
    options: PyramidOptions, size: tuple[int, int], window: haar.Window = haar.EVERYTHING
) -> list[Float[Tensor, "2 p q"]]:
    """Row and column of these positions among all of that size, in -1..1; nothing without coordinates."""
    if not options.coordinates:
        return []
    centres = [(torch.arange(side) + 0.5) * (2 / side) - 1 for side in size]
    rows, columns = (axis[part] for axis, part in zip(centres, window, strict=True))
    return [torch.stack(torch.meshgrid(rows, columns, indexing="ij"))]
