"""A real run of a real detector, and a real server process; nothing of the dashboard is replaced."""

from __future__ import annotations

import os
import re
import shutil
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.runs.run import Run
from tests import launch
from tests.datasets.dicom_maker import make_slice
from tests.forensics.detect.test_detector import ODD, surface
from tests.patience import PATIENCE, until
from tests.shared import shared, surfaces

HOSTILE = "<img src=x onerror=document.title='pwned'>.png"
SCRIPT = "<script>document.title='pwned'</script>"
FORMULA = "=cmd|' calc'!A0.png"
TOKEN = "a token that nobody guesses"
SLICES = 6


@pytest.fixture(scope="session")
def made() -> Path:
    """detector/, incoming/, run/, normals/: 20 images of a surface, odd ones, hostile names, a broken file, a CT series."""
    return shared("made", make_run)


def make_run(place: Path) -> None:
    incoming = place / "incoming"
    incoming.mkdir(parents=True)
    (place / "normals").mkdir()
    for k in range(5):
        Pillow.fromarray(surface(900 + k)).save(place / f"normals/n{k}.png")
    for k in range(20):
        Pillow.fromarray(surface(600 + k)).save(incoming / f"normal-{k:02d}.png")
    for name, image in ODD.items():
        Pillow.fromarray(image).save(incoming / f"odd-{name}.png")
    for k, name in enumerate((HOSTILE, FORMULA)):
        Pillow.fromarray(surface(700 + k)).save(incoming / name)
    (incoming / "zz-broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    rows, columns = np.mgrid[:96, :128]
    for k in range(SLICES):
        body = 1024 * (np.hypot(rows - 48, columns - 64) < 30 + 2 * k) + 200 * ((rows // 8 + columns // 8) % 2)
        make_slice(
            incoming / f"ct-{k}.dcm", body.astype(np.int16), InstanceNumber=k + 1,
            ImagePositionPatient=[0.0, 0.0, 3.0 * k], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            FrameOfReferenceUID="1.2.3.4", SliceThickness=3, PatientSex="O", StudyDate="20260102", StudyTime="101500",
            StudyID="1", AccessionNumber="A1", ReferringPhysicianName="Roe^Ann", SeriesNumber=1, Manufacturer=SCRIPT,
            PositionReferenceIndicator="", WindowCenter=40, WindowWidth=400,
        )  # fmt: skip

    detector = Path(shutil.copytree(surfaces(44), place / "detector"))
    assert flag_into(place / "run", Incoming(places=(str(incoming),)), detector, Rule(alpha=0.1)) is not None


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    """That run, without anybody's verdicts."""
    shutil.copytree(made / "run", tmp_path / "run", ignore=shutil.ignore_patterns("verdicts*"))
    return Run.open(tmp_path / "run")


@dataclass(frozen=True)
class Server:
    address: str  # without a slash at its end
    token: str | None
    folder: Path
    run: Run

    @property
    def entrance(self) -> str:
        return f"{self.address}/?token={self.token.replace(' ', '%20')}" if self.token else f"{self.address}/"


@pytest.fixture
def server(run: Run, made: Path, tmp_path: Path) -> Iterator[Server]:
    """Open to this machine alone, so without a token."""
    with serving(run, made, tmp_path, None) as started:
        yield started


@pytest.fixture(scope="module")
def guarded(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Behind a token."""
    place = tmp_path_factory.mktemp("guarded")
    shutil.copytree(made / "run", place / "run", ignore=shutil.ignore_patterns("verdicts*"))
    with serving(Run.open(place / "run"), made, place, TOKEN) as started:
        yield started


class serving:
    """A dashboard process for a `with` block."""

    def __init__(
        self,
        run: Run,
        made: Path,
        folder: Path,
        token: str | None,
        more: Sequence[Path] = (),
        port: int = 0,
        options: Sequence[str] = (),
    ) -> None:
        self.process = launch.start(
            *("dashboard", run.path, *more, "--port", port, "--folder", folder / "dashboard"),
            *("--data", made, "--max-upload", 1, *options),
            environment=os.environ | ({"ODDPIXEL_TOKEN": token} if token else {}),
            cwd=folder,
        )
        self.printed: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.started = Server(self._address(), token, folder / "dashboard", run)

    def _read(self) -> None:
        self.printed.extend(iter(self.process.stdout.readline, ""))

    def _address(self) -> str:
        until(lambda: self.process.poll() is not None or self._answers(), "the dashboard")
        if self.process.poll() is not None:
            raise AssertionError("".join(self.printed))
        return self._printed_address() or ""

    def _printed_address(self) -> str | None:
        addresses = (re.search(r"dashboard: (http://localhost:\d+)/", line) for line in self.printed)
        return next((address[1] for address in addresses if address), None)

    def _answers(self) -> bool:
        address = self._printed_address()
        if address is None:
            return False
        try:
            urllib.request.urlopen(f"{address}/oddpixel/health", timeout=PATIENCE).close()
        except OSError:
            return False
        return True

    def __enter__(self) -> Server:
        return self.started

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        assert "Traceback" not in "".join(self.printed), "".join(self.printed)
