"""Functional groups of multi-frame objects: attributes of each frame, and where its plane lies (PS3.3 C.7.6.16).

Frames are read in the order in which they are stored. Nothing makes that the order of anatomy, so what differs is noted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from oddpixel.counting import counted
from oddpixel.errors import CorruptFile

PER_FRAME, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
VALUES = "PixelValueTransformationSequence"
SAME_POSITION_MM = 1e-2
UNEVEN = 1.2  # a step this many times the smallest is no rounding
MOST_SHOWN = 8


class FunctionalGroups:
    """The functional groups of a DICOM object: attributes by frame, and where each frame's plane lies.

    Arguments:
        dataset: of any object; one without functional groups answers for all of its frames.
    """

    def __init__(self, dataset: Any, num_frames: int) -> None:
        self.dataset, self.num_frames = dataset, num_frames
        self.per_frame = list(dataset.get(PER_FRAME) or [])
        self.shared = list(dataset.get(SHARED) or [])
        self.has_own_values = any(group.get(VALUES) for group in self.per_frame)

    def item(self, index: int, sequence: str) -> Any:
        """The item of a functional group that applies to a frame; the data set itself where there is none."""
        groups = [*self.per_frame[index : index + 1], *self.shared]
        return next((group[sequence][0] for group in groups if group.get(sequence)), self.dataset)

    def check(self, index: int) -> None:
        """Check that a frame has its own value transformation where other frames have one. Raises: CorruptFile."""
        if self.has_own_values and self.item(index, VALUES) is self.dataset:
            raise CorruptFile(
                f"frame {index} has no rescale of its own, but other frames have one: its values cannot be compared with "
                "theirs; get the file from its source again"
            )

    def notes(self) -> list[str]:
        """Notes on incomplete functional groups and on the order of the frames."""
        incomplete = []
        if self.per_frame and len(self.per_frame) != self.num_frames:
            incomplete = [f"{len(self.per_frame)} of {self.num_frames} frames have functional groups"]
        return [*incomplete, *self._order()]

    def position_mm(self, index: int) -> float | None:
        """The frame's position along the normal of its plane, in mm; None where the file does not state it."""
        if (offsets := self.offsets()) is not None:
            return offsets[index]
        position = self.item(index, "PlanePositionSequence").get("ImagePositionPatient")
        normal = self._normal(index)
        if normal is None or position is None or isinstance(position, str) or len(position) != 3:
            return None
        return float(np.asarray(position, float) @ normal)

    def offsets(self) -> list[float] | None:
        """Offsets of the planes of an RT dose along its normal (C.8.8.3.2)."""
        offsets = self.dataset.get("GridFrameOffsetVector")
        is_usable = offsets is not None and not isinstance(offsets, str | float) and len(offsets) == self.num_frames
        return [float(offset) for offset in offsets] if is_usable else None

    def _normal(self, index: int) -> np.ndarray | None:
        cosines = self.item(index, "PlaneOrientationSequence").get("ImageOrientationPatient")
        if cosines is None or isinstance(cosines, str) or len(cosines) != 6:
            return None
        rows, columns = np.asarray(cosines, float).reshape(2, 3)
        normal: np.ndarray = np.cross(rows, columns)
        return normal / max(float(np.linalg.norm(normal)), 1e-12)

    def _order(self) -> list[str]:
        if self.num_frames < 2:
            return []
        if (offsets := self.offsets()) is not None:
            return _order_of(np.array(offsets))
        if not self.per_frame:
            return []
        normals = [self._normal(index) for index in range(self.num_frames)]
        positions = [self.position_mm(index) for index in range(self.num_frames)]
        planes = [(normal, place) for normal, place in zip(normals, positions, strict=True) if place is not None]
        if len(planes) < self.num_frames:
            return (
                [f"the positions of {counted(self.num_frames - len(planes), 'frame')} are not given"] if planes else []
            )
        first = planes[0][0]
        if any(not np.allclose(normal, first, atol=1e-3) for normal, _ in planes):  # type: ignore[arg-type]
            return ["frames differ in orientation: they are read in the order in which they are stored"]
        return _order_of(np.array([place for _, place in planes]))


def _order_of(positions: np.ndarray) -> list[str]:
    """Notes on frames out of order, at one position, and at uneven distances."""
    notes, steps = [], np.diff(positions)
    distinct = np.sort(positions)
    distinct = distinct[np.concatenate([[True], np.diff(distinct) > SAME_POSITION_MM])]
    if len(distinct) < len(positions):
        notes.append(f"{len(positions)} frames lie at {len(distinct)} positions")
    elif not ((steps > 0).all() or (steps < 0).all()):
        shown = ", ".join(f"{position:g}" for position in positions[:MOST_SHOWN])
        more = ", ..." if len(positions) > MOST_SHOWN else ""
        notes.append(f"frames are not stored in the order of their positions ({shown}{more} mm along the normal)")
    gaps = np.diff(distinct)
    if len(gaps) > 1 and gaps.max() > UNEVEN * gaps.min():
        notes.append(f"frames lie {gaps.min():g} to {gaps.max():g} mm apart: some may be missing")
    return notes
