"""`flat`, the published model: one classifier of noise levels over a whole image of fixed size.

With logits F_k(x) = log p(k | x) + const, levels drawn uniformly (CDM, theorems 3.1 and 3.2):

    log p(x)    = log N(x; 0, I) + F_clean(x) - F_noise(x)                 one forward pass          [nats]
    e_hat(x_k)  = sigma_k ( x_k + grad_x [ F_noise(x_k) - F_k(x_k) ] )     one more backward pass

Both hold for every schedule; in flow matching `clean` is the level at sigma_min.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from oddpixel.errors import InvalidImage, UsageError
from oddpixel.image import Image, Unreadable

from .identity import identity_log_likelihood
from .model import Measured, SampleRequest, Samples, generator_of
from .quanta import Quanta
from .samplers import sampler_for
from .schedules import Schedule, describe_schedule, schedule_from
from .unet import UNet, UNetOptions


class Flat(nn.Module):
    """A density-ratio model.

    Arguments:
        network: `(x [b, c, h, w], labels [b] | None) -> [b, num_levels]`, raw outputs before the cumulative sum.
        schedule: the levels it tells apart.
        quanta: how stored pixel values become model values.
    """

    kind: ClassVar[str] = "flat"
    alpha: Float[Tensor, "k"]
    sigma: Float[Tensor, "k"]

    def __init__(self, network: nn.Module, schedule: Schedule, quanta: Quanta | None = None) -> None:
        super().__init__()
        self.network, self.schedule, self.quanta = network, schedule, quanta or Quanta()
        alpha, sigma = schedule.alpha_sigma()
        self.register_buffer("alpha", alpha.float(), persistent=False)
        self.register_buffer("sigma", sigma.float(), persistent=False)

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Flat:
        """The published model with fresh weights. Raises: WrongArchitecture; TypeError, ValueError or KeyError."""
        schedule = schedule_from(options["schedule"])
        network = UNet(UNetOptions(**options["network"]), schedule.num_levels)
        return cls(network, schedule, Quanta(**options.get("quanta", {})))

    def describe(self) -> dict[str, Any]:
        """The options that `from_options` makes the same model from."""
        assert isinstance(self.network, UNet)
        return {
            "kind": self.kind,
            "schedule": describe_schedule(self.schedule),
            "network": asdict(self.network.options),
            "quanta": self.quanta.as_json(),
        }

    @property
    def weights(self) -> nn.Module:
        """What holds the weights under the reference's own names."""
        return self.network

    def use_bf16(self, use: bool = True) -> Flat:
        """Keep float32, the only precision of a flat model.

        Raises: UsageError: only pyramids have layers that may be in bf16.
        """
        if use:
            raise UsageError("a flat model runs in float32; --bf16 is for pyramids such as photo-rgb")
        return self

    def measure(
        self, image: Image | Unreadable, *, identity: bool = False, map_to: Path | None = None
    ) -> dict[str, Any]:
        """Bits and nats of one image of the model's own size; see `DensityModel`."""
        image.pixels  # noqa: B018 -- an unreadable image raises its error here
        if map_to is not None:
            raise UsageError("only a pyramid has a map of where an image is unlikely; use a model like photo-rgb")
        generator, values = generator_of(image), stored_values(image, self.quanta.bits)
        x = self.quanta.to_model(values[None], generator).to(self.alpha.device)
        with torch.no_grad():
            nats = self.log_likelihood(x)
        dims = values.numel()
        bits = float(self.quanta.bits_per_dim(nats, dims))
        by_identity = None
        if identity:
            justified = identity_log_likelihood(self, x, generator=generator)
            by_identity = float(self.quanta.bits_per_dim(justified, dims))
        scales = [{"size": list(values.shape[1:]), "bits_per_dim": bits}]
        return Measured(bits, by_identity, dims, scales).as_json()

    def sample(self, request: SampleRequest) -> Samples:
        """Images as stored values, by a sampler that fits the schedule. Raises: UsageError."""
        assert isinstance(self.network, UNet)
        options = self.network.options
        classes = self.num_classes
        if request.label is not None and (classes is None or not 0 <= request.label < classes):
            raise UsageError(
                f"label {request.label}: this model has {'no classes' if classes is None else f'classes 0 to {classes - 1}'}"
            )
        generator = torch.Generator().manual_seed(request.seed)
        shape = (request.count, options.in_channels, options.image_size, options.image_size)
        device = self.alpha.device

        def draw_noise() -> Tensor:
            return torch.randn(shape, generator=generator).to(device)

        def predict_noise(x: Tensor, k: int) -> Tensor:
            levels = torch.full((request.count,), k, device=device)
            labels = None if request.label is None else torch.full((request.count,), request.label, device=device)
            return self.predict_noise(x, levels, labels, request.guidance)

        *_, x = sampler_for(request.sampler, self.schedule).draw(
            predict_noise, self.schedule, draw_noise(), request.steps, draw_noise
        )
        return Samples(self.quanta.to_values(x).cpu(), self.quanta.bits, request.sampler or "default")

    @property
    def num_classes(self) -> int | None:
        """Classes without the null class, or None."""
        count: Any = getattr(getattr(self.network, "options", None), "num_classes", None)
        return None if count is None else count - 1

    def logits(self, x: Float[Tensor, "b c h w"], labels: Int[Tensor, "b"] | None = None) -> Float[Tensor, "b k"]:
        """F_k(x), up to a constant that no answer depends on. Raises: InvalidImage."""
        if not torch.isfinite(x).all():
            raise InvalidImage("the image holds NaN or infinite values; mask or replace them first")
        outputs: Tensor = self.network(x) if labels is None else self.network(x, labels)
        return outputs.cumsum(1)

    def log_likelihood(self, x: Float[Tensor, "b c h w"], labels: Int[Tensor, "b"] | None = None) -> Float[Tensor, "b"]:
        """log p(x) in nats, in model values; one forward pass."""
        logits = self.logits(x, labels)
        return log_normal(x) + logits[:, self.schedule.clean] - logits[:, self.schedule.noise]

    def add_noise(
        self, x: Float[Tensor, "b c h w"], k: Int[Tensor, "b"], noise: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """x_k = alpha_k x + sigma_k e."""
        return self.alpha[k][:, None, None, None] * x + self.sigma[k][:, None, None, None] * noise

    def predict_noise(
        self,
        x_k: Float[Tensor, "b c h w"],
        k: Int[Tensor, "b"],
        labels: Int[Tensor, "b"] | None = None,
        guidance: float = 0.0,
    ) -> Float[Tensor, "b c h w"]:
        """e_hat(x_k), the MMSE estimate of the noise.

        With labels and guidance w: (1 + w) e_hat(x, label) - w e_hat(x, null) (Ho and Salimans 2022, eq. 6).
        """
        if labels is None or guidance == 0:
            return self._noise_and_logits(x_k, k, labels, create_graph=False)[0].detach()
        assert self.num_classes is not None, "guidance needs a model with classes"
        null = torch.full_like(labels, self.num_classes)
        both, _ = self._noise_and_logits(
            x_k.repeat(2, 1, 1, 1), k.repeat(2), torch.cat([labels, null]), create_graph=False
        )
        conditional, unconditional = both.detach().chunk(2)
        return (1 + guidance) * conditional - guidance * unconditional

    def noise_and_logits(
        self, x_k: Tensor, k: Tensor, labels: Tensor | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b k"]]:
        """e_hat(x_k) and F(x_k), both differentiable by the parameters: what training needs."""
        return self._noise_and_logits(x_k, k, labels, create_graph=True)

    def _noise_and_logits(
        self, x_k: Tensor, k: Tensor, labels: Tensor | None, *, create_graph: bool
    ) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x_k = x_k.detach().requires_grad_()
            logits = self.logits(x_k, labels)
            chosen = logits.gather(1, k[:, None])[:, 0]
            (gradient,) = torch.autograd.grad(
                (logits[:, self.schedule.noise] - chosen).sum(), x_k, create_graph=create_graph
            )
        return self.sigma[k][:, None, None, None] * (x_k + gradient), logits


def log_normal(x: Float[Tensor, b * d]) -> Float[Tensor, "b"]:
    """log N(x; 0, I) in nats."""
    flat = x.flatten(1)
    return -0.5 * (flat.square().sum(1) + flat.shape[1] * math.log(2 * math.pi))


def stored_values(image: Image | Unreadable, bits: int) -> Tensor:
    """The whole numbers that the file stores, `[c, h, w]`. Raises: InvalidImage."""
    pixels = image.pixels
    if not np.isfinite(pixels).all():
        raise InvalidImage("the image holds NaN or infinite values; mask or replace them first")
    if image.unit != "display" or image.bits != bits:
        raise InvalidImage(f"this model takes {bits}-bit display images, got {image.bits} bits in unit {image.unit}")
    return torch.from_numpy(np.rint(pixels * (2**bits - 1)).astype(np.int64))
