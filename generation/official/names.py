"""From the names of released state dictionaries to those of our modules.

Stages B and C: diffusers' own conversion (packed projections of attention are split). Stage A: the codebook is an embedding
here. UltraPixel: `module.P.L.name` or `P.L.name`, with P one of two integers (the smaller is the way down) and L the level;
the file was written through two wrappers that numbered it so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from diffusers.loaders.single_file_utils import convert_stable_cascade_unet_single_file_to_diffusers
from torch import Tensor

from oddpixel.errors import WrongArchitecture

from ..guidance.scale_norm import UNUSED

Weights = dict[str, Tensor]
NUMBERED = re.compile(r"(?:module\.)?(\d+)\.([01])\.(.+)")


def unet(official: Mapping[str, Tensor]) -> Weights:
    """Rename the weights of stage B or C to diffusers' names."""
    return cast(Weights, convert_stable_cascade_unet_single_file_to_diffusers(dict(official)))


def stage_a(official: Mapping[str, Tensor]) -> Weights:
    """Rename the weights of stage A."""
    return {
        "network." + name.replace("vquantizer.codebook", "vquantizer.embedding"): value
        for name, value in official.items()
    }


def guidance(official: Mapping[str, Tensor]) -> Weights:
    """Rename UltraPixel's weights to those of `GuidanceNetworks`, leaving out the unused ones.

    Raises: WrongArchitecture where names are not those of two pairs of networks.
    """
    matches = {name: NUMBERED.fullmatch(name) for name in official}
    if unknown := [name for name, match in matches.items() if match is None]:
        raise WrongArchitecture(f"{unknown[0]} is not a weight of UltraPixel's guidance; is this another file?")
    sides = sorted({int(match[1]) for match in matches.values() if match})
    if len(sides) != 2:
        raise WrongArchitecture(f"UltraPixel's guidance has two sides, got {len(sides)}")
    side = {sides[0]: "down", sides[1]: "up"}
    return {
        f"at.{side[int(match[1])]}{match[2]}.{match[3]}": official[name]
        for name, match in matches.items()
        if match and not match[3].startswith(UNUSED)
    }
