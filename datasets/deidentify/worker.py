"""The inside of the sandbox in which files are de-identified: `python -I -m oddpixel.datasets.deidentify.worker FD`."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import asdict
from typing import Any

from ..answering import Answering
from .burned_in import reader
from .profile import Profile, table
from .pseudonyms import Pseudonyms
from .transform import transformed


class Worker(Answering):
    """De-identifies one file at a time; what is to be written lies in shared memory then."""

    def prepare(self, setup: dict[str, Any]) -> None:
        """The profile's table, the key, and the detector of text where it is wanted."""
        self.profile = Profile(frozenset(setup["retain"]), move_dates=setup["move_dates"])
        self.pseudonyms, self.text = Pseudonyms(bytes.fromhex(setup["key"])), setup["text"]
        table()
        if self.text != "leave":
            reader()

    def answer(self, request: dict[str, Any], files: list[int]) -> dict[str, Any]:
        """What was done, and how many bytes of the shared memory are the file."""
        with os.fdopen(files[0], "rb") as file:
            done, content = transformed(file, self.profile, self.pseudonyms, self.text, self.goes_on)
        self.reserve(len(content))[: len(content)] = content
        return asdict(done) | {"size": len(content)}


if __name__ == "__main__":
    Worker(socket.socket(fileno=int(sys.argv[1]))).run()
