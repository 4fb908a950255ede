"""A real node and a real archive: Orthanc, with its DICOMweb plugin. Nothing of either is replaced."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydicom.uid import generate_uid

from oddpixel import open_source
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.store import save
from tests import launch
from tests.datasets.dicom_maker import make_slice
from tests.forensics.detect.test_detector import surface
from tests.patience import PATIENCE, until

SIDE = 96
PATIENT, ID, PHYSICIAN = "Doe^Jane Unmistakable", "PID-8731-X", "Roe^Ann Unmistakable"
PLUGINS = [*Path("/usr/share/orthanc/plugins").glob("libOrthancDicomWeb.so")]


@dataclass(frozen=True)
class Archive:
    """A running Orthanc."""

    process: subprocess.Popen[bytes]
    http: str
    port: int

    @property
    def dimse(self) -> str:
        """Its address as a peer."""
        return f"ORTHANC@127.0.0.1:{self.port}"

    @property
    def web(self) -> str:
        """The URL of its DICOMweb service."""
        return f"{self.http}/dicom-web"

    def ask(self, path: str) -> Any:
        """What its REST interface says."""
        return httpx.get(f"{self.http}{path}", trust_env=False, timeout=PATIENCE).json()

    def modalities(self) -> list[str]:
        """The modality of every instance that it holds, sorted."""
        return sorted(
            str(self.ask(f"/instances/{each}/simplified-tags")["Modality"]) for each in self.ask("/instances")
        )

    def introduce(self, title: str, port: int) -> None:
        """Tell it of a node."""
        about = {"AET": title, "Host": "127.0.0.1", "Port": port}
        httpx.put(f"{self.http}/modalities/{title}", json=about, trust_env=False, timeout=PATIENCE).raise_for_status()

    def clear(self) -> None:
        """Empty it."""
        for study in self.ask("/studies"):
            httpx.delete(f"{self.http}/studies/{study}", trust_env=False, timeout=PATIENCE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def running_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    program = shutil.which("Orthanc")
    if program is None:
        assert not os.environ.get("ODDPIXEL_REQUIRE_ORTHANC"), "apt-get install orthanc orthanc-dicomweb"
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    folder = tmp_path_factory.mktemp("orthanc")
    ports = free_port(), free_port()
    settings = {
        "Name": "archive", "DicomAet": "ORTHANC", "DicomPort": ports[0], "HttpPort": ports[1],
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"), "Plugins": [str(each) for each in PLUGINS],
        "DicomModalities": {"node": ["ODDPIXEL", "127.0.0.1", 1]}, "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowFind": True, "StoreDicom": True, "OverwriteInstances": True,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    archive = Archive(process, f"http://127.0.0.1:{ports[1]}", ports[0])
    try:
        until(lambda: _answers(archive) or process.poll() is not None, "Orthanc")
        assert process.poll() is None, (folder / "log").read_text()
        yield archive
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(archive: Archive) -> bool:
    try:
        return bool(archive.ask("/system"))
    except httpx.TransportError:
        return False


@pytest.fixture
def archive(running_archive: Archive) -> Archive:
    """Orthanc, empty."""
    running_archive.clear()
    return running_archive


@dataclass
class Node:
    """A running node."""

    process: launch.Started
    port: int
    folder: Path
    log: Path

    def send(self, paths: Sequence[Path], *, caller: str = "SCANNER") -> list[int | None]:
        """C-STORE files to it; the status of each."""
        from pydicom import dcmread
        from pynetdicom import AE

        ae = AE(ae_title=caller)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = PATIENCE
        data = [dcmread(path) for path in paths]
        for sop, syntax in {(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for each in data}:
            ae.add_requested_context(sop, syntax)
        association = ae.associate("127.0.0.1", self.port, ae_title="ODDPIXEL")
        if not association.is_established:
            return [None] * len(paths)
        try:
            return [association.send_c_store(each).get("Status") for each in data]
        finally:
            association.release()


@contextmanager
def running(folder: Path, detector: Path, *options: str) -> Iterator[Node]:
    """A node over a folder, ended at last."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.parent / f"{folder.name}-{time.monotonic_ns()}.log"
    process = launch.start(
        *("node", "--detector", detector, "--folder", folder, "--port", 0, "--quiet", 1, "--alpha", 0.1, *options),
        stderr=log,
        environment=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
    )
    try:
        found = re.search(r":(\d+)$", process.stdout.readline().strip())
        assert found, log.read_text()
        yield Node(process, int(found[1]), folder, log)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)
        process.stdout.close()


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fitted on a slice each of 24 patients."""
    folder = tmp_path_factory.mktemp("node-detector")
    for k in range(24):
        make_slice(
            folder / f"in/{k}.dcm", in_hounsfield(surface(k, SIDE)), PatientID=f"normal {k}", StudyInstanceUID=None
        )
    save(Detector(chooses=False).fit(open_source(folder / "in")), folder / "d")
    return folder / "d"


def in_hounsfield(grey: np.ndarray) -> np.ndarray:
    """Grey levels as stored values of a CT: over most of what CT is shown in."""
    return grey.astype(np.int16) * 8 + 200


def with_spot(grey: np.ndarray) -> np.ndarray:
    """The picture with a square of noise in it."""
    noisy = grey.copy()
    noisy[40:72, 40:72] = np.random.default_rng(0).integers(0, 256, (32, 32))
    return noisy


def study(folder: Path, *, odd: int = 1, normal: int = 2, seed: int = 60) -> list[Path]:
    """A study of one patient: so many normal images, so many odd ones."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [surface(seed + k, SIDE) for k in range(normal)] + [
        with_spot(surface(seed + 50 + k, SIDE)) for k in range(odd)
    ]
    uid, series = generate_uid(), generate_uid()
    paths = []
    for k, picture in enumerate(pictures):
        path = folder / f"{k}.dcm"
        make_slice(
            path, in_hounsfield(picture), StudyInstanceUID=uid, SeriesInstanceUID=series,
            SOPInstanceUID=generate_uid(), InstanceNumber=k + 1, PatientName=PATIENT, PatientID=ID,
            ReferringPhysicianName=PHYSICIAN, FrameOfReferenceUID="1.2.3.4", PatientSex="O", StudyDate="20260102",
            StudyTime="101500", StudyID="1", AccessionNumber="A1", SeriesNumber=1, Manufacturer="Maker",
            ImagePositionPatient=[0.0, 0.0, 3.0 * k], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], SliceThickness=3,
            PositionReferenceIndicator="",
        )  # fmt: skip
        paths.append(path)
    return paths
