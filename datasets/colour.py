"""ICC profiles -> sRGB, in the depth of the samples, through Little CMS (ICC.1:2022; relative colorimetric intent).

A profile that maps every colour to itself (sRGB by whatever name) changes nothing, so the samples stay exact.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np

from .text import technical_text

RELATIVE_COLORIMETRIC = 1
# Without it Little CMS interpolates deep samples in a coarse table: up to 20 of 255 levels off where colours leave sRGB.
NO_OPTIMISATION = 0x0100
NO_FLAGS = 0
SAME = 1 / 255  # a profile within one 8-bit level of sRGB everywhere is sRGB
SPACES = {b"GRAY": ("gray", 1), b"RGB ": ("rgb", 3), b"CMYK": ("cmyk", 4)}
CACHED = 64  # profiles


def to_srgb(colours: np.ndarray, white: int, profile: bytes) -> tuple[np.ndarray, dict[str, Any]]:
    """Convert samples to sRGB over the same range (grey stays grey); returns them with facts on what was done.

    Arguments:
        colours: unsigned, `[h, w]` or `[h, w, 3 or 4]`, 0..white.
    """
    space, num_colours = SPACES.get(profile[16:20], ("", 0))
    num_channels = 1 if colours.ndim == 2 else colours.shape[2]
    # A grey picture in an RGB space is one whose three colours are equal.
    if num_channels != num_colours and (num_channels, num_colours) != (1, 3):
        colour_space = technical_text(profile[16:20]) or "no colour space"
        return _refused(colours, f"it is for {colour_space}, but the image has {num_channels} channels")
    try:
        name = profile_name(profile)
        if space != "cmyk" and is_srgb(profile, space):
            return colours, {"icc_profile": name}
        converted = _converted(colours, white, profile, space)
    except (ValueError, RuntimeError, OSError) as error:
        return _refused(colours, str(technical_text(error)) or type(error).__name__)
    kind = {1: "grey", 3: "RGB", 4: "CMYK"}[num_channels]
    return converted, {"icc_profile": name, "converted_from": f"{kind} by its ICC profile"}


def profile_name(profile: bytes) -> Any:
    """The description inside an ICC profile, as bounded text. Raises: ValueError."""
    from PIL import ImageCms

    try:
        return technical_text(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))))
    except ImageCms.PyCMSError as error:
        raise ValueError(str(error)) from error


@lru_cache(CACHED)
def is_srgb(profile: bytes, space: str) -> bool:
    """Whether the profile maps a lattice of colours to themselves."""
    steps = np.linspace(0, 1, 17, dtype=np.float32)
    if space == "gray":
        lattice, expected = steps[None], np.repeat(steps[None, :, None], 3, 2)
    else:
        lattice = expected = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
    return bool(np.abs(_transform(lattice, profile, space) - expected).max() < SAME)


def _converted(colours: np.ndarray, white: int, profile: bytes, space: str) -> np.ndarray:
    is_grey = colours.ndim == 2
    if is_grey and space == "rgb":
        colours = np.repeat(colours[..., None], 3, 2)
    is_deep = white != 255
    if is_deep:
        colours = np.rint(colours * (65535 / white)).astype(np.uint16) if white != 65535 else colours
    converted = _transform(np.ascontiguousarray(colours), profile, space)
    if is_grey:
        converted = converted[..., 1]
    if is_deep and white != 65535:
        converted = np.rint(converted * (white / 65535)).astype(np.uint8 if white < 256 else np.uint16)
    return converted


def _transform(colours: np.ndarray, profile: bytes, space: str) -> np.ndarray:
    """Transform to sRGB: three channels of the same type. Raises: ValueError, RuntimeError (Little CMS)."""
    import imagecodecs

    native = colours.astype(colours.dtype.newbyteorder("="), copy=False)
    converted: np.ndarray = imagecodecs.cms_transform(
        native,
        profile,
        _srgb(),
        colorspace=space,
        outcolorspace="rgb",
        intent=RELATIVE_COLORIMETRIC,
        flags=NO_FLAGS if native.dtype == np.uint8 else NO_OPTIMISATION,
    )
    return converted


@lru_cache(1)
def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _refused(colours: np.ndarray, reason: str) -> tuple[np.ndarray, dict[str, Any]]:
    return colours, {
        "icc_profile": f"ignored: {reason}",
        "notes": [f"the colour profile cannot be applied ({reason}): colours are not converted"],
    }
