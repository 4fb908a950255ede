"""Stage B: what the semantic latent leaves of stage A's latent (`ComponentEncoder`), in units of its own deviation.

B sees the coarse latent at its own grid. Its semantic latent has a little noise while it learns, so that it forgives stage C's
errors. Small crops are cheap and carry most of the learning; a few large ones show it grids like those it will be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cascade import Cascade
from ..conditions.tokens import Conditions
from ..decoding import Decoder
from ..sampler import seeded_noise, steps
from ..schedule import CosineSchedule
from .denoising import DenoisingLosses, draw_times, losses, mean_over_times, noise_like, noised
from .latents import Latents
from .pictures import Pictures
from .stage_a import psnr
from .task import LatentTask

MOST_SEMANTIC_NOISE = 0.15
HELD_OUT, SAMPLES, SAMPLING_STEPS = 16, 4, 10


class StageBLoss(nn.Module):
    """Stage B's denoising loss on residual latents."""

    def __init__(self, cascade: Cascade) -> None:
        super().__init__()
        self.b = cascade.b

    def forward(
        self,
        residual: Float[Tensor, "b c h w"],
        semantic: Float[Tensor, "b k p q"],
        coarse: Float[Tensor, "b c h w"],
        noise: Float[Tensor, "b c h w"],
        t: Float[Tensor, "b"],
    ) -> DenoisingLosses:
        """Losses of the noise estimate, given the semantic and the coarse latent."""
        at = noised(residual, noise, t)
        pooled = residual.new_zeros(len(residual), 1, self.b.config.clip_text_pooled_in_channels)
        predicted = self.b.predict_noise(at.x, at.timestep, pooled=pooled, semantic=semantic, coarse=coarse)
        return losses(predicted, noise, at, self.b.parametrisation)


class StageBTask(LatentTask):
    """The training task of stage B.

    Arguments:
        train: stage A's latents by side of the crops.
        held_out: pictures.
        shares: of the steps, by side.
    """

    def __init__(
        self, cascade: Cascade, train: dict[int, Latents], held_out: Pictures, shares: Sequence[float] = (1.0,)
    ) -> None:
        super().__init__(StageBLoss(cascade), train, shares)
        self.cascade, self.held_out = cascade, held_out
        cascade.requires_grad_(False)
        cascade.b.requires_grad_(True)

    @torch.no_grad()
    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Residuals with noise and times; the semantic latents are slightly noisy."""
        latents, rows = self.draw(len(indices), generator)
        encoder = self.cascade.encoder
        latent = latents.high[rows].float()
        clean = encoder.semantic(latent)
        amount = MOST_SEMANTIC_NOISE * torch.rand(len(rows), 1, 1, 1, generator=generator, device=self.device)
        semantic = clean + amount * noise_like(clean, generator)
        residual = encoder.residual(latent)
        return {
            "residual": residual,
            "semantic": semantic,
            "coarse": encoder.coarse(semantic),
            "noise": noise_like(residual, generator),
            "t": draw_times(len(rows), generator),
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Held-out error of the noise, and PSNR of one sample, of the mean of several, and of the linear decoder."""
        generator = torch.Generator().manual_seed(0)
        pictures, _ = self.held_out.crops(HELD_OUT, max(self.sides), generator)
        cascade = self.cascade
        latent = cascade.a.encode(pictures)
        semantic = cascade.encoder.semantic(latent)
        samples = [self._sample(semantic, seed) for seed in range(SAMPLES)]
        linear = cascade.a.decode(cascade.encoder.coarse(semantic))
        return {
            "mse": self._noise_error(latent, semantic, generator),
            "psnr_of_sample": psnr(samples[0], pictures),
            f"psnr_of_mean_of_{SAMPLES}": psnr(torch.stack(samples).mean(0), pictures),
            "psnr_of_linear": psnr(linear, pictures),
        }

    def _noise_error(self, latent: Tensor, semantic: Tensor, generator: torch.Generator) -> float:
        encoder = self.cascade.encoder
        residual, coarse = encoder.residual(latent), encoder.coarse(semantic)

        def error(t: Tensor) -> Tensor:
            noise = torch.randn(residual.shape, generator=generator).to(residual.device)
            times = t.expand(len(residual)).to(residual.device)
            result: Tensor = self.objective(residual, semantic, coarse, noise, times).mse
            return result

        return mean_over_times(error)

    def _sample(self, semantic: Tensor, seed: int) -> Tensor:
        cascade = self.cascade
        decoder = Decoder(cascade.b, cascade.encoder, semantic)
        grid = decoder.grid(cascade.options.geometry, (0, 0))
        seeds = [1000 * seed + k for k in range(len(semantic))]
        draw = seeded_noise(seeds, (cascade.options.b.channels, *grid), semantic.device)
        conditions = Conditions(semantic.new_zeros(len(semantic), 1, cascade.options.b.pooled))

        def predict(x: Tensor, t: Tensor, at: float) -> Tensor:
            return decoder.predict_noise(x, t, conditions)

        residual = list(steps(predict, CosineSchedule(), draw(), SAMPLING_STEPS, draw))[-1].x_0
        return cascade.a.decode(decoder.latent(residual)).clamp(0, 1)
