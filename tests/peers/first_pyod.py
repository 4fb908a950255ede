"""PyOD: features are the user's; here grey pixels of 64 x 64."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pyod.models.knn import KNN


def read(folder: str) -> np.ndarray:
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix in (".png", ".jpg"))
    return np.stack([np.asarray(Image.open(path).convert("L").resize((64, 64)), float).ravel() for path in paths])


print(KNN(contamination=0.05).fit(read(sys.argv[1])).predict(read(sys.argv[2])))
