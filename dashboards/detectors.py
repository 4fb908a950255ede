"""The detectors that the dashboard knows."""

from __future__ import annotations

import contextlib
from pathlib import Path

from oddpixel.errors import ModelError
from oddpixel.forensics.detect.detector_schema import DETECTOR
from oddpixel.records import read_record

from .library import OpenRun
from .site import the_site


def detectors() -> dict[str, Path]:
    """Detector folders by name: those made here, those beside the given runs, and those in folders that may be read."""
    site = the_site()
    records = sorted(site.folder.glob("detectors/*/detector.json"), reverse=True)
    records += site.folder.glob("demo/detector/detector.json")
    roots = [*(run.resolve().parent for run in site.library.given), *site.data]
    for root in dict.fromkeys(roots):
        records += [path for pattern in ("*", "*/*") for path in sorted(root.glob(f"{pattern}/detector.json"))]
    return {f"{path.parent.name} ({path.parent.parent.name})": path.parent for path in records}


def folder_of(run: OpenRun) -> Path | None:
    """The folder of the detector that scored a run; None where no known one did."""
    options = run.run.record["options"]
    for folder in detectors().values():
        with contextlib.suppress(ModelError):
            record = read_record(folder / "detector.json", DETECTOR, ModelError)
            if (record["channels_sha256"], record["calibration_sha256"]) == (
                options.get("detector"),
                options.get("calibration"),
            ):
                return folder
    return None


def detector_of(run: OpenRun) -> tuple[str, bool]:
    """The name of a run's detector, and whether it takes its images for aligned; "" for an unknown one."""
    sha256 = run.run.record["options"].get("detector")
    for folder in detectors().values():
        with contextlib.suppress(ModelError):
            record = read_record(folder / "detector.json", DETECTOR, ModelError)
            if record["channels_sha256"] == sha256:
                return folder.name, bool(record["options"].get("aligned"))
    return "", False
