"""Shared by all tests: shapes checked at run time, random state left as found, nothing written outside the test's folder."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook

from tests import shared, typecheck  # noqa: F401 -- the hook below looks it up by name

# Every annotation of a tensor's shape is checked by beartype while tests run.
install_import_hook("oddpixel", "tests.typecheck.check")


ROOT = Path(__file__).resolve().parent.parent
torch.set_num_threads(1)  # several test processes share the cores, and so do the commands that they start
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("ODDPIXEL_GROUP_KEY", "a key for tests only")
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


@pytest.fixture
def photo() -> np.ndarray:
    """A real photograph `[h, w, 3]` uint8 that scikit-learn ships."""
    from sklearn.datasets import load_sample_image

    return np.asarray(load_sample_image("china.jpg"))


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Save an array with Pillow under tmp_path; returns the path."""
    from PIL import Image as Pillow

    def write(array: np.ndarray, name: str, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(array).save(path, **options)
        return path

    return write


@pytest.fixture(scope="session")
def pydicom_files() -> list[str]:
    from pydicom.data import get_testdata_files

    return sorted(get_testdata_files())


# Whole commands, trainings, browsers and servers, folders and modules: `make quick` leaves them to `make test`.
SLOW = (
    *("bench", "dashboards", "encoders", "node", "service"),
    *(
        f"generation/test_{name}"
        for name in ("bundled_cascade", "components", "make", "parity", "pipeline", "training")
    ),
    *(f"datasets/test_{name}" for name in ("deidentify", "listing", "planting", "remote")),
    *(f"forensics/audit/test_{name}" for name in ("exiftool", "faces", "generators", "local_edits", "report", "video")),
    *(f"forensics/density/test_{name}" for name in ("bundled", "onnx", "pyramid", "pyramid_training", "training")),
    *(
        f"forensics/detect/test_{name}"
        for name in ("expected", "flag", "graph", "levels", "power", "teaching", "watch")
    ),
    *(
        f"forensics/runs/test_{name}"
        for name in ("executors", "export", "export_frames", "freshness", "runs", "verdicts")
    ),
    *(f"test_{name}" for name in ("api", "border", "cli", "docs", "fuzz", "packaging", "shell", "site", "tutorials")),
)
TESTS = ROOT / "tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = [TESTS / name for name in SLOW]
    for item in items:
        module = item.path.with_suffix("")
        if any(module == path or path in module.parents for path in slow):
            item.add_marker(pytest.mark.slow)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shared.end()


def pytest_configure(config: pytest.Config) -> None:
    shared.begin()
    config.addinivalue_line(
        "markers", "stress: kills, changes at random and many users, again and again; `make stress`"
    )
    config.addinivalue_line("markers", "slow: whole commands, trainings, browsers; left out of `make quick`")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
