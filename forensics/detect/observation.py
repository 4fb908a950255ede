"""What the frozen networks say of an image: everything that a detector's channels work from, from one pass of each.

    observe = Observer(model, encoder, needs={"density"})
    observe(prepare(image)).encoder_patches  # what the encoder sees, by place
                           .encoder_whole    # the same of the picture as a whole
                           .vector           # the density model's view of the whole image, `names` beside it
                           .density_patches  # the same by place, on a grid of 8 pixels

The encoder sees the picture in colour where it has any: its places at its own size, enlarged where these are fewer than
`LEAST_CELLS` a side (validation textures of 120 and slices of 230 pixels: AUROC 0.78 and 0.60 enlarged, 0.71 and 0.55 as they
are), the whole at `WHOLE_SIDE` pixels, where deep stages see most of it at once.

The vector, for each of the finest `SCALES` scales (details of 2, 4, 8, ... pixels):
    nll        nats a dimension                                    rough or plain
    gap        nats a dimension beyond what this content expects   rough or plain for what it shows
    ratio k    log p_lambda - log N at the clean image and knots   how it looks through noise (DoSE, Morningstar et al. 2021;
               of log-SNR, nats a dimension                         CDM, theorem 3.2). Differences of neighbouring levels need no
                                                                   entry of their own: whitening is free to form them
    level      expected log-SNR and entropy of the posterior       how noisy it looks (DTE, Livernoche et al. 2024)
    quantiles  of the map of nats a dimension                      whether it is a few places or all of it
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from oddpixel.encoders import stride_of, whole
from oddpixel.forensics.density.dequantised import Dequantised
from oddpixel.forensics.density.haar import EVERYTHING
from oddpixel.forensics.density.probing import View, views
from oddpixel.forensics.density.pyramid import Pyramid
from oddpixel.image import Image

from .prepare import as_grey, resized
from .probes import Probed, probed

SCALES = 5
LEVEL_STEP = 3  # every so many-th knot of log-SNR
QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.98)
CELL = 8  # pixels a side of a patch
PATCH_SCALES = 4
PATCH_LEVELS = (4.0, 0.0, -3.0)  # log-SNR
LEAST_CELLS = 40  # along the longer side of what an encoder is shown
WHOLE_SIDE = 256  # of the picture that it describes as a whole
COARSE_SIDE = 96

Vector = Float32[np.ndarray, "_d"]
Patches = Float32[np.ndarray, "_p _q _d"]


@dataclass(frozen=True, eq=False)
class Observation:
    """All that channels read of one prepared image.

    Arguments:
        coarse: the picture in brightness, 96 pixels a side whatever its shape, 0..1.
        encoder_patches, encoder_whole: None without an encoder.
        vector: the density model's view of the whole image, NaN for scales that it is too small to have; empty unless needed.
        density_patches: the same by place, cells of 8 pixels; None unless needed.
        probed: None unless needed.
        size: of the prepared image.
        original_size: before it was prepared.
    """

    coarse: Float32[np.ndarray, "_s _s"]
    size: tuple[int, int]
    original_size: tuple[int, int]
    encoder_patches: Patches | None = None
    encoder_whole: Vector | None = None
    vector: Vector = field(default_factory=lambda: np.zeros(0, np.float32))
    density_patches: Patches | None = None
    probed: Probed | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells of 8 pixels."""
        rows, columns = (max(-(-side // CELL), 1) for side in self.size)
        return rows, columns

    def oddest(self, heat: np.ndarray) -> str:
        """Where a map on any grid is largest, in pixels of the original image, said to people."""
        place = np.unravel_index(int(heat.argmax()), heat.shape)
        row, column = (
            round((int(index) + 0.5) / count * side)
            for index, count, side in zip(place, heat.shape, self.original_size, strict=True)
        )
        return f"around row {row}, column {column}"


class Observer:
    """Prepared images -> observations. The model's random draws are seeded by the file's hash.

    Arguments:
        needs: of what channels need, what costs more than the encoder: `density`, `probes`.
    """

    def __init__(self, model: Pyramid, encoder: nn.Module | None = None, needs: Set[str] = frozenset()) -> None:
        self.model, self.encoder, self.needs = model, encoder, needs
        self.device = _device_of(encoder)
        self.least_side = LEAST_CELLS * stride_of(encoder)
        knots = model.coarsest.lambdas
        self.lambdas: Tensor = knots
        self.levels = torch.arange(0, len(self.lambdas), LEVEL_STEP)

    @property
    def names(self) -> list[str]:
        """What each entry of the vector is: `scale:what`."""
        levels = ["clean", *(f"{float(self.lambdas[k]):+.1f}" for k in self.levels)]
        of_scale = [
            "nll",
            "gap",
            *(f"ratio {level}" for level in levels),
            "level",
            "entropy",
            *(f"quantile {100 * each:g}" for each in QUANTILES),
        ]
        return [f"{scale}:{name}" for scale in range(SCALES) for name in of_scale]

    @torch.no_grad()
    def __call__(self, image: Image) -> Observation:
        """Observe a prepared image; its noise is seeded by the image's hash. Raises: InvalidImage."""
        picture = self.picture(image)
        seen = Observation(
            coarse=resized(picture.mean(0, keepdims=True), (COARSE_SIDE, COARSE_SIDE))[0],
            size=(picture.shape[1], picture.shape[2]),
            original_size=image.meta.get("original_size", picture.shape[1:]),
            encoder_patches=None if self.encoder is None else self._encoded(picture),
            encoder_whole=None if self.encoder is None else self._whole(picture),
        )
        return self._measured(image, seen) if self.needs & {"density", "probes"} else seen

    def _measured(self, image: Image, seen: Observation) -> Observation:
        """With what the density model says."""
        grey = Dequantised(
            as_grey(image, self.model.options.channels), self.model.options.unit, self.model.options.channels
        )
        generator = torch.Generator().manual_seed(grey.seed)
        x = grey.read(EVERYTHING)
        by_scale = views(self.model, x, generator)[:-1]
        return replace(
            seen,
            vector=self._vector(by_scale),
            density_patches=self._density_patches(by_scale, grey.size),
            probed=probed(self.model, x, seen.grid, generator) if "probes" in self.needs else None,
        )

    def _vector(self, by_scale: list[View]) -> Vector:
        parts = [self._of_scale(view) for view in by_scale[:SCALES]]
        missing = torch.full((len(self.names) // SCALES,), torch.nan)
        return torch.cat([*parts, *[missing] * (SCALES - len(parts))]).numpy().astype(np.float32)

    def _of_scale(self, view: View) -> Tensor:
        dims = view.dims.sum()
        ratios = view.ratios[0].flatten(1).sum(1) / dims
        posterior = (view.ratios[0, 1:] / view.dims.clamp(min=1)).softmax(0)
        level = (posterior * self.lambdas[:, None, None]).sum(0).mean()
        entropy = -(posterior * posterior.clamp(min=1e-12).log()).sum(0).mean()
        nll = _a_dim(-view.likelihood, view)
        quantiles = torch.quantile(nll.flatten(), torch.tensor(QUANTILES))
        means = torch.stack([-view.likelihood.sum() / dims, view.gap.sum() / dims])
        return torch.cat([means, ratios[:1], ratios[1:][self.levels], torch.stack([level, entropy]), quantiles])

    def _density_patches(self, by_scale: list[View], size: tuple[int, int]) -> Patches:
        """Nats, gap and a few log-ratios a dimension, by scale, averaged over 3 x 3 cells."""
        rows, columns = (max(-(-side // CELL), 1) for side in size)
        nearest = [int((self.lambdas - level).abs().argmin()) + 1 for level in PATCH_LEVELS]
        parts = []
        for view in by_scale[:PATCH_SCALES]:
            maps = [-view.likelihood, view.gap, *(view.ratios[:, k] for k in (0, *nearest))]
            stacked = torch.stack([_a_dim(each, view) for each in maps], 1)
            if stacked.shape[2] >= rows:
                parts.append(F.adaptive_avg_pool2d(stacked, (rows, columns)))
            else:
                parts.append(F.interpolate(stacked, (rows, columns), mode="bilinear"))
        parts += [torch.zeros_like(parts[0])] * (PATCH_SCALES - len(parts))
        cells = F.avg_pool2d(torch.cat(parts, 1), 3, 1, 1, count_include_pad=False)[0]
        return np.ascontiguousarray(cells.permute(1, 2, 0).numpy())

    def picture(self, image: Image) -> Float32[np.ndarray, "3 h w"]:
        """A prepared image as encoders are shown it, 0..1."""
        picture = image.to_display().transpose(2, 0, 1) if image.unit != "HU" else _of_hounsfield(image)
        return np.broadcast_to(np.asarray(picture, np.float32) / 255, (3, *picture.shape[1:])).copy()

    @torch.no_grad()
    def encode(self, image: Image) -> Patches:
        """What the encoder alone sees in a prepared image."""
        return self._encoded(self.picture(image))

    def _encoded(self, picture: Float32[np.ndarray, "3 h w"]) -> Patches:
        assert self.encoder is not None
        found: Tensor = self.encoder(at_side(max(self.least_side, *picture.shape[1:]), picture).to(self.device))
        return np.ascontiguousarray(found[0].permute(1, 2, 0).cpu().numpy())

    def _whole(self, picture: Float32[np.ndarray, "3 h w"]) -> Vector:
        assert self.encoder is not None
        vector: Vector = whole(self.encoder, at_side(WHOLE_SIDE, picture).to(self.device))[0].cpu().numpy()
        return vector


def _device_of(encoder: nn.Module | None) -> torch.device:
    """Where an encoder's tensors are."""
    tensors = () if encoder is None else (*encoder.parameters(), *encoder.buffers())
    return next((each.device for each in tensors), torch.device("cpu"))


def at_side(longer_side: int, picture: Float32[np.ndarray, "3 h w"]) -> Float[Tensor, "1 3 _h _w"]:
    """The picture with that longer side."""
    return torch.from_numpy(resized(picture, side_of((picture.shape[1], picture.shape[2]), longer_side)))[None]


def side_of(size: tuple[int, int], longer_side: int) -> tuple[int, int]:
    """Height and width with that longer side, and at least 32 pixels of the other."""
    factor = longer_side / max(size)
    height, width = (max(round(side * factor), 32) for side in size)
    return height, width


def _a_dim(part: Tensor, view: View) -> Tensor:
    """`[b, p, q]` nats -> nats a dimension; 0 where there is none."""
    return part / view.dims.clamp(min=1)


def _of_hounsfield(image: Image) -> np.ndarray:
    """The soft-tissue range that encoders can see, -160..240 HU, as grey of 0..255: fixed, whatever the image."""
    return np.clip((image.pixels + 160) / 400, 0, 1) * 255
