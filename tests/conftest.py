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

from tests import typecheck  # noqa: F401 -- the hook below looks it up by name

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


# Whole commands, trainings, browsers and servers: `make quick` leaves them to `make test`.
SLOW = (
    *("test_tutorials", "test_api", "test_site"),
    *("test_cli", "test_fuzz", "test_border", "test_docs", "test_packaging", "test_bench_audit"),
    *("dashboards/test_browser", "dashboards/test_audit_view", "dashboards/test_views", "dashboards/test_hostile_runs"),
    *(
        "dashboards/test_synthetic",
        "dashboards/test_runs_view",
        "dashboards/test_plots",
        "dashboards/test_roles",
        "dashboards/test_reading",
    ),
    *("dashboards/test_access", "dashboards/test_sign_on", "datasets/test_listing", "datasets/test_planting"),
    *("forensics/test_flag", "forensics/test_training", "forensics/test_export", "forensics/test_export_forms"),
    *("forensics/test_pyramid_training", "forensics/test_pyramid", "forensics/test_facts", "forensics/test_runs"),
    *(
        "forensics/test_exiftool",
        "forensics/test_generators",
        "forensics/test_levels",
        "forensics/test_audit_report",
        "forensics/test_verdicts",
    ),
    *("forensics/test_expected", "forensics/test_freshness", "forensics/test_watch", "forensics/test_bundled"),
    *("generation/test_parity", "generation/test_training", "generation/test_pipeline", "generation/test_make"),
    *("generation/test_components", "generation/test_bundled_cascade"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(ROOT / "tests").with_suffix("").as_posix() in SLOW:
            item.add_marker(pytest.mark.slow)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: whole commands, trainings, browsers; left out of `make quick`")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
