"""What a verdict may say of a file. None says that it is authentic: no test here could."""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """The six labels, as reports print them."""

    PROVENANCE_VERIFIED = "provenance verified"
    DECLARED_SYNTHETIC = "declared synthetic"
    MANIPULATION = "evidence of manipulation"
    ANOMALOUS = "anomalous, cause unknown"
    NOTHING_FOUND = "no evidence found"
    INCONCLUSIVE = "inconclusive"


# What calls for a look; a run counts these as flagged.
FLAGGED = (Label.MANIPULATION, Label.ANOMALOUS, Label.DECLARED_SYNTHETIC)
