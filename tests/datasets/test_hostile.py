"""Files made to do harm, and the confinement that a decoder lives in."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from oddpixel import Image, open_source
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.reading import read_entry
from oddpixel.datasets.sandbox import SandboxedDecoder
from oddpixel.errors import DecodingStopped, TooLarge, UnreadableInput
from oddpixel.image import Unreadable
from tests.datasets.dicom_maker import make_slice
from tests.patience import PATIENCE

Save = Callable[..., Path]
KEY = b"tests"
MUTATIONS_PER_FORMAT = 500


def png_of_zeros(width: int, height: int) -> bytes:
    """A true grey PNG of any size in little memory: its rows are zeros, and deflate shrinks them 1000-fold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer, row, parts = zlib.compressobj(9), b"\0" * (width + 1), []
    for _ in range(height):
        parts.append(packer.compress(row))
    body = b"".join(parts) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_400_megapixel_bomb_is_refused_and_100_megapixels_pass(tmp_path: Path, photo: np.ndarray, save: Save) -> None:
    (tmp_path / "a.png").write_bytes(png_of_zeros(20_000, 20_000))
    (tmp_path / "b.png").write_bytes(png_of_zeros(10_000, 10_000))
    save(photo, "c.png")
    bomb, large, after = open_source(tmp_path)
    assert isinstance(bomb.error, TooLarge)
    assert "400 megapixels" in str(bomb.error)
    assert large.pixels.shape == (1, 10_000, 10_000)
    assert isinstance(after, Image)


def seeds() -> dict[str, bytes]:
    folder = Path(os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp"))
    array = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    files: dict[str, bytes] = {}
    for name, options in (("png", {}), ("jpg", {"quality": 80})):
        buffer = io.BytesIO()
        Pillow.fromarray(array).save(buffer, "JPEG" if name == "jpg" else "PNG", **options)
        files[name] = buffer.getvalue()
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, photometric="rgb", compression="lzw")
    files["tif"] = buffer.getvalue()
    path = folder / f"oddpixel-seed-{os.getpid()}.dcm"
    files["dcm"] = make_slice(path, array[..., 0].astype(np.int16), WindowCenter=40, WindowWidth=400).read_bytes()
    path.unlink()
    return files


SEEDS = seeds()


@pytest.fixture(scope="module")
def decoder():  # type: ignore[no-untyped-def]
    worker = SandboxedDecoder(Limits(max_pixels=10_000_000, cpu_seconds=10, wall_seconds=20), KEY)
    yield worker
    worker.close()


@pytest.mark.parametrize("suffix", sorted(SEEDS))
def test_mutated_files_end_in_an_image_or_a_typed_error(suffix: str, decoder: SandboxedDecoder, tmp_path: Path) -> None:
    """2,000 mutations over four formats: flipped, overwritten, cut and repeated bytes."""
    seed = SEEDS[suffix]
    path = tmp_path / f"x.{suffix}"
    outcomes = {"image": 0, "error": 0}
    edit = st.tuples(st.integers(0, len(seed) - 1), st.binary(min_size=1, max_size=8))

    @settings(
        max_examples=MUTATIONS_PER_FORMAT,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(edits=st.lists(edit, min_size=1, max_size=6), cut=st.one_of(st.none(), st.integers(0, len(seed))))
    def mutate(edits: list[tuple[int, bytes]], cut: int | None) -> None:
        content = bytearray(seed)
        for place, patch in edits:
            content[place : place + len(patch)] = patch
        path.write_bytes(bytes(content[:cut]))
        try:
            with path.open("rb") as file:
                facts = decoder.open(file, path.name)
                for index in range(min(facts.header.frames, 3)):
                    pixels = decoder.frame(index)
                    assert pixels.array.dtype == np.float32
            outcomes["image"] += 1
        except UnreadableInput as error:
            assert str(error)
            outcomes["error"] += 1

    mutate()
    assert sum(outcomes.values()) >= MUTATIONS_PER_FORMAT * 0.9
    assert outcomes["error"] > 0


def test_a_worker_that_hangs_or_dies_is_replaced(tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted violations: a decoder that never answers, and one killed in the middle of its work."""
    path = save(np.zeros((8, 8), np.uint8), "x.png")
    worker = SandboxedDecoder(Limits(wall_seconds=1.0), KEY)
    try:
        with path.open("rb") as file:
            worker.open(file, "x.png")
        assert worker.process is not None
        worker.process.send_signal(19)  # SIGSTOP: it hangs
        with pytest.raises(DecodingStopped, match="longer than 1 s"):
            worker.frame(0)
        with path.open("rb") as file:
            worker.open(file, "x.png")
        worker.process.kill()
        with pytest.raises(DecodingStopped, match="signal 9"):
            worker.frame(0)
        with path.open("rb") as file:
            worker.open(file, "x.png")
        assert worker.frame(0).array.shape == (1, 8, 8)
    finally:
        worker.close()


def test_a_frame_that_kills_the_worker_costs_no_other_frame(tmp_path: Path) -> None:
    pages = np.zeros((6, 8, 8), np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", pages, photometric="minisblack")
    entry, limits = Entry(name="x.tif", path=tmp_path / "x.tif"), Limits()
    worker = SandboxedDecoder(limits, KEY)
    try:
        reading = read_entry(entry, worker, limits)
        assert isinstance(next(reading), Image)
        assert worker.process is not None
        worker.process.kill()
        stopped = next(reading)
        assert isinstance(stopped, Unreadable)
        assert (stopped.source, type(stopped.error)) == ("x.tif#1", DecodingStopped)
        rest = list(reading)
        assert [image.source for image in rest] == [f"x.tif#{k}" for k in range(2, 6)]
        assert all(isinstance(image, Image) for image in rest)
    finally:
        worker.close()


def test_memory_over_the_limit_is_a_typed_error_and_the_worker_lives(tmp_path: Path, save: Save) -> None:
    (tmp_path / "big.png").write_bytes(png_of_zeros(9_000, 9_000))
    small = save(np.zeros((8, 8), np.uint8), "small.png")
    worker = SandboxedDecoder(Limits(memory_bytes=400 * 2**20), KEY)
    try:
        with (
            (tmp_path / "big.png").open("rb") as file,
            pytest.raises(UnreadableInput, match="memory|cannot be decoded"),
        ):
            worker.open(file, "big.png")
            worker.frame(0)
        with small.open("rb") as file:
            worker.open(file, "small.png")
        assert worker.frame(0).array.shape == (1, 8, 8)
    finally:
        worker.close()


CONFINED = """
import json, os, socket, sys
from oddpixel.datasets.confinement import confine
held = confine(2**31)
tried = {}
def attempt(name, action):
    try:
        action(); tried[name] = "done"
    except OSError as error:
        tried[name] = "refused"
attempt("write", lambda: open(sys.argv[1] + "/new", "wb").write(b"x" * 10) or open(sys.argv[1] + "/new", "wb").flush())
attempt("remove", lambda: os.remove(sys.argv[1] + "/old"))
attempt("network", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=2))
print(json.dumps([held, tried]))
"""


def test_confinement_forbids_writing_removing_and_the_network(tmp_path: Path) -> None:
    import json
    import socket
    import subprocess
    import sys

    (tmp_path / "old").write_bytes(b"kept")
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", CONFINED, str(tmp_path), str(server.getsockname()[1])]
        result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    confined, tried = json.loads(result.stdout)
    assert (tmp_path / "old").read_bytes() == b"kept" or not confined["no_file_writes"]
    assert not (tmp_path / "new").exists() or (tmp_path / "new").stat().st_size == 0
    if confined["no_file_writes"]:
        assert (tried["write"], tried["remove"]) == ("refused", "refused")
    if confined["no_network"]:
        assert tried["network"] == "refused"


def test_stopping_early_leaves_no_worker_behind(tmp_path: Path, save: Save) -> None:
    import subprocess

    def workers() -> set[str]:
        command = ["ps", "--ppid", str(os.getpid()), "-o", "pid=,args="]
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        return {line.split()[0] for line in lines if "oddpixel.datasets.worker" in line}

    for k in range(20):
        save(np.zeros((64, 64), np.uint8), f"{k}.png")
    before = workers()
    reading = iter(open_source(tmp_path))
    next(reading)
    assert workers() > before
    reading.close()  # type: ignore[attr-defined]
    assert workers() == before


def test_a_decoder_that_talks_nonsense_is_stopped(tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    """A taken-over worker may say anything; the reader believes no shape that its limits forbid."""
    path = save(np.zeros((8, 8), np.uint8), "x.png")
    worker = SandboxedDecoder(Limits(max_pixels=100), KEY)
    try:
        with path.open("rb") as file:
            worker.open(file, "x.png")
        honest = worker._ask
        for lie in ({"shape": [3, 10**6, 10**6]}, {"shape": "x"}, {"shape": [7, 8, 8], "spacing_mm": None}, {}):
            monkeypatch.setattr(worker, "_ask", lambda *message, lie=lie: lie)
            with pytest.raises(UnreadableInput):
                worker.frame(0)
        monkeypatch.setattr(worker, "_ask", honest)
    finally:
        worker.close()


def test_every_error_row_has_a_name_from_the_tree(tmp_path: Path) -> None:
    for k, content in enumerate((b"", b"\x89PNG\r\n\x1a\n", b"BM", b"P5", b"RIFF0000WEBP")):
        (tmp_path / f"{k}.bin").write_bytes(content)
    images = list(open_source(*sorted(tmp_path.iterdir())))
    assert len(images) == 5
    assert all(isinstance(image, Unreadable) and isinstance(image.error, UnreadableInput) for image in images)
