"""ONNX graphs give the numbers of the networks they came from, at sizes they were not exported at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from oddpixel.forensics.density.export import export_onnx
from oddpixel.forensics.density.pyramid import Pyramid, PyramidOptions


@pytest.mark.filterwarnings("ignore")  # the exporter's own deprecations
@torch.no_grad()
def test_graphs_equal_networks_at_any_size(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(0)
    options = PyramidOptions(
        channels=1, width=8, num_blocks=1, base_width=8, num_networks=1, num_levels=6, trunk_width=8
    )
    model = Pyramid(options).eval()
    for name, parameter in model.named_parameters():
        if "mix" in name or "last" in name:
            nn.init.normal_(parameter, std=0.3)
    paths = {path.stem: path for path in export_onnx(model, tmp_path)}
    assert sorted(paths) == ["coarsest", "scale-0"]
    sessions = {name: onnxruntime.InferenceSession(path) for name, path in paths.items()}
    for scale in model.split(torch.rand(1, 1, 61, 46) * 255):
        session = sessions["coarsest" if scale.conditional is model.coarsest else "scale-0"]
        d = scale.details
        inputs = {name: getattr(d, name).numpy() for name in ("values", "expected", "std", "present")}
        (found,) = session.run(None, inputs | {"known": scale.known.numpy()})
        wanted = scale.conditional.log_likelihood_map(d, scale.known).numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
