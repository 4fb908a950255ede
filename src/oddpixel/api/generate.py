"""`oddpixel.generate`: synthetic pictures of a cascade, every one marked as such."""

from __future__ import annotations

from pathlib import Path

from oddpixel.errors import UsageError
from oddpixel.generation.made import Made
from oddpixel.generation.make import Generator, make
from oddpixel.generation.outputs import Outputs
from oddpixel.generation.request import Request
from oddpixel.generation.sizes import parsed
from oddpixel.places import Place
from oddpixel.progress import Progress, silent
from oddpixel.provenance import Signature

DEFAULT_FOLDER = "made"


def generate(
    prompt: str | None = None,
    *,
    out: Place = DEFAULT_FOLDER,
    like: str | None = None,
    size: str | tuple[int, int] | None = None,
    count: int = 1,
    seed: int = 0,
    negative_prompt: str | None = None,
    image: str | None = None,
    strength: float | None = None,
    adapter: Path | None = None,
    control: str | None = None,
    mask: str | None = None,
    steps: int | None = None,
    cascade: Place = "cascade",
    official: Path | None = None,
    format: str = "png",
    certificates: Path | None = None,
    key: Path | None = None,
    device: str = "cpu",
    offload: bool = False,
    overwrite: bool = False,
    on_progress: Progress = silent,
) -> Made:
    """Make synthetic pictures, as `oddpixel generate` does; each is kept in `out` with a record of how it was made.

    Arguments:
        prompt: a label of the bundled cascade (`photograph`, `object`, `brain-mr`, `ct`), or text for one that reads it.
        like: an image whose low-resolution blueprint guides the picture.
        size: height and width in pixels, or `HEIGHTxWIDTH`; 512 x 512 or the proportions of `like` where None.
        count, seed: how many, with seeds from `seed` on.
        image, strength: an image to start from, and how much noise is put on it.
        adapter, control, mask: a style or a control that was trained, and what it follows.
        cascade, official: a bundled cascade or a trained folder; or a folder of released weights.
        on_progress: told `(part, done, total)` as steps are done.

    Raises: UsageError, NotEnoughMemory, ModelError, UnreadableInput.
    """
    if (certificates is None) != (key is None):
        raise UsageError("a C2PA manifest needs both --certificates and --key")
    request = Request(
        prompt=prompt, negative_prompt=negative_prompt, size=parsed(size) if isinstance(size, str) else size,
        count=count, seed=seed, like=like, image=image, strength=strength, control=control, mask=mask, steps=steps,
        format=format,
    )  # fmt: skip
    if not overwrite and not any(
        (like, image, control, mask)
    ):  # what is there may be one of those, which is said later
        Outputs(Path(out), format).check_free(request)
    generator = Generator.load(str(cascade), official, device, offload, adapter)
    signature = None if certificates is None or key is None else Signature(certificates, key)
    folder = Path(out)
    return Made(folder, make(request, generator, folder, on_progress, signature, overwrite=overwrite))
