"""anomalib: PatchCore. Its encoder's weights come from a hub; without the network, only random ones are at hand."""

import sys
from pathlib import Path

from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.models import Patchcore

if __name__ == "__main__":
    normals, incoming, out, weights = sys.argv[1:]
    data = Folder("first", normal_dir=Path(normals), abnormal_dir=Path(incoming), num_workers=0)
    engine = Engine(accelerator="cpu", default_root_dir=out)
    model = Patchcore(pre_trained=weights == "pretrained")
    engine.fit(model, datamodule=data)
    print([float(score) for batch in engine.predict(model, datamodule=data) for score in batch.pred_score])
