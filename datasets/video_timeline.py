"""The time line of a video: of every frame when it is shown, how it was encoded, and a small picture of its brightness.

What one frame contributes is a row of numbers, so that hours of video can be compared with themselves in little memory. The
rows are measured where the video is decoded, inside the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from .video_log import frames_of

ROWS, COLUMNS = 27, 48  # of the small picture: cells of 27 x 27 pixels in 1280 x 720
FACTS = ("time_s", "kind", "is_key", "num_bytes", "intra", "is_doubtful")
WIDTH = len(FACTS) + ROWS * COLUMNS
MOTION = "MOTION_VECTORS"
# The first plane of these formats holds 8-bit luma; others are converted.
LUMA_FIRST = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray")


def rows_of(av: Any, container: Any) -> Iterator[Float64[np.ndarray, "width"]]:
    """Yield the row of every frame in display order: the facts by name, then the small picture, row by row.

    `kind` is FFmpeg's picture type (1 I, 2 P, 3 B, 0 unknown), `num_bytes` the size of the frame's packet (0 where it cannot
    be told), `intra` the share of a predicted frame that was not predicted from others (NaN where the decoder does not
    say: for any but MPEG-1, 2, 4 and H.264).
    """
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    stream.codec_context.options = {"flags2": "+export_mvs"}
    sizes: dict[int, int] = {}
    for frame, is_doubtful in frames_of(av, container, stream, sizes, skips_lost=True):
        facts = (
            np.nan if frame.time is None else frame.time, int(frame.pict_type), frame.key_frame,
            sizes.pop(frame.pts, 0), _intra(frame), is_doubtful,
        )  # fmt: skip
        small = cv2.resize(luma(frame), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        yield np.concatenate([np.array(facts, np.float64), small.ravel()])


def luma(frame: Any) -> Float32[np.ndarray, "h w"]:
    """A frame's brightness as it was decoded, 0..255, neither turned nor brought to sRGB."""
    if frame.format.name in LUMA_FIRST:
        plane = frame.planes[0]
        pixels = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    else:
        pixels = frame.to_ndarray(format="gray")
    return pixels.astype(np.float32)


def _intra(frame: Any) -> float:
    for side_data in frame.side_data:
        if side_data.type.name == MOTION:
            vectors = side_data.to_ndarray()
            forward = vectors[vectors["source"] < 0]
            predicted = (forward["w"].astype(np.int64) * forward["h"]).sum() / (frame.width * frame.height)
            return float(max(0.0, 1.0 - predicted))
    return float("nan")
