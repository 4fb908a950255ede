"""The wheel, built from the clone and installed elsewhere, is whole: it runs without the clone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory)


def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import shutil

    # From a copy of what git tracks (or would): a build in the clone itself would leave traces there.
    copy = tmp_path_factory.mktemp("clone") / "oddpixel"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        source, target = ROOT / name, copy / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target, follow_symlinks=False)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=environment)
    (found,) = out.glob("*.whl")
    return found


def test_two_builds_are_the_same_bytes(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    again = built(tmp_path_factory)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(wheel.read_bytes()).digest()


def test_the_wheel_holds_everything_and_only_oddpixel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.split("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"oddpixel"}
    for wanted in (
        "oddpixel/datasets/source.py",
        "oddpixel/datasets/corpora/cards/digits.toml",
        "oddpixel/forensics/inspection/contact_sheet.html",
        "oddpixel/forensics/density/recipes/digits.toml",
        "oddpixel/forensics/audit/recipes/local-edits.toml",
        "oddpixel/forensics/audit/weights/local-edits/model.safetensors",
        "oddpixel/forensics/weights/yunet/model.onnx",
        "oddpixel/forensics/weights/digits/model.json",
        "oddpixel/forensics/weights/digits/model.safetensors",
        "oddpixel/py.typed",
    ):
        assert wanted in names
    components = [path for path in (ROOT / "dashboards/components").rglob("*") if path.suffix in (".js", ".css")]
    assert len(components) > 40
    for path in components:
        assert f"oddpixel/{path.relative_to(ROOT).as_posix()}" in names
    assert not [name for name in names if "node_modules" in name or name.endswith(".test.js")]
    assert "oddpixel/datasets/__init__.py" not in names


def test_the_installed_wheel_runs_outside_the_clone(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own; the dependencies are lent by this one, oddpixel is not."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env/bin/python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    zipfile.ZipFile(wheel).extractall(site)
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = subprocess.run(
        [python, "-c", "import oddpixel; print(oddpixel.__file__)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert where.stdout.startswith(str(site))
    result = subprocess.run(
        [python, "-m", "oddpixel", "doctor", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["summary"] == "everything OddPixel needs is here"
    from sklearn.datasets import load_sample_image  # noqa: F401 -- the photograph below is this package's

    photo = Path(sysconfig.get_path("purelib")) / "sklearn/datasets/images/china.jpg"
    result = subprocess.run(
        [python, "-m", "oddpixel", "inspect", str(photo), "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert json.loads(result.stdout)["items"][0]["width"] == 640
