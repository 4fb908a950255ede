"""InVesalius projects (`.inv3`): a tar with the voxels as a raw array and a property list. Becomes one NIfTI volume.

The array is `[slice, row, column]`; the property list gives its shape, type and the spacing in mm (x, y, z).
"""

from __future__ import annotations

import io
import plistlib
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from oddpixel.errors import CorruptFile


def expand(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the volume of an InVesalius project as one NIfTI file. Raises: CorruptFile."""
    import nibabel

    with tarfile.open(fileobj=io.BytesIO(content)) as bundle:
        files = {PurePosixPath(m.name).name: bundle.extractfile(m) for m in bundle if m.isfile()}
        if (properties := files.get("main.plist")) is None or (voxels := files.get("matrix.dat")) is None:
            raise CorruptFile(f"{path} holds no InVesalius project: main.plist and matrix.dat are missing")
        facts = plistlib.loads(properties.read())
        matrix = np.frombuffer(voxels.read(), facts["matrix"]["dtype"]).reshape(facts["matrix"]["shape"])
    volume = nibabel.Nifti1Image(matrix.transpose(2, 1, 0), np.diag([*facts["spacing"], 1.0]))
    volume.header.set_xyzt_units("mm")
    yield f"{path}/{PurePosixPath(path).stem}.nii.gz", volume.to_bytes()
