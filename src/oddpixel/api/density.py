"""`oddpixel.density`: the likelihood of images, in bits per dimension."""

from __future__ import annotations

from pathlib import Path

from oddpixel.datasets.source import open_source
from oddpixel.files import writable_folder
from oddpixel.forensics.density.measure import measure_source
from oddpixel.forensics.density.measured import Measured
from oddpixel.forensics.density.store import load_model
from oddpixel.places import Place, Places, as_places
from oddpixel.progress import Progress, counting, silent


def density(
    files: Places,
    model: Place = "photo-rgb",
    *,
    identity: bool = False,
    maps: Place | None = None,
    bf16: bool = False,
    device: str = "cpu",
    workers: int = 2,
    any_suffix: bool = False,
    follow_links: bool = False,
    on_progress: Progress = silent,
) -> Measured:
    """Measure the likelihood of images under a density model, as `oddpixel density` does.

    Arguments:
        files: files, folders, globs, manifests, archives, `corpus:NAME`; one or several.
        model: a model folder, or the name of a bundled model.
        identity: cross-check with the model's own denoiser, which is slow.
        maps: a folder for maps of where each image is unlikely.
        bf16: inner layers of pyramids in bf16.
        device: where the model runs: cpu, cuda, cuda:1, mps, or auto.
        workers: processes that decode.
        on_progress: told `(what, done, total)` as images are done.

    Raises: UsageError, ModelError. What is wrong with one image is that image's row.
    """
    folder = None if maps is None else writable_folder(Path(maps))
    loaded = load_model(str(model), device)
    loaded.use_bf16(bf16)
    source = open_source(*as_places(files), num_workers=workers, any_suffix=any_suffix, follow_links=follow_links)
    items = measure_source(
        source, loaded, identity=identity, maps=folder, on_item=counting("measuring", len(source), on_progress)
    )
    return Measured(str(model), items, source.listing, folder)
