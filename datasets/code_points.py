"""Colour by code points (ITU-T H.273), as HEIF, AVIF and PNG (cICP) carry it instead of an ICC profile.

Camera curves (BT.709 and the like) are taken as sRGB's, as browsers do: they differ in how a scene is captured, not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

D65, DCI = (0.3127, 0.3290, 1.0), (0.314, 0.351, 1.0)
# H.273, table 2: x and y of red, green and blue, and the white point.
PRIMARIES = {
    1: ((0.640, 0.330, 0.300, 0.600, 0.150, 0.060), D65),
    5: ((0.640, 0.330, 0.290, 0.600, 0.150, 0.060), D65),
    6: ((0.630, 0.340, 0.310, 0.595, 0.155, 0.070), D65),
    7: ((0.630, 0.340, 0.310, 0.595, 0.155, 0.070), D65),
    9: ((0.708, 0.292, 0.170, 0.797, 0.131, 0.046), D65),
    11: ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060), DCI),
    12: ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060), D65),
}
# H.273, table 3.
LIKE_SRGB = (1, 2, 6, 13, 14, 15)
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}
CURVE_POINTS = 4096


def profile_of(primaries: int, transfer: int) -> tuple[bytes | None, dict[str, Any]]:
    """An ICC profile for these code points, and facts with any notes on what is not converted.

    The profile is None where the colours are sRGB already or cannot be converted.
    """
    if (curve := HIGH_DYNAMIC_RANGE.get(transfer)) is not None:
        return None, {"notes": [f"high dynamic range ({curve}) is not mapped to sRGB: values are as stored"]}
    if primaries == 2 or (primaries in (1, 5, 6, 7) and transfer in LIKE_SRGB):
        # Primaries of standard-definition video stand in countless photographs that are sRGB in truth.
        return None, {}
    if primaries not in PRIMARIES or not (transfer in LIKE_SRGB or transfer in GAMMAS):
        return None, {"notes": [f"colour code points {primaries}/{transfer} are unknown: colours are not converted"]}
    return _profile(primaries, transfer), {"colour_code_points": f"{primaries}/{transfer}"}


def code_points(nclx: Mapping[str, Any] | None) -> tuple[int, int]:
    """Primaries and transfer of libheif's `nclx` record; 2 and 2, unspecified, where there is none."""
    record = nclx or {}
    return int(record.get("color_primaries", 2)), int(record.get("transfer_characteristics", 2))


@lru_cache(16)
def _profile(primaries: int, transfer: int) -> bytes:
    import imagecodecs

    xy, white = PRIMARIES[primaries]
    points = tuple(value for k in range(0, 6, 2) for value in (xy[k], xy[k + 1], 1.0))
    profile: bytes = imagecodecs.cms_profile(
        "rgb", whitepoint=white, primaries=points, transferfunction=np.rint(_linear(transfer) * 65535).astype(np.uint16)
    )
    return profile


def _linear(transfer: int) -> np.ndarray:
    """Light against code, 0..1."""
    code = np.linspace(0, 1, CURVE_POINTS)
    if transfer in GAMMAS:
        return np.asarray(code ** GAMMAS[transfer])
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
