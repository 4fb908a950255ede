"""Video: frames to the bit in a lossless codec, skipping, shots, and damage."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from oddpixel import Image, open_source
from oddpixel.image import Unreadable

LENGTHS = (20, 35, 25)  # frames of the three shots


def film(path: Path, codec: str = "ffv1", pixels: str = "bgr0") -> list[np.ndarray]:
    """Three shots of moving noise: the frames that were written."""
    random = np.random.default_rng(0)
    frames = []
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for length in LENGTHS:
            scene = random.integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            for k in range(length):
                frames.append(np.roll(scene, k // 4, 1))
                for packet in stream.encode(av.VideoFrame.from_ndarray(frames[-1], "rgb24")):
                    container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return frames


def test_every_nth_frame_to_the_bit(tmp_path: Path) -> None:
    frames = film(tmp_path / "a.mkv")
    images = list(open_source(tmp_path, every=7))
    assert [image.meta["frame"] for image in images] == list(range(0, sum(LENGTHS), 7))
    for image in images:
        written = frames[image.meta["frame"]]
        np.testing.assert_array_equal(np.rint(image.pixels * 255).transpose(1, 2, 0), written)
        assert image.meta["time_s"] == pytest.approx(image.meta["frame"] / 25, abs=0.002)
        assert image.group == "a.mkv"


@pytest.mark.parametrize("sandboxed", [True, False])
def test_one_frame_for_every_shot(sandboxed: bool, tmp_path: Path) -> None:
    film(tmp_path / "a.mkv")
    images = list(open_source(tmp_path, by_shot=True, sandboxed=sandboxed))
    assert [image.meta["frame"] for image in images] == [10, 37, 67]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.avi", "mjpeg"), ("a.webm", "libvpx")])
def test_usual_containers(name: str, codec: str, tmp_path: Path) -> None:
    frames = film(tmp_path / name, codec, "yuvj420p" if codec == "mjpeg" else "yuv420p")
    images = list(open_source(tmp_path, every=30))
    assert len(images) == 3
    difference = np.abs(images[1].pixels.transpose(1, 2, 0) * 255 - frames[30]).mean()
    assert difference < 40, "chroma is halved and the codec loses, but it is the same picture"


def test_a_video_cut_short_yields_what_it_holds(tmp_path: Path) -> None:
    film(tmp_path / "a.mkv")
    content = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(content[: len(content) // 2])
    images = list(open_source(tmp_path))
    assert sum(isinstance(image, Image) for image in images) > 20
    (tmp_path / "a.mkv").write_bytes(content[:100])
    (only,) = open_source(tmp_path)
    assert isinstance(only, Unreadable)


def test_mutated_videos_end_in_images_or_typed_errors(tmp_path: Path) -> None:
    film(tmp_path / "whole.mp4", "mpeg4", "yuv420p")
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "whole.mp4").unlink()
    random = np.random.default_rng(1)
    for index in range(60):
        damaged = np.frombuffer(content, np.uint8).copy()
        where = random.integers(0, len(damaged), random.integers(1, 60))
        damaged[where] = random.integers(0, 255, len(where))
        (tmp_path / f"{index:02}.mp4").write_bytes(damaged.tobytes())
    outcomes = {type(image) for image in open_source(tmp_path, every=20)}
    assert outcomes <= {Image, Unreadable}
    assert Image in outcomes


def test_frames_before_the_beginning_of_an_edit_list_are_not_promised(tmp_path: Path) -> None:
    """Packets that are decoded but never shown: what a cut without new coding leaves (ISO/IEC 14496-12, 8.6.6)."""
    film(tmp_path / "whole.mp4", "mpeg4", "yuv420p")
    whole = list(open_source(tmp_path / "whole.mp4"))
    with av.open(tmp_path / "whole.mp4") as source, av.open(tmp_path / "x.mp4", "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue
            hidden = int(6 / 25 / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - hidden, packet.dts - hidden, stream
            container.mux(packet)
    images = list(open_source(tmp_path / "x.mp4"))
    assert all(isinstance(image, Image) for image in images)
    assert len(images) == len(whole) - 6
    np.testing.assert_array_equal(images[0].pixels, whole[6].pixels)
    assert images[0].meta["frames_not_shown"] == 6
    assert "frames_promised" not in images[0].meta


def damaged(path: Path, number: int, length: int = 12) -> None:
    """Overwrite the middle of one packet."""
    with av.open(path) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    place = content.index(packets[number]) + len(packets[number]) // 2
    content[place : place + length] = bytes(length)
    path.write_bytes(content)


@pytest.mark.parametrize("codec", ["ffv1", "mpeg4"])
def test_frames_that_a_decoder_conceals_damage_in_are_noted(codec: str, tmp_path: Path) -> None:
    random, scene = np.random.default_rng(0), np.zeros((64, 64, 3), np.uint8)
    path = tmp_path / ("a.mkv" if codec == "ffv1" else "a.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream(
            codec, rate=10, options={"level": "3", "slicecrc": "1"} if codec == "ffv1" else {}
        )
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 64, "yuv420p", 10
        for k in range(20):
            scene = np.clip(scene + random.normal(0, 60, scene.shape), 0, 255).astype(np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.roll(scene, k, 0), "rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    whole = list(open_source(path, sandboxed=False))
    assert all(image.notes == [] for image in whole)
    damaged(path, 4)
    images = list(open_source(path, sandboxed=False))
    differ = [not np.array_equal(image.pixels, same.pixels) for image, same in zip(images, whole, strict=True)]
    noted = ["decoded with errors" in "; ".join(image.notes) for image in images]
    assert any(differ)
    assert not any(is_other and not is_noted for is_other, is_noted in zip(differ, noted, strict=True))
    assert not any(noted[:4])
    assert not any(noted[11:]), "a key frame builds on no other"


def test_a_transport_stream_cut_short_is_noted(tmp_path: Path) -> None:
    film(tmp_path / "a.ts", "mpeg2video", "yuv420p")
    assert next(iter(open_source(tmp_path, every=100))).notes == []
    content = (tmp_path / "a.ts").read_bytes()
    (tmp_path / "a.ts").write_bytes(content[: len(content) // 2 // 188 * 188 + 50])
    assert "ends within a packet" in "; ".join(next(iter(open_source(tmp_path, every=100))).notes)


def test_a_hole_in_a_container_is_noted(tmp_path: Path) -> None:
    film(tmp_path / "a.mkv")
    content = bytearray((tmp_path / "a.mkv").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 5000] = bytes(5000)
    (tmp_path / "a.mkv").write_bytes(content)
    assert "damaged" in "; ".join(next(iter(open_source(tmp_path))).notes)
