"""Large arrays in files without a name, strip by strip: what they take of memory does not grow with the picture.

Pages that a process has touched count as its memory until they are dropped; a file's pages keep their content, in the page cache
or on the disk, and come back when they are touched again.
"""

from __future__ import annotations

import mmap
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

LARGEST_IN_MEMORY = 16_000_000  # bytes of one array


def room(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An array to be filled: in memory, or a large one in a file that goes with it."""
    if np.prod(shape, dtype=np.int64) * np.dtype(dtype).itemsize <= LARGEST_IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def is_spilled(array: np.ndarray) -> bool:
    """Whether an array lies in a file or in memory that is shared, and not in this process's own."""
    return _mapping(array) is not None


def drop_pages(array: np.ndarray) -> None:
    """Give back the memory of all pages that were touched of a spilled array; of another one, nothing."""
    if (mapping := _mapping(array)) is not None:
        mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: Any) -> mmap.mmap | None:
    """What an array is a view of, if that is a shared mapping: only such a one keeps its content."""
    while isinstance(array, np.ndarray):
        array = array.base
    if isinstance(array, memoryview):
        array = array.obj
    return array if isinstance(array, mmap.mmap) else None
