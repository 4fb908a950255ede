"""Messages between a reader and its decoding worker: JSON behind a four-byte length, with open files riding along.

Never pickle: the worker may have been taken over by the file it was given, so its answers are data to be checked.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

MAX_MESSAGE = 4 * 2**20


def send(channel: socket.socket, message: dict[str, Any], files: tuple[int, ...] = ()) -> None:
    payload = json.dumps(message).encode()
    packet = struct.pack("<I", len(payload)) + payload
    sent = socket.send_fds(channel, [packet], files) if files else channel.send(packet)
    channel.sendall(packet[sent:])


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message and the files that came with it.

    Raises: EOFError where the other side is gone; ValueError on a malformed message; TimeoutError.
    """
    head, files, _, _ = socket.recv_fds(channel, 4, 4)
    try:
        while 0 < len(head) < 4:
            head += channel.recv(4 - len(head))
        if not head:
            raise EOFError
        (length,) = struct.unpack("<I", head)
        if length > MAX_MESSAGE:
            raise ValueError(f"a message of {length} bytes")
        message = json.loads(_receive_exactly(channel, length))
        if not isinstance(message, dict):
            raise ValueError("a message that is not an object")
    except BaseException:
        for file in files:
            os.close(file)
        raise
    return message, files


def _receive_exactly(channel: socket.socket, length: int) -> bytes:
    parts, missing = [], length
    while missing:
        part = channel.recv(min(missing, 2**16))
        if not part:
            raise EOFError
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
