"""De-identification in a confined process: a file that takes over its reader can write nothing and reach nobody."""

from __future__ import annotations

import re
from typing import Any, BinaryIO, ClassVar

from oddpixel.errors import NotDeidentified, OddPixelError, UnreadableInput

from ..confined import INVALID_ANSWER, ConfinedProcess
from ..limits import Limits
from .profile import Profile
from .pseudonyms import Pseudonyms
from .transform import Done, Text

NAMES = re.compile(r"P[A-Z2-7]{12}"), re.compile(r"\d{0,39}"), re.compile(r"\d{0,39}")


class Deidentifier(ConfinedProcess):
    """One worker process that de-identifies file after file."""

    module: ClassVar[str] = "oddpixel.datasets.deidentify.worker"
    errors: ClassVar[tuple[type[OddPixelError], ...]] = (UnreadableInput, NotDeidentified)

    def __init__(self, limits: Limits, profile: Profile, pseudonyms: Pseudonyms, text: Text) -> None:
        super().__init__(limits)
        self.profile, self.pseudonyms, self.text = profile, pseudonyms, text

    def setup(self) -> dict[str, Any]:
        """Limits, profile, key, and what is done about text."""
        profile = {"retain": sorted(self.profile.retain), "move_dates": self.profile.move_dates}
        return super().setup() | profile | {"key": self.pseudonyms.key.hex(), "text": self.text}

    def deidentify(self, file: BinaryIO) -> tuple[Done, bytes]:
        """One object without what names somebody. Raises: NotDeidentified, UnreadableInput."""
        self._take_job()
        answer = self._ask({"op": "deidentify"}, (file.fileno(),))
        try:
            first, second, third = (
                str(name) if form.fullmatch(str(name)) else _bad(name)
                for form, name in zip(NAMES, answer["names"], strict=True)
            )
            done = Done(
                names=(first, second, third),
                actions={str(action): int(count) for action, count in answer["actions"].items()},
                elements={str(action): [str(word) for word in words] for action, words in answer["elements"].items()},
                named=[str(keyword) for keyword in answer["named"]],
                masked=int(answer["masked"]),
            )
            size = int(answer["size"])
            if self.arena is None or not 0 < size <= len(self.arena):
                raise ValueError(f"{size} bytes")
            return done, self.arena[:size]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._stopped(INVALID_ANSWER) from error


def _bad(name: Any) -> str:
    raise ValueError(f"{name!r} is no pseudonym")
