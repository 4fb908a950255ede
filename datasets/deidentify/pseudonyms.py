"""Pseudonyms by a keyed hash (HMAC-SHA-256): without the key nobody can tell, or try out, whom they stand for."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from oddpixel.errors import UsageError

ROOT = "2.25."  # UIDs out of numbers of 128 bits (PS3.5 B.2)
MOST_DAYS = 3650
KEY_BYTES = 32
SHOWN = 12  # characters of a pseudonym


@dataclass(frozen=True)
class Pseudonyms:
    """Pseudonyms under one key."""

    key: bytes

    def uid(self, uid: str) -> str:
        """The UID that stands for another one."""
        return ROOT + str(int.from_bytes(self._hash("uid", uid)[:16], "big"))

    def patient(self, identity: str) -> str:
        """The name and ID of a patient."""
        return "P" + base64.b32encode(self._hash("patient", identity)).decode()[:SHOWN]

    def days(self, identity: str) -> int:
        """By how many days a patient's dates move: back, by 1 to 3,650; intervals stay."""
        return -1 - int.from_bytes(self._hash("days", identity)[:8], "big") % MOST_DAYS

    def _hash(self, what: str, value: str) -> bytes:
        return hmac.digest(self.key, f"{what}\0{value}".encode(), hashlib.sha256)


def key_of(path: Path) -> bytes:
    """The key in a file, which is made, readable by its owner alone, where it is not there. Raises: UsageError."""
    try:
        if not path.exists():
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "w") as file:
                file.write(secrets.token_hex(KEY_BYTES) + "\n")
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no key: give a file of 64 hexadecimal digits, or a new one") from error
    if len(key) < KEY_BYTES:
        raise UsageError(f"{path} is no key: give a file of 64 hexadecimal digits, or a new one")
    return key


def moved(value: str, days: int) -> str:
    """A DICOM date or date-time (DA, DT) moved by days; empty where it is none."""
    try:
        day = datetime.date(int(value[:4]), int(value[4:6]), int(value[6:8]))
        return (day + datetime.timedelta(days=days)).strftime("%Y%m%d") + value[8:]
    except (ValueError, OverflowError):
        return ""
