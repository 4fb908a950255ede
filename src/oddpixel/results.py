"""What the four jobs give back: rows of plain values, a table in pandas, a page in notebooks, a figure."""

from __future__ import annotations

import base64
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2
    import pandas as pd
    from matplotlib.figure import Figure
    from PIL import Image as Pillow

MOST_SHOWN = 20  # rows of a page in a notebook; the table has them all
THUMBNAIL_PIXELS = 192


@dataclass(frozen=True)
class Shown:
    """One row of the page.

    Arguments:
        cells: text by column.
        picture: a file's bytes with their media type, or None.
        is_marked: whether it is one to look at first.
    """

    cells: Mapping[str, str]
    picture: tuple[bytes, str] | None = None
    is_marked: bool = False

    @property
    def url(self) -> str | None:
        """The picture as a data URL."""
        if self.picture is None:
            return None
        content, media_type = self.picture
        return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def picture_file(path: Path) -> tuple[bytes, str]:
    """A picture that OddPixel wrote, small: a file's bytes and their media type."""
    buffer = io.BytesIO()
    small(path, THUMBNAIL_PIXELS).save(buffer, "WEBP", quality=85)
    return buffer.getvalue(), "image/webp"


def small(path: Path, most: int) -> Pillow.Image:
    """The picture in colours, reduced to sides of at most so many pixels."""
    from PIL import Image as Pillow

    with Pillow.open(path) as picture:
        reduced = picture.convert("RGB")
    reduced.thumbnail((most, most))
    return reduced


class Result(ABC):
    """What a job gives back."""

    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """One mapping a row, of plain values."""

    @abstractmethod
    def headline(self) -> str:
        """What was found, in a sentence or two."""

    @abstractmethod
    def shown(self, most: int) -> Sequence[Shown]:
        """The first rows as a page shows them."""

    @abstractmethod
    def plot(self) -> Figure:
        """A figure of all rows. Raises: UsageError where matplotlib is not installed."""

    def to_pandas(self) -> pd.DataFrame:
        """One row an image."""
        import pandas as pd

        return pd.DataFrame(self.records())

    def __len__(self) -> int:
        return len(self.records())

    def __bool__(self) -> bool:
        return True  # one without rows is a result too

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.headline()}>"

    def _repr_html_(self) -> str:
        rows = self.shown(MOST_SHOWN)
        return _template().render(headline=self.headline(), rows=rows, more=len(self) - len(rows))


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(files("oddpixel").joinpath("result.html").read_text("utf-8"))
