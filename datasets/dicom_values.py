"""From stored values to modality values: LUT, rescale slope and intercept, scaling of doses.

PS3.3 C.11.1, C.8.8.3 and C.7.6.16.2.11.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class Values:
    """Modality values, slope * samples + intercept, with `notes` on rescale tags that cannot be used."""

    samples: np.ndarray
    slope: float = 1.0
    intercept: float = 0.0
    notes: list[str] = field(default_factory=list)


def modality_values(samples: np.ndarray, dataset: Any, rescale: Any) -> Values:
    """Apply modality LUT, dose scaling or rescale tags to stored values.

    Arguments:
        rescale: what holds slope and intercept: a frame's functional group, or the data set.
    """
    from pydicom.pixels import apply_modality_lut

    if dataset.get("ModalityLUTSequence"):
        return Values(samples=np.asarray(apply_modality_lut(samples, dataset)))
    if (scaling := dose_scaling(dataset)) is not None:
        return Values(samples=samples, slope=scaling)
    slope, intercept = rescale.get("RescaleSlope"), rescale.get("RescaleIntercept")
    if slope is None and intercept is None:
        return Values(samples=samples)
    if slope is None or intercept is None:
        missing = "RescaleSlope" if slope is None else "RescaleIntercept"
        return Values(samples=samples, notes=[f"{missing} is missing: values are as stored"])
    if not np.isfinite([float(slope), float(intercept)]).all() or float(slope) == 0:
        unusable = f"rescale slope {slope} and intercept {intercept} cannot be applied: values are as stored"
        return Values(samples=samples, notes=[unusable])
    return Values(samples=samples, slope=float(slope), intercept=float(intercept))


def dose_scaling(dataset: Any) -> float | None:
    """The factor from stored values to dose (RT dose, DoseGridScaling); None where the file has no usable one."""
    scaling = dataset.get("DoseGridScaling")
    is_usable = (
        scaling is not None and not isinstance(scaling, str) and np.isfinite(float(scaling)) and float(scaling) > 0
    )
    return float(scaling) if is_usable else None


def has_other_mapping(mapped: Any, rescale: Any) -> bool:
    """Whether a real-world value mapping gives other values than the rescale tags.

    Arguments:
        mapped: what may hold the mapping: a frame's functional groups, or the data set.
    """
    for item in mapped.get("RealWorldValueMappingSequence") or []:
        mapping = [item.get("RealWorldValueSlope", 1), item.get("RealWorldValueIntercept", 0)]
        rescaled = [rescale.get("RescaleSlope", 1), rescale.get("RescaleIntercept", 0)]
        is_table = item.get("RealWorldValueLUTData") is not None
        if is_table or not np.allclose([float(v or 0) for v in mapping], [float(v or 0) for v in rescaled]):
            return True
    return False
