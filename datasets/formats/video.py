"""Video frames through PyAV (FFmpeg), in the order in which they are shown; shots through PySceneDetect.

Both come with the extra `video`: PyAV's wheels carry GPL encoders (x264, x265), which nobody should get unasked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.errors import CorruptFile, NoPixels, UnsupportedEncoding

from ..appearance import Samples, appearance
from ..limits import Limits
from ..video_log import DAMAGED, frames_of, has_errors, listen
from ..video_timeline import WIDTH, rows_of
from . import Frame, Header, noted

# ISO media files say by their brand whether they are pictures (HEIF) or films.
BRANDS = (
    b"isom",
    b"iso2",
    b"iso4",
    b"iso5",
    b"iso6",
    b"mp41",
    b"mp42",
    b"avc1",
    b"M4V ",
    b"M4VH",
    b"qt  ",
    b"dash",
    b"MSNV",
    b"3gp4",
    b"3gp5",
    b"3gp6",
    b"3g2a",
)
# Matroska, Ogg, MPEG program stream and video sequence, ASF, Flash video.
SIGNATURES = (b"\x1a\x45\xdf\xa3", b"OggS", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"\x30\x26\xb2\x75", b"FLV\x01")
# An MPEG transport stream: a sync byte every 188 bytes, or every 192 with a time stamp before each packet (ISO/IEC 13818-1).
SYNC, PACKETS = 0x47, ((0, 188), (4, 192))
# Columns of a display matrix that turn and mirror, a b c d, against orientations as EXIF numbers them (ISO/IEC 14496-12, 6.2.2):
# x' = a x + c y, y' = b x + d y.
ORIENTATIONS = {
    (1, 0, 0, 1): 1, (-1, 0, 0, 1): 2, (-1, 0, 0, -1): 3, (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5, (0, 1, -1, 0): 6, (0, -1, -1, 0): 7, (0, -1, 1, 0): 8,
}  # fmt: skip
TURNED = {2: "mirrored", 3: "turned by 180 degrees", 4: "mirrored upside down", 5: "mirrored and turned", 6: "turned clockwise",
          7: "mirrored and turned", 8: "turned anticlockwise"}  # fmt: skip
# A promise by duration and rate is a rough one; by count it is exact.
ROUGHLY = 0.02
SIDE_FOR_SHOTS = 256  # pixels; PySceneDetect's own advice for speed


class Video:
    """Video containers that FFmpeg reads."""

    # Transport streams are known by content alone: `.ts` is TypeScript's suffix as well.
    suffixes: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".m2ts", ".wmv", ".asf", ".flv", ".3gp",
        ),
        "video",
    )  # fmt: skip

    def recognise(self, head: bytes) -> str | None:
        """Video by brand or signature; transport streams by their sync bytes."""
        is_video = (
            (head[4:8] == b"ftyp" and head[8:12] in BRANDS)
            or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
            or head[:4] in SIGNATURES
            or any(_is_transport_stream(head, *packets) for packets in PACKETS)
        )
        return "video" if is_video else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedVideo:
        """Parse the container and count its packets."""
        return OpenedVideo(file, limits)


FORMAT = Video


class OpenedVideo:
    """An open video, decoded forwards."""

    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        try:
            import av
        except ImportError as error:
            raise UnsupportedEncoding("video needs PyAV: pip install 'oddpixel[video]'") from error

        self.av: Any = av
        self.file = file
        listen(av)
        with av.logging.Capture() as messages, self.av.open(file) as container:
            if not container.streams.video:
                raise NoPixels("the file has no video stream")
            stream = container.streams.video[0]
            limits.check_size(stream.width, stream.height)
            # Containers are often silent, or wrong, about how many frames they hold; counting packets decodes nothing.
            num_packets, num_discarded, num_corrupt, last = 0, 0, 0, 0.0
            for packet in container.demux(stream):
                num_packets += packet.size > 0
                # Before the beginning that an edit list sets: decoded for what follows, never shown (ISO/IEC 14496-12, 8.6.6).
                num_discarded += packet.size > 0 and packet.is_discard
                num_corrupt += packet.is_corrupt
                last = max(last, float((packet.pts or 0) * packet.time_base) if packet.size > 0 else 0.0)
                limits.check_size(stream.width, stream.height, num_packets)
            num_frames = num_packets - num_discarded
            promise = _promise(container, stream, num_packets, last)
            notes = [*promise.pop("notes", []), *_damage(has_errors(av, messages), num_corrupt), *_cut_packet(file)]
            self.header = Header(
                format="video",
                width=stream.width,
                height=stream.height,
                frames=num_frames,
                meta={
                    "container": container.format.name,
                    "codec": stream.codec_context.name,
                    "pixel_format": str(stream.codec_context.pix_fmt),
                    "frames_per_second": float(stream.average_rate or 0),
                    **promise,
                    **_pixel_aspect(stream),
                    **({"frames_not_shown": num_discarded} if num_discarded else {}),
                    **({"notes": notes} if notes else {}),
                },
            )
        if num_frames == 0:
            raise NoPixels("the video has no frames")
        self.frames: Iterator[tuple[Any, bool]] = iter(())
        self.next_index = -1
        self.rows: Iterator[np.ndarray] = iter(())
        self.next_row = -1

    def frame(self, index: int) -> Frame:
        """Decode up to this frame, in sRGB and upright; an earlier index starts again from the beginning."""
        if self.next_index < 0 or index < self.next_index:
            self.frames, self.next_index = self._decode(), 0
        for frame, is_doubtful in self.frames:
            self.next_index += 1
            if self.next_index == index + 1:
                return noted(self._converted(frame), [DAMAGED] if is_doubtful else [])
        raise CorruptFile(f"frame {index} is missing: only {self.next_index} of {self.header.frames} could be decoded")

    def timeline(self, start: int, count: int) -> np.ndarray:
        """The rows of `count` frames from `start` on (`video_timeline`), fewer at the end; read forwards."""
        if start != self.next_row:
            if start != 0:
                raise CorruptFile(f"a time line is read from its beginning, not from frame {start}")
            self.next_index = -1  # both would read from the one file
            self.rows, self.next_row = self._rows(), 0
        rows = list(islice(self.rows, count))
        self.next_row += len(rows)
        return np.array(rows).reshape(len(rows), WIDTH)

    def tags(self) -> dict[str, str]:
        """What the container and its streams say about themselves, by name: tags, the codec's profile, the sound."""
        self.next_index = self.next_row = -1  # all would read from the one file
        self.file.seek(0)
        with self.av.logging.Capture(), self.av.open(self.file) as container:
            stream = container.streams.video[0]
            tags = {str(name): str(value) for name, value in (*container.metadata.items(), *stream.metadata.items())}
            tags |= {"profile": str(stream.codec_context.profile)} if stream.codec_context.profile else {}
            sound = [
                f"{each.codec_context.name}, {each.codec_context.sample_rate} Hz" for each in container.streams.audio
            ]
            return tags | ({"sound": "; ".join(sound)} if sound else {})

    def _rows(self) -> Iterator[np.ndarray]:
        self.file.seek(0)
        with self.av.logging.Capture():
            container = self.av.open(self.file)
        with container:
            yield from rows_of(self.av, container)

    def shots(self) -> list[int]:
        """The middle frame of every shot, by PySceneDetect's adaptive detector with its default settings."""
        try:
            import cv2
            from scenedetect import FrameTimecode
            from scenedetect.detectors import AdaptiveDetector
        except ImportError as error:
            raise UnsupportedEncoding("finding shots needs PySceneDetect: pip install 'oddpixel[video]'") from error

        self.next_index = -1  # both would read from the one file
        detector = AdaptiveDetector()
        rate = self.header.meta["frames_per_second"] or 25.0
        cuts, count = [0], 0
        for count, (frame, _) in enumerate(self._decode(), start=1):
            picture = frame.to_ndarray(format="bgr24")
            shrunk = SIDE_FOR_SHOTS / max(picture.shape[:2])
            if shrunk < 1:
                picture = cv2.resize(picture, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
            new_cuts = detector.process_frame(FrameTimecode(count - 1, fps=rate), picture)
            cuts += [int(cut.frame_num) for cut in new_cuts]
        new_cuts = detector.post_process(FrameTimecode(max(count - 1, 0), fps=rate))
        cuts = sorted({*cuts, *(int(cut.frame_num) for cut in new_cuts), count})
        return [(first + after) // 2 for first, after in pairwise(cuts)]

    def _decode(self) -> Iterator[tuple[Any, bool]]:
        """Frames, and whether each is in doubt."""
        self.file.seek(0)
        with self.av.logging.Capture():
            container = self.av.open(self.file)
        with container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            yield from frames_of(self.av, container, stream)

    def _converted(self, frame: Any) -> Frame:
        components = frame.format.components
        deep = max(component.bits for component in components) > 8
        grey = len(components) == 1 and not frame.format.is_rgb and "pal" not in frame.format.name
        name = {(True, True): "gray16le", (True, False): "gray", (False, True): "rgb48le", (False, False): "rgb24"}
        samples = frame.to_ndarray(format=name[grey, deep])
        meta: dict[str, Any] = {
            "time_s": frame.time,
            "key_frame": bool(frame.key_frame),
            "picture_type": str(frame.pict_type),
        }
        orientation = _orientation(frame)
        if orientation is None:
            meta["notes"] = ["the display matrix is neither a quarter turn nor a mirror, and is not applied"]
        elif orientation != 1:
            meta["display_matrix"] = TURNED[orientation]
        # Deep samples are spread over 16 bits.
        shown = appearance(Samples(values=samples, bits=16 if deep else 8, orientation=orientation or 1, meta=meta))
        return replace(shown, bits=max(component.bits for component in components))


def _is_transport_stream(head: bytes, first: int, length: int) -> bool:
    places = range(first, len(head), length)
    return len(places) >= 3 and all(head[place] == SYNC for place in places)


def _damage(has_errors: bool, num_corrupt: int) -> list[str]:
    corrupt = f": {num_corrupt} packets are corrupt" if num_corrupt else ""
    return [f"the container is damaged{corrupt}; frames may be missing"] if has_errors or num_corrupt else []


def _cut_packet(file: BinaryIO) -> list[str]:
    """A note on a transport stream whose last packet is not whole: it promises no number of frames."""
    file.seek(0)
    head, size = file.read(512), file.seek(0, os.SEEK_END)
    lengths = [length for first, length in PACKETS if _is_transport_stream(head, first, length)]
    is_cut = bool(lengths) and size % lengths[0] != 0
    return ["the file ends within a packet of its stream: it is cut short, and frames are missing"] if is_cut else []


def _promise(container: Any, stream: Any, num_packets: int, last_s: float) -> dict[str, Any]:
    """A note where the container promises more frames than it holds: the file was cut short or is damaged.

    Duration times rate promises frames only where they end too early: of a variable rate, the nominal one promises nothing.
    """
    promised, margin = int(stream.frames), 0.0
    if not promised and container.duration and stream.average_rate:
        promised = round(container.duration / 1e6 * float(stream.average_rate))
        margin = max(1.0, ROUGHLY * promised)
        begin = float((stream.start_time or 0) * stream.time_base)
        if last_s - begin >= (1 - ROUGHLY) * container.duration / 1e6 - 1 / float(stream.average_rate):
            return {}
    if promised - num_packets <= margin:
        return {}
    return {
        "frames_promised": promised,
        "notes": [
            f"the container promises {promised} frames, but holds {num_packets}: the file is cut short or damaged"
        ],
    }


def _pixel_aspect(stream: Any) -> dict[str, Any]:
    aspect = stream.sample_aspect_ratio
    return {} if not aspect or aspect == 1 else {"pixel_aspect": f"{aspect.numerator}:{aspect.denominator}"}


def _orientation(frame: Any) -> int | None:
    """What the display matrix asks for, 1..8; None for what is no multiple of a quarter turn."""
    from av.sidedata.sidedata import Type

    side_data = frame.side_data.get(Type.DISPLAYMATRIX)
    if side_data is None:
        return 1
    matrix = np.frombuffer(bytes(side_data), np.int32)
    turn = matrix[[0, 1, 3, 4]] / 65536
    nearest = np.rint(turn)
    return ORIENTATIONS.get(tuple(nearest.astype(int).tolist())) if np.allclose(turn, nearest, atol=0.01) else None
