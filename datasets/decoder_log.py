"""Notes from what a decoder logs instead of raising: damage that it works around, tags that it drops."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .text import technical_text

MOST = 5  # notes
ABOUT = re.compile(r"<[\w.]+(?: [^<>]*)?>\s*")  # which of the decoder's own objects it speaks of


@contextmanager
def logged(name: str, ignored: re.Pattern[str]) -> Iterator[list[str]]:
    """Collect the warnings and errors that this thread logs under `name`, each once, as notes.

    Arguments:
        ignored: messages of no consequence, or about what is noted elsewhere.
    """
    notes: list[str] = []
    handler = _Collector(notes, ignored)
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield notes
    finally:
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, notes: list[str], ignored: re.Pattern[str]) -> None:
        super().__init__(logging.WARNING)
        self.notes, self.ignored, self.thread = notes, ignored, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        message = ABOUT.sub("", record.getMessage())
        note = f"the file is damaged or unusual; its decoder reports: {technical_text(message)}"
        is_news = note not in self.notes and self.ignored.search(message) is None
        if is_news and record.thread == self.thread and len(self.notes) < MOST:
            self.notes.append(note)
