"""Damage in video, from FFmpeg's log: it conceals most damage, with an error in its log and a picture that is wrong.

Frames build on each other, so a picture is in doubt from the first error on, up to the next key frame that is shown after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

DAMAGED = "the video data are damaged here: this frame, or one that it builds on, was decoded with errors"


def frames_of(
    av: Any, container: Any, stream: Any, sizes: dict[int, int] | None = None, *, skips_lost: bool = False
) -> Iterator[tuple[Any, bool]]:
    """Yield frames in display order, and whether each is in doubt. Raises: whatever PyAV does on a lost frame.

    Arguments:
        sizes: where given, takes the bytes of every packet by its time stamp.
        skips_lost: go on after a packet that cannot be decoded; the frame that follows is in doubt, be it whole or not.
    """
    doubtful_from: int | None = None
    is_doubtful = was_lost = False
    for packet in _quietly(av, container.demux(stream)):
        if sizes is not None and packet.pts is not None:
            sizes[packet.pts] = packet.size
        with av.logging.Capture() as messages:
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                if not skips_lost:
                    raise
                is_doubtful, doubtful_from, was_lost = True, packet.pts, True
                continue
        if has_errors(av, messages) or packet.is_corrupt or any(frame.is_corrupt for frame in frames):
            is_doubtful, doubtful_from = True, packet.pts
        for frame in frames:
            is_later = None not in (frame.pts, doubtful_from) and frame.pts > doubtful_from
            if frame.key_frame and is_later and not frame.is_corrupt:
                is_doubtful = False
            yield frame, is_doubtful or was_lost
            was_lost = False


def _quietly(av: Any, packets: Iterator[Any]) -> Iterator[Any]:
    """What a container's reader logs is noted when the file is opened."""
    while True:
        with av.logging.Capture():
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


def has_errors(av: Any, messages: list[tuple[int, str, str]]) -> bool:
    """Whether any captured message of FFmpeg is an error."""
    return any(level <= av.logging.ERROR for level, _, _ in messages)


def listen(av: Any) -> None:
    """Let errors reach `Capture`; nothing of FFmpeg's log is printed."""
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
