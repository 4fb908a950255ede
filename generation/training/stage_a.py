"""Stage A: absolute error of pictures and of their differences between neighbours, and a codebook that follows the latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..stages.components import ComponentEncoder
from ..stages.stage_a import StageA, last_normalisation
from .linear_start import can_start, start_from_components
from .pictures import Pictures
from .task import StageTask

CODEBOOK_WEIGHT = 0.1
STARTED_FROM, SETTLED_FROM, GAINED_FROM, HELD_OUT = 256, 512, 32, 32  # crops
NUDGE = 0.1  # deviations


@dataclass(frozen=True, eq=False)
class StageALosses:
    """The weighted sum, and its parts: absolute error, error of differences, codebook."""

    total: Float[Tensor, ""]
    absolute: Float[Tensor, ""]
    edges: Float[Tensor, ""]
    codebook: Float[Tensor, ""]


class StageALoss(nn.Module):
    """The reconstruction loss of stage A.

    Pictures are decoded from unquantised latents; the codebook learns beside, from latents that it cannot change.

    Arguments:
        fixed: keep the statistics of the last normalisation. Those of a small batch would take the brightness out of its crops
            (measured: 22.6 dB instead of 28 after the same 500 steps).
    """

    def __init__(self, stage: StageA, *, fixed: bool) -> None:
        super().__init__()
        self.stage, self.fixed = stage, fixed

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> StageALosses:
        """Losses of reconstructed pictures in 0..1."""
        network = self.stage.network
        if self.fixed:
            last_normalisation(network).eval()
        latent = network.encode(pictures).latents
        decoded = network.decode(latent).sample
        codebook = network.vquantizer(latent.detach())[1]
        absolute = (decoded - pictures).abs().mean()
        edges = sum(((decoded - pictures).diff(dim=axis)).abs().mean() for axis in (2, 3)) / 2
        assert isinstance(edges, Tensor)
        return StageALosses(absolute + edges + CODEBOOK_WEIGHT * codebook, absolute, edges, codebook)


class StageATask(StageTask):
    """The training task of stage A, started from principal components where possible.

    Arguments:
        side: of crops, in pixels.
    """

    def __init__(self, stage: StageA, train: Pictures, held_out: Pictures, side: int = 96, **_: Any) -> None:
        is_linear = can_start(stage)
        super().__init__(StageALoss(stage, fixed=is_linear))
        self.stage, self.train, self.held_out, self.side = stage, train, held_out, side
        if is_linear:
            pictures = train.crops(STARTED_FROM, side, torch.Generator().manual_seed(1))[0]
            start_from_components(stage, pictures)
        else:
            _open_gains(stage)
        # The latent keeps the scale factor's deviation; whatever it should have had is in the first and last convolution.
        last_normalisation(stage.network).requires_grad_(False)

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Random crops of the training pictures."""
        return {"pictures": self.train.crops(len(indices), self.side, generator)[0]}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """PSNR in dB on held-out crops, over all and by label."""
        pictures, labels = self.held_out.crops(HELD_OUT, 2 * self.side, torch.Generator().manual_seed(0))
        decoded = self.stage.decode(self.stage.encode(pictures))
        by_label = {
            f"psnr_{k}": psnr(decoded[labels == k], pictures[labels == k]) for k in sorted(set(labels.tolist()))
        }
        return {"psnr": psnr(decoded, pictures), **by_label}


@torch.no_grad()
def settle(stage: StageA, encoder: ComponentEncoder, pictures: Pictures, side: int = 128) -> None:
    """After training: standardise the latent and fit the semantic components that stages B and C will share."""
    stage.eval()  # in training its normalisation would take on the statistics of these crops
    crops = pictures.crops(SETTLED_FROM, side, torch.Generator().manual_seed(2))[0]
    stage.standardise(torch.cat([stage.encode(part) for part in crops.split(16)]))
    latent = torch.cat([stage.encode(part) for part in crops.split(16)])
    encoder.fit(latent, pixel_gain(stage, latent[:GAINED_FROM]))


@torch.no_grad()
def pixel_gain(stage: StageA, latent: Float[Tensor, "b c _h _w"]) -> Float[Tensor, "c"]:
    """How strongly noise in each latent channel changes pixels, relative to the most effective channel."""
    noise = NUDGE * torch.randn(latent.shape, generator=torch.Generator().manual_seed(3)).to(latent.device)
    before = stage.decode(latent)
    moved = []
    for channel in range(latent.shape[1]):
        nudged = latent.clone()
        nudged[:, channel] += noise[:, channel]
        moved.append((stage.decode(nudged) - before).square().mean().sqrt())
    gain = torch.stack(moved)
    return gain / gain.max()


def psnr(decoded: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, of values in 0..1."""
    return float(-10 * (decoded.clamp(0, 1) - target).square().mean().log10())


def _open_gains(stage: StageA) -> None:
    """Open the gains of residual blocks: published ones start at zero, which makes every block the identity."""
    for name, parameter in stage.named_parameters():
        if name.endswith("gammas") and not bool(parameter.detach().any()):
            parameter.data[2], parameter.data[5] = 0.5, 0.5
