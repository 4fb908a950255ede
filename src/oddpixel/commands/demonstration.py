"""`oddpixel demo`: the main job on real images that installed packages ship.

Normals are tiles of grass (a photograph of a surface, from scikit-image). What comes in are other tiles of it, the same
with planted scratches, stains and missing parts, and pictures that do not belong: gravel, a cat, coffee, a retina, a CT
slice, a truncated MR file. Nothing is fetched.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oddpixel.errors import MissingFile

if TYPE_CHECKING:
    from oddpixel.forensics.detect.flag import Flagged

SURFACE = "grass"
TILE = 64  # pixels: 64 tiles, none of which share a pixel
HELD_OUT = 12  # tiles that come in
PLANTED = (("scratch", 1.0), ("stain", 1.0), ("missing-part", 1.0))
STRANGERS = {
    "skimage": ("data/chelsea.png", "data/coffee.png", "data/retina.jpg", "data/gravel.png"),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "pydicom": ("data/test_files/CT_small.dcm", "data/test_files/MR_truncated.dcm"),
}
SEED = 0


def demonstrate(out: Path) -> Flagged:
    """Fit and flag, and leave everything in `out`: normals, incoming, detector, run. Raises: MissingFile, RunError."""
    from oddpixel.datasets.source import open_source
    from oddpixel.forensics.detect.decide import Rule
    from oddpixel.forensics.detect.detector import Detector
    from oddpixel.forensics.detect.flag import Incoming, flag_into
    from oddpixel.forensics.detect.store import save

    for folder in ("normals", "incoming", "detector", "run"):
        shutil.rmtree(out / folder, ignore_errors=True)
    write_images(out)
    detector = Detector(seed=SEED)
    print("fitting on normals ...", file=sys.stderr)
    detector.fit(open_source(out / "normals"))
    save(detector, out / "detector")
    print("flagging what comes in ...", file=sys.stderr)
    flagged = flag_into(out / "run", Incoming(places=(str(out / "incoming"),)), out / "detector", Rule(alpha=0.05))
    assert flagged is not None
    return flagged


def write_images(out: Path) -> None:
    """Write the images of the demonstration into `normals/` and `incoming/`.

    Raises: MissingFile where no package ships the surfaces.
    """
    from PIL import Image as Pillow

    from oddpixel.datasets.planting import plant
    from oddpixel.datasets.source import open_source
    from oddpixel.files import writable_folder
    from oddpixel.image import Image

    for name in ("normals", "incoming"):
        writable_folder(out / name)
    generator = np.random.default_rng(SEED)
    paths = _members("skimage", (f"data/{SURFACE}.png",))
    if not paths:
        raise MissingFile("no installed package ships the surface; pip install scikit-image")
    with Pillow.open(paths[0]) as picture:
        grey = np.asarray(picture.convert("L"))
    corners = [(row, column) for row in range(0, 512, TILE) for column in range(0, 512, TILE)]
    for place, index in enumerate(generator.permutation(len(corners))):
        row, column = corners[index]
        folder = "incoming" if place < HELD_OUT else "normals"
        tile = Pillow.fromarray(np.ascontiguousarray(grey[row : row + TILE, column : column + TILE]))
        tile.save(out / folder / f"{SURFACE}-{index:02d}.png")
    for image in list(open_source(out / "incoming")):
        assert isinstance(image, Image)
        kind, strength = PLANTED[int(generator.integers(len(PLANTED)))]
        planted = plant(kind, image, strength=strength, seed=int(generator.integers(1000)))
        grey = np.rint(planted.image.pixels[0] * 255).astype(np.uint8)
        Pillow.fromarray(grey).save(out / "incoming" / f"{Path(image.source).stem}-{kind}.png")
    for package, members in STRANGERS.items():
        for path in _members(package, members):
            shutil.copy(path, out / "incoming")


def demo_files() -> list[str]:
    """The paths of photographs, a retina and DICOM files that installed packages ship. Raises: MissingFile."""
    paths = [str(path) for package, members in STRANGERS.items() for path in _members(package, members)]
    if not paths:
        raise MissingFile("no installed package ships demo images; pip install scikit-image scikit-learn pydicom")
    return paths


def _members(package: str, members: tuple[str, ...]) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    return [path for member in members if (path := Path(spec.origin).parent / member).is_file()]
