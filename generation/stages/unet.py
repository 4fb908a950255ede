"""The network of stages B and C: diffusers' `StableCascadeUNet`, with fixes, another parametrisation and an initialisation.

* The embedding of time, sin and cos of 10,000 t w, is computed in float32 whatever the network's own precision: in bfloat16 an
  argument of 10,000 t is off by up to 40 radians.
* `sca` and `crp` may have a value for each sample; the parent can only be given one for all.
* A pooled text of shape [b, d] is taken like [b, 1, d].
* The output may be the velocity v = alpha e - sigma x_0 (Salimans, Ho 2022, appendix D) instead of the noise e: then
  e_hat = sigma x + alpha v_hat, and a network that says nothing yet is off by no more than x itself at any level of noise.
* Weights start as in Wuerstchen (Pernias et al. 2024): Xavier, nothing from time, no output at first, residuals scaled by depth.
  The parent never calls its own initialisation.
"""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import torch
from diffusers.models.unets.unet_stable_cascade import SDCascadeResBlock, SDCascadeTimestepBlock, StableCascadeUNet
from jaxtyping import Float
from torch import Tensor, nn

from ..schedule import CosineSchedule, alpha_sigma

CONDITION_DEVIATION = 0.02
Parametrisation = Literal["noise", "velocity"]


class CascadeUNet(StableCascadeUNet):
    """The network of stages B and C; arguments are those of diffusers' `StableCascadeUNet`."""

    config: Any
    embedding: Any
    clf: Any
    pixels_mapper: Any
    effnet_mapper: Any
    parametrisation: Parametrisation = "noise"

    to = nn.Module.to  # type: ignore[assignment]  # the parent's warns of modules to be kept in float32 even where there are none

    def get_timestep_ratio_embedding(
        self, timestep_ratio: Float[Tensor, "b"], max_positions: int = 10_000
    ) -> Float[Tensor, "b d"]:
        """Embed timesteps in float32, whatever the network's precision."""
        width = int(self.config.timestep_ratio_embedding_dim)
        return time_embedding(timestep_ratio, width, max_positions).to(self.dtype)

    def get_clip_embeddings(self, clip_txt_pooled: Tensor, clip_txt: Any = None, clip_img: Any = None) -> Tensor:
        """Condition tokens; a pooled text of shape [b, d] is taken like [b, 1, d]."""
        pooled = clip_txt_pooled[:, None] if clip_txt_pooled.ndim == 2 else clip_txt_pooled
        tokens: Tensor = super().get_clip_embeddings(pooled, clip_txt, clip_img)  # type: ignore[no-untyped-call]
        return tokens

    def predict_noise(
        self,
        x: Float[Tensor, "b _c _h _w"],
        t: Float[Tensor, "b"],
        *,
        pooled: Tensor,
        text: Tensor | None = None,
        picture: Tensor | None = None,
        semantic: Tensor | None = None,
        pixels: Tensor | None = None,
        coarse: Tensor | None = None,
        sca: Float[Tensor, "b"] | None = None,
        crp: Float[Tensor, "b"] | None = None,
    ) -> Float[Tensor, "b _c _h _w"]:
        """e_hat(x_t).

        Arguments:
            t: the timestep, `CosineSchedule.timestep`.
            pooled: `[b, d]` or `[b, 1, d]`; text: `[b, n, d]`; picture: `[b, d]` or `[b, 1, d]`.
            semantic: stage C's latent, for stage B; any size.
            pixels: optional pixel condition of stage B; zeros of 8 x 8 where None.
            coarse: `[b, k, h, w]`, what is known of the latent at its own grid, for a stage B that takes it.
        """
        ratios = {"sca": sca, "crp": crp}
        embedded = torch.cat(
            [self.get_timestep_ratio_embedding(t)]
            + [
                self.get_timestep_ratio_embedding(torch.zeros_like(t) if (value := ratios[name]) is None else value)
                for name in self.config.timestep_conditioning_type
            ],
            dim=1,
        )
        tokens = self.get_clip_embeddings(pooled, text, picture)
        hidden = self.embedding(x if coarse is None else torch.cat([x, coarse], dim=1))
        size = hidden.shape[-2:]
        if hasattr(self, "effnet_mapper") and semantic is not None:
            hidden = hidden + self.effnet_mapper(_resized(semantic, size))
        if hasattr(self, "pixels_mapper"):
            shown = x.new_zeros(len(x), self.pixels_mapper[0].in_channels, 8, 8) if pixels is None else pixels
            hidden = hidden + _resized(self.pixels_mapper(shown), size)
        coarse = self._down_encode(hidden, embedded, tokens)  # type: ignore[no-untyped-call]
        hidden = self._up_decode(coarse, embedded, tokens)  # type: ignore[no-untyped-call]
        output: Tensor = self.clf(hidden)
        if self.parametrisation == "noise":
            return output
        alpha, sigma = (factor[:, None, None, None] for factor in alpha_sigma(CosineSchedule().log_snr(t)))
        return sigma * x + alpha * output

    def initialise(self) -> None:
        """Initialise the weights for training (Wuerstchen)."""
        depth = sum(self.config.down_num_layers_per_block)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for mapper in self._condition_mappers():
            nn.init.normal_(mapper.weight, std=CONDITION_DEVIATION)
        nn.init.xavier_uniform_(self.embedding[1].weight, gain=CONDITION_DEVIATION)
        nn.init.zeros_(self.clf[1].weight)
        for module in self.modules():
            if isinstance(module, SDCascadeResBlock):
                cast(nn.Linear, module.channelwise[-1]).weight.data *= math.sqrt(1 / depth)
            elif isinstance(module, SDCascadeTimestepBlock):
                for name, parameter in module.named_parameters():
                    if name.endswith("weight"):
                        nn.init.zeros_(parameter)

    def _condition_mappers(self) -> list[Any]:
        names = ("clip_txt_pooled_mapper", "clip_txt_mapper", "clip_img_mapper")
        mappers = [getattr(self, name) for name in names if hasattr(self, name)]
        for name in ("effnet_mapper", "pixels_mapper"):
            if hasattr(self, name):
                mappers += [getattr(self, name)[0], getattr(self, name)[2]]
        return mappers


def time_embedding(t: Float[Tensor, "b"], width: int = 64, positions: int = 10_000) -> Float[Tensor, "b d"]:
    """[sin(p t w), cos(p t w)] with w_k = p^(-k / (width/2 - 1)), in float32."""
    half = width // 2
    frequencies = torch.arange(half, device=t.device).float().mul(-math.log(positions) / (half - 1)).exp()
    angles = (t.float() * positions)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _resized(x: Tensor, size: torch.Size) -> Tensor:
    return nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=True)
