"""What data sets call an image without anomaly."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

NORMAL_LABELS = frozenset(
    (
        "good", "ok", "okay", "normal", "healthy", "nominal", "real", "authentic", "pristine", "original", "pass", "negative",
        "none", "no", "no finding", "no anomaly", "defect-free", "defect free", "non-defective", "anomaly-free", "0", "0.0",
        "false",
    )
)  # fmt: skip


def is_normal(label: str | None, mask: str | None, normal_labels: Collection[str] = NORMAL_LABELS) -> bool:
    """Whether an image is normal by its label; without one, by having no mask of what is odd."""
    return mask is None if label is None else folded(label) in normal_labels


def folded(label: Any) -> str:
    """The label as it is compared: without case, blanks around it and underscores."""
    return str(label).strip().casefold().replace("_", " ")
