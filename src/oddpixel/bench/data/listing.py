"""Ten thousand DICOM slices in a hundred shards (`oddpixel bench listing`): every header is read once, whatever the shards.

Slices are of made-up series; their listing (headers read for groups, series and positions) and the reading of shards are those
of a real run. Files are counted where they are opened.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from oddpixel.bench import Report
from oddpixel.datasets import entry
from oddpixel.datasets.source import FileSource, open_source
from oddpixel.forensics.runs.order import Order, identities

SIDE = 16  # pixels
SLICES = 100  # a series


def run(slices: int = 10_000, shards: int = 100, seed: int = 0) -> Report:
    """Files opened, wall and processor time of listing once and of reading every shard."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), slices, seed)
        sources: list[FileSource] = []
        listing = _counted("list all once", lambda: sources.append(open_source(folder)))
        (source,) = sources
        order = Order(kind="listing", items=identities(source.entries), shard_size=-(-slices // shards))
        reading = _counted(f"read {shards} shards of that listing", lambda: _read(source, order))
    again = {
        "step": f"had each of {shards} shards listed again (computed)",
        "files opened": listing["files opened"] * (shards + 1),
        "wall_s": round(listing["wall_s"] * (shards + 1), 1),
    }
    passed = listing["files opened"] == slices and reading["files opened"] == slices
    return Report(tables={f"{slices} slices": [listing, reading, again]}, passed=passed, seed=seed)


def _read(source: FileSource, order: Order) -> None:
    for shard in range(order.num_shards):
        for _ in source.reader.read(tuple(order.part(shard, source.entries))):
            pass


def _counted(step: str, work: Callable[[], None]) -> dict[str, Any]:
    began, used = time.perf_counter(), time.process_time()
    with _opened() as files:
        work()
    return {
        "step": step,
        "files opened": len(files),
        "wall_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - used, 1),
    }


@contextmanager
def _opened() -> Iterator[list[Path]]:
    """The files that are opened meanwhile."""
    files: list[Path] = []

    def noted(path: Path) -> Any:
        files.append(path)
        return open_regular(path)

    open_regular = entry.open_regular
    with patch.object(entry, "open_regular", noted):
        yield files


def _write(folder: Path, slices: int, seed: int) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    random = np.random.default_rng(seed)
    for number in range(slices):
        series, place = divmod(number, SLICES)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = SecondaryCaptureImageStorage, ExplicitVRLittleEndian
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[f"instance {number}"])
        data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        data.PatientID, data.Modality, data.InstanceNumber = f"patient {series}", "CT", place + 1
        data.StudyInstanceUID = generate_uid(entropy_srcs=[f"study {series}"])
        data.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series {series}"])
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, float(place)], [1, 0, 0, 0, 1, 0]
        data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = SIDE, SIDE, 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
        data.PixelSpacing = [1.0, 1.0]
        data.PixelData = random.integers(0, 4096, (SIDE, SIDE), np.uint16).tobytes()
        data.save_as(folder / f"{number:05d}.dcm")
