"""`oddpixel.flag`: which of these images are odd, why, where, and at what rate of false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oddpixel.errors import Unfinished
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.flag import Flagged, Incoming, flag_into
from oddpixel.forensics.detect.grouping import way_of
from oddpixel.forensics.detect.store import read_record, save
from oddpixel.forensics.runs.executors import executor
from oddpixel.places import Place, Places, as_places, default_folder
from oddpixel.progress import Progress, counting, silent

if TYPE_CHECKING:
    from oddpixel.forensics.detect.detector import Detector


def flag(
    incoming: Places,
    detector: Place | Detector,
    *,
    out: Place | None = None,
    alpha: float | None = None,
    confidence: float | None = None,
    fdr: float | None = None,
    strata: Sequence[str] = (),
    group_from: str | None = None,
    encoder: str | None = None,
    device: str = "cpu",
    maps: bool = True,
    workers: int = 1,
    dask: str | None = None,
    rank: int | None = None,
    world: int | None = None,
    any_suffix: bool = False,
    every: int = 1,
    by_shot: bool = False,
    max_megapixels: float = 150.0,
    follow_links: bool = False,
    title: str | None = None,
    overwrite: bool = False,
    on_progress: Progress = silent,
) -> Flagged:
    """Flag incoming images, as `oddpixel flag` does; the run is kept in `out`, and decided anew with another `alpha`.

    Arguments:
        incoming: files, folders, globs, manifests, archives, `corpus:NAME`; one or several.
        detector: a folder that `oddpixel fit` wrote, or a fitted `Detector`, which is saved beside the run.
        out: the run's folder; of the first place's name where None.
        alpha: at most this share of normal groups is flagged; 0.05 where None.
        confidence: the same for this very calibration, with this confidence.
        fdr: instead of `alpha`: the share of false alarms among all that is flagged.
        strata: compare within `modality`, `manufacturer`, `model`, `format`.
        group_from: what is exchangeable, `folder`, `csv`, `dicom` or `file`; as the detector's normals had it where None.
        workers: processes that score; or an address of Dask, or one rank of many.
        title: what people know the run by, at most 80 characters; the name of its folder where None.
        on_progress: told `(what, done, total)` as files are done.

    Raises: UsageError, RunError, ModelError; Unfinished where other ranks have work left. What is wrong with one image is
    that image's row.
    """
    places = as_places(incoming)
    folder = default_folder(places, "flagged") if out is None else Path(out)
    rule = Rule.of(alpha=alpha, confidence=confidence, fdr=fdr, strata=strata)
    kept = _folder_of(detector, folder)
    given = Incoming(
        places=places, group_from=way_of(read_record(kept), group_from), any_suffix=any_suffix, every=every,
        by_shot=by_shot, max_megapixels=max_megapixels, follow_links=follow_links,
    )  # fmt: skip
    source = given.open()
    flagged = flag_into(
        folder, given, kept, rule, encoder=encoder, device=device, executor=executor(workers, dask, rank, world),
        source=source, maps=maps, title=title, overwrite=overwrite, on_item=counting("flagging", len(source), on_progress),
    )  # fmt: skip
    if flagged is None:
        raise Unfinished(f"{folder}: this rank is done; the last one to finish decides")
    return flagged


def _folder_of(detector: Place | Detector, run: Path) -> Path:
    from oddpixel.forensics.detect.detector import Detector

    if isinstance(detector, Detector):
        return save(detector, run.with_name(f"{run.name}-detector"))
    return Path(detector)
