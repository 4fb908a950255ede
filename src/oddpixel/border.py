"""The border of errors around one image: whatever goes wrong inside becomes that image's error row, and the batch goes on.

    rows = list(border(images, step, error_row))

Every command that works image by image goes through `border`, and reading goes through `typed`. What passes, and ends the batch:

    KeyboardInterrupt, SystemExit, GeneratorExit    somebody wants to stop
    StorageFull                                     no row could be kept

MemoryError is the image's own: the next one may be smaller. Rust decoders panic with a BaseException that is no Exception
(PyO3), so everything else is caught, whatever it derives from.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from oddpixel.errors import Defect, NotEnoughMemory, OddPixelError, StorageFull, describe
from oddpixel.image import Image, Unreadable

Item = TypeVar("Item")
Row = TypeVar("Row")
ENDS_BATCH = (KeyboardInterrupt, SystemExit, GeneratorExit, StorageFull)
LONGEST = 300  # characters of a foreign exception's message


def border(
    items: Iterable[Item],
    step: Callable[[Item], Row],
    error_row: Callable[[Item, OddPixelError], Row],
    *,
    side_by_side: bool = False,
) -> Iterator[Row]:
    """The results of `step` for each item, or of `error_row` with the typed error where it fails; in order.

    Arguments:
        side_by_side: several items at once (`in_parallel`), for a `step` that changes nothing that others use.
    """
    for item, row, error in _attempts(items, step, side_by_side):
        yield row if error is None else error_row(item, typed(error))


def _attempts(
    items: Iterable[Item], step: Callable[[Item], Row], side_by_side: bool
) -> Iterator[tuple[Item, Any, Any]]:
    """Each item with its result, or with what was raised instead."""

    def attempt(item: Item) -> tuple[Item, Row | None, BaseException | None]:
        try:
            return item, step(item), None
        except BaseException as error:
            return item, None, error

    if not side_by_side:
        return map(attempt, items)
    from .parallel import in_parallel

    return in_parallel(attempt, items)


def error_row(image: Image | Unreadable, error: OddPixelError) -> dict[str, Any]:
    """The row of an image that failed."""
    return {"item": image.source, "sha256": image.sha256, "group": image.group, "error": describe(error)}


def typed(error: BaseException) -> OddPixelError:
    """The error as one of OddPixel's tree, as it stands in a row. Raises: `error` itself where it ends the batch."""
    if isinstance(error, ENDS_BATCH):
        raise error
    if isinstance(error, OddPixelError):
        return error
    if isinstance(error, MemoryError):
        failure: OddPixelError = NotEnoughMemory(
            "memory ran out at this image; free some, use fewer workers, or give a smaller copy of it"
        )
    else:
        failure = Defect(
            f"{_described(error)}; this image was not judged, please report the failure with the kind of file"
        )
    failure.__cause__ = error
    return failure


def _described(error: BaseException) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in str(error)[: LONGEST + 1])
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{where}: {shown}"
