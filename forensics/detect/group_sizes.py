"""Whether incoming groups have as many images as those calibrated on: what is promised holds for those.

A group's score is the largest of its members', and the largest of ten is larger than the largest of two. Groups smaller than
those calibrated on only make the promise safer. Larger ones void it:

    a group with more images than every calibration group                    for that group
    the others as a whole larger, by a one-sided Mann-Whitney test           for all of them

Of groups of the population that was calibrated on, the test objects to at most `SIZE_LEVEL` of batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from oddpixel.counting import counted

SIZE_LEVEL = 0.01


@dataclass(frozen=True)
class Sizes:
    """The sizes of incoming and calibration groups, and which incoming ones void the guarantee.

    Arguments:
        larger: groups with more images than any that theirs were compared with.
        are_shifted: whether the other incoming groups as a whole are larger.
        incoming, calibration: images of each group.
    """

    larger: tuple[str, ...]
    are_shifted: bool
    incoming: tuple[int, ...]
    calibration: tuple[int, ...]

    @classmethod
    def of(cls, groups: Sequence[str], strata: Mapping[str, str], reference: Mapping[str, Sequence[int]]) -> Sizes:
        """Compare the sizes of incoming groups with those of calibration groups of their stratum.

        Arguments:
            groups: of each incoming image.
            strata: of each incoming group.
            reference: the sizes of the calibration groups that groups of a stratum are compared with.
        """
        sizes = Counter(groups)
        larger = tuple(name for name, size in sizes.items() if size > max(reference[strata[name]]))
        by_stratum: dict[str, list[int]] = {}
        for name in sizes.keys() - {*larger}:
            by_stratum.setdefault(strata[name], []).append(sizes[name])
        are_shifted = any(
            _are_larger(mine, reference[stratum], len(by_stratum)) for stratum, mine in by_stratum.items()
        )
        calibration = tuple(size for each in reference.values() for size in each)
        return cls(larger, are_shifted, tuple(sizes.values()), calibration)

    @property
    def void_all(self) -> bool:
        """Whether nothing is promised for any group."""
        return self.are_shifted or len(self.larger) == len(self.incoming)

    @property
    def warning(self) -> str | None:
        """None where nothing is lost."""
        if self.void_all:
            usual, calibrated_on = np.median(self.incoming), np.median(self.calibration)
            return (
                f"the incoming groups have more images than those calibrated on (median {usual:g} and {calibrated_on:g}), "
                "and the oddest of more images is odder: nothing is promised about false alarms; calibrate on groups as "
                "large as these"
            )
        if self.larger:
            others = f" and {len(self.larger) - 1} more" if len(self.larger) > 1 else ""
            return (
                f"{counted(len(self.larger), 'group')} of {len(self.incoming)} with more images than any calibrated on "
                f"(at most {max(self.calibration)}): nothing is promised for {self.larger[0]}{others}"
            )
        return None

    def promise(self, promise: str) -> str:
        """What remains of it."""
        if self.void_all or not promise:
            return ""
        return f"{promise}; not for groups with more images than any calibrated on" if self.larger else promise


def _are_larger(incoming: Sequence[int], calibration: Sequence[int], num_tests: int) -> bool:
    if max(incoming) <= min(calibration):
        return False
    from scipy.stats import mannwhitneyu

    test = mannwhitneyu(incoming, calibration, alternative="greater", method="asymptotic")
    return bool(test.pvalue <= SIZE_LEVEL / num_tests)
