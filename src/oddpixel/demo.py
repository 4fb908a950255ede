"""`oddpixel demo`: the main job on real images that installed packages ship. Nothing is downloaded, nothing copied."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from oddpixel.errors import MissingFile

# Photographs, textures, microscopy, a retina, and two scanners' slices.
MEMBERS = {
    "skimage": (
        "data/astronaut.png",
        "data/chelsea.png",
        "data/coffee.png",
        "data/rocket.jpg",
        "data/hubble_deep_field.jpg",
        "data/retina.jpg",
        "data/ihc.png",
        "data/brick.png",
        "data/grass.png",
        "data/multipage.tif",
        "data/chessboard_RGB.png",
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "pydicom": (
        "data/test_files/CT_small.dcm",
        "data/test_files/MR_small.dcm",
        "data/test_files/693_J2KI.dcm",
        "data/test_files/JPGExtended.dcm",
        "data/test_files/MR_truncated.dcm",
        "data/test_files/rtplan.dcm",
    ),
}


def demo_files() -> list[str]:
    """Paths of the images that are here. Raises: MissingFile where no package ships any."""
    found = []
    for package, members in MEMBERS.items():
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            found += [str(path) for member in members if (path := Path(spec.origin).parent / member).is_file()]
    if not found:
        raise MissingFile("no installed package ships demo images; pip install scikit-image scikit-learn pydicom")
    return found
