"""Stage A started as the principal components of 4 x 4 patches: all that its channels can carry linearly, before any training.

Unshuffled pixels pass the first layer as they are; the middle 2 x 2 of the strided convolution projects them on the components;
the normalisation brings the latent to its scale factor; the decoder is the transpose. Residual blocks start near nothing.

Measured, held-out photographs: four channels 29.4 dB where the components are of photographs alone, 24.0 where slices of scans
take part, since grey gradients then leave no channel to the second colour axis; six channels carry both, 31.7 dB.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..stages.stage_a import StageA, last_normalisation

UNSHUFFLED = 12  # channels: 2 x 2 pixels of three colours
GAIN = 0.01
MOST_PATCHES = 200_000


def can_start(stage: StageA) -> bool:
    """Whether stage A has two levels, wide enough to pass unshuffled pixels on."""
    options = stage.options
    return options.levels == 2 and options.hidden // 2 >= UNSHUFFLED and options.latent <= options.hidden


@torch.no_grad()
def start_from_components(stage: StageA, pictures: Float[Tensor, "b 3 h w"]) -> None:
    """Initialise stage A to the principal components of 4 x 4 patches.

    Arguments:
        pictures: in 0..1, of the kind to be learnt; sides are multiples of 4.
    """
    network: Any = stage.network
    patches = _patches(network.in_block[0](pictures))
    chosen = torch.randperm(len(patches), generator=torch.Generator().manual_seed(0))[:MOST_PATCHES]
    _, _, v = torch.linalg.svd(patches[chosen], full_matrices=False)
    components = v[: stage.options.latent]
    values = patches @ components.T
    kernels = components.reshape(-1, UNSHUFFLED, 2, 2)
    _start_encoder(network, kernels, values, stage.options.scale_factor)
    _start_decoder(network, kernels, values, stage.options.scale_factor)
    for name, parameter in stage.named_parameters():
        if name.endswith("gammas"):
            parameter.zero_()
            parameter[2], parameter[5] = GAIN, GAIN


def _patches(unshuffled: Float[Tensor, "b 12 h w"]) -> Float[Tensor, "n 48"]:
    blocks = unshuffled.unfold(2, 2, 2).unfold(3, 2, 2)
    return blocks.permute(0, 2, 3, 1, 4, 5).reshape(-1, 4 * UNSHUFFLED)


def _start_encoder(network: Any, kernels: Tensor, values: Tensor, scale: float) -> None:
    first, down, last = network.in_block[1], network.down_blocks[1], network.down_blocks[3][0]
    _pass_through(first.weight, UNSHUFFLED)
    first.bias[:UNSHUFFLED] = 0
    down.weight[: len(kernels)], down.bias[: len(kernels)] = 0, 0
    down.weight[: len(kernels), :UNSHUFFLED, 1:3, 1:3] = kernels
    last.weight.zero_()
    _pass_through(last.weight, len(kernels))
    norm = last_normalisation(network)
    norm.weight.fill_(scale)
    norm.bias.zero_()
    cast(Tensor, norm.running_mean).copy_(values.mean(0))
    cast(Tensor, norm.running_var).copy_(values.var(0))


def _start_decoder(network: Any, kernels: Tensor, values: Tensor, scale: float) -> None:
    count = len(kernels)
    up, out = network.up_blocks[0][0], network.out_block[0]
    transposed: Any = next(module for module in network.up_blocks if isinstance(module, nn.ConvTranspose2d))
    up.weight[:count] = 0
    up.bias[:count] = values.mean(0)
    for k, deviation in enumerate(values.std(0)):
        up.weight[k, k] = deviation / scale
    transposed.weight[:, :UNSHUFFLED], transposed.bias[:UNSHUFFLED] = 0, 0
    transposed.weight[:count, :UNSHUFFLED, 1:3, 1:3] = kernels
    out.weight.zero_()
    out.bias.zero_()
    _pass_through(out.weight, UNSHUFFLED)


def _pass_through(weight: Any, count: int) -> None:
    """The first outputs are the first inputs."""
    weight[:count] = 0
    for k in range(count):
        weight[k, k] = 1
