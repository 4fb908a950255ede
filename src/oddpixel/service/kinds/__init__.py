"""What can be asked of the service, one kind a file, found by walking this folder: a module with a `KIND`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from oddpixel.discover import discover

from ..models import Models


class Options(BaseModel):
    """Options of a kind: nothing but what is named is taken."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Task:
    """One job as its kind sees it.

    Arguments:
        path: the file, under a name that is safe; None where none was given.
        options: as JSON, checked when the question was accepted.
        out: a folder for what is written; it need not exist.
        models: what this worker has loaded.
    """

    path: Path | None
    options: dict[str, Any]
    out: Path
    models: Models


@runtime_checkable
class Kind(Protocol):
    """One thing that the service does.

    Arguments:
        name: in the path of its routes.
        needs_file: whether a file must be given; it may always.
        needs_detector: whether it is there only with a detector.
        options: the model that checks what a client asks for.
        summary, example: for the OpenAPI description.
    """

    name: str
    needs_file: bool
    needs_detector: bool
    options: type[Options]
    summary: str
    example: dict[str, Any]

    def run(self, task: Task) -> dict[str, Any]:
        """The answer, as JSON; files that it names under `files` lie in `task.out`. Raises: OddPixelError."""
        ...


@cache
def kinds() -> dict[str, Kind]:
    """All kinds by name."""
    by_name: dict[str, Kind] = discover(__name__, "KIND")
    return by_name
