"""Folders that take long to make and that tests only read: made once, for all test processes of a run.

    place = shared("two-slices", write_slices)

Whoever needs another state copies the folder first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

VARIABLE = "ODDPIXEL_TESTS_SHARED"


def shared(name: str, make: Callable[[Path], object]) -> Path:
    """The folder of this name. The first process that asks for it makes it, at a place where nothing is yet; others wait."""
    root = Path(os.environ[VARIABLE])
    place, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            make(place)
            done.touch()
    return place


def surfaces(count: int, **options: object) -> Path:
    """A detector fitted to so many surfaces, with these options."""
    from oddpixel.forensics.detect import store
    from oddpixel.forensics.detect.detector import Detector
    from tests.forensics.detect.test_detector import surface

    def make(place: Path) -> None:
        store.save(Detector(chooses=False, **options).fit([surface(k) for k in range(count)]), place)

    described = "".join(letter if letter.isalnum() else "-" for letter in f"{options}")
    return shared(f"surfaces-{count}{described}", make)


def begin() -> None:
    """Where they are kept; test processes that this one starts have them in common."""
    os.environ.setdefault(VARIABLE, tempfile.mkdtemp(prefix="oddpixel-tests-"))


def end() -> None:
    """Delete them."""
    shutil.rmtree(os.environ.pop(VARIABLE), ignore_errors=True)
