"""Messages between a reader and its decoding worker: JSON after a four-byte length, with open files attached.

Never pickle: the worker may have been taken over by the file it was given, so its answers are data to be checked.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

MAX_MESSAGE = 4 * 2**20
HEAD = struct.Struct("<I")


def send(channel: socket.socket, message: dict[str, Any], files: tuple[int, ...] = ()) -> None:
    """Send one message, and open files with it."""
    payload = json.dumps(message).encode()
    packet = HEAD.pack(len(payload)) + payload
    sent = socket.send_fds(channel, [packet], files) if files else channel.send(packet)
    channel.sendall(packet[sent:])


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Receive the next message and the files that came with it. Nobody speaks out of turn, so no second message can follow.

    Raises: EOFError where the other side is gone; ValueError on a malformed message; TimeoutError.
    """
    packet, files, _, _ = socket.recv_fds(channel, 2**16, 4)
    try:
        length = HEAD.size
        while True:
            if not packet:
                raise EOFError
            if len(packet) >= HEAD.size:
                length = HEAD.size + HEAD.unpack_from(packet)[0]
            if length > MAX_MESSAGE or len(packet) > length:
                raise ValueError(f"a message of {max(length, len(packet))} bytes")
            if len(packet) == length:
                break
            if not (more := channel.recv(length - len(packet))):
                raise EOFError
            packet += more
        message = json.loads(packet[HEAD.size :])
        if not isinstance(message, dict):
            raise ValueError("a message that is not an object")
    except BaseException:
        for file in files:
            os.close(file)
        raise
    return message, files
