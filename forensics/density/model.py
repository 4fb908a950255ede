"""The one interface of density models: what every command may ask of one, whatever its kind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from oddpixel.errors import CorruptWeights
from oddpixel.image import Image, Unreadable

Amount = TypeVar("Amount", float, Tensor)


@dataclass(frozen=True, kw_only=True)
class SampleRequest:
    """What is to be drawn.

    Arguments:
        steps: of denoising.
        size: pixels a side, for models of any size.
        sampler: its name; None for what fits the model.
        label: a class, for models that have them, with this weight of classifier-free `guidance`.
    """

    count: int = 1
    steps: int = 50
    seed: int = 0
    size: int = 128
    sampler: str | None = None
    label: int | None = None
    guidance: float = 1.25


@dataclass(frozen=True, eq=False)
class Samples:
    """Images as stored values of so many bits, and the sampler that drew them."""

    values: Int64[Tensor, "n c h w"]
    bits: int
    sampler: str


@dataclass(frozen=True)
class Measured:
    """The likelihood of one image.

    Raises: CorruptWeights where it is no finite number: a training that diverged leaves such weights.

    Arguments:
        identity_bits_per_dim: the cross-check by the model's own denoiser, where it was asked for.
        dims: samples of the image.
        scales: `{size, dims, bits_per_dim}` of every term.
    """

    bits_per_dim: float
    identity_bits_per_dim: float | None
    dims: int
    scales: list[dict[str, Any]]

    def __post_init__(self) -> None:
        if not math.isfinite(self.bits_per_dim):
            raise CorruptWeights(
                f"the model gives {self.bits_per_dim} bits/dim, no likelihood: its training diverged; train it again at a "
                "lower learning rate, or use a bundled model"
            )

    def as_json(self) -> dict[str, Any]:
        """As `oddpixel density --json` prints it."""
        return {
            "bits_per_dim": self.bits_per_dim,
            "identity_bits_per_dim": self.identity_bits_per_dim,
            "nats": -self.bits_per_dim * self.dims * math.log(2),
            "dims": self.dims,
            "scales": self.scales,
        }


@runtime_checkable
class DensityModel(Protocol):
    """A model of log p(x)."""

    kind: ClassVar[str]

    @property
    def weights(self) -> nn.Module:
        """What holds the weights under the names they are stored by: the reference's own names for `flat`."""
        ...

    def describe(self) -> dict[str, Any]:
        """The options, as in model.json, that `store.build` makes the same model from."""
        ...

    def measure(
        self, image: Image | Unreadable, *, identity: bool = False, map_to: Path | None = None
    ) -> dict[str, Any]:
        """`bits_per_dim`, `identity_bits_per_dim` (None unless asked for), `nats`, `dims`, `scales`.

        Dequantisation and the identity's noise are seeded by the file's hash, so the figures of a file are its own.

        Arguments:
            map_to: a PNG file for the map of bits by pixel; pyramids only.

        Raises: InvalidImage, UsageError, or the error of an unreadable image.
        """
        ...

    def sample(self, request: SampleRequest) -> Samples:
        """New images; the same seed gives the same. Raises: UsageError."""
        ...

    def use_bf16(self, use: bool = True) -> DensityModel:
        """Inner layers in bf16. Raises: UsageError where the model has no such way."""
        ...


def generator_of(image: Image | Unreadable) -> torch.Generator:
    """Seeded by the file's hash."""
    return torch.Generator().manual_seed(int(str(image.sha256)[:15], 16))


def bits_per_dim(log_likelihood: Amount, num_dims: int, quantum: float = 1.0) -> Amount:
    """Nats of grey levels -> bits per stored sample, whose quantum is so many grey levels (1 at 8 bits)."""
    return -log_likelihood / (num_dims * math.log(2)) - math.log2(quantum)
