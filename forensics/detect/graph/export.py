"""A detector as one ONNX file, compared with the detector itself before it is kept."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from oddpixel import __version__
from oddpixel.errors import ModelError, UsageError
from oddpixel.files import write_whole
from oddpixel.onnx_file import write_onnx

from ..detector import Detector
from . import OUTPUTS, DetectorGraph

INPUT = "pixels"
TRIED = 3  # pictures of noise
TOLERATED = 0.05  # of the score, in deviations of normals
KEY = "oddpixel"


def export_detector(detector: Detector, size: tuple[int, int], path: Path) -> float:
    """Write a detector for pictures of that height and width: pixels `[h, w, 3]` uint8 in, `OUTPUTS` out.

    Its metadata say as JSON under `oddpixel` what it was made of and, as far as the calibration allows, what `flag` decides by.

    Returns: the largest difference of a score from the detector's own, in deviations, on pictures of noise.

    Raises: UsageError (a package is missing, or the detector has what no graph is written of), ModelError (the graph says
    something else than the detector), OSError.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UsageError("export needs onnx and onnxruntime: pip install 'oddpixel[export]'") from error
    content = _written(onnx, DetectorGraph(detector, size), size, _about(detector, size))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    pictures = _noise(size)
    by_graph = [float(session.run([OUTPUTS[0]], {INPUT: pixels})[0]) for pixels in pictures]
    difference = float(np.abs(np.array(by_graph) - detector.score(pictures)).max())
    if not difference <= TOLERATED:
        raise ModelError(f"the graph's scores are up to {difference:.3g} deviations off the detector's; it is not kept")
    write_whole(path, content)
    return difference


def _written(onnx: Any, graph: DetectorGraph, size: tuple[int, int], about: dict[str, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "graph.onnx")
        write_onnx(graph, [torch.zeros(*size, 3, dtype=torch.uint8)], path, input_names=[INPUT], output_names=OUTPUTS)
        model = onnx.load(str(path))
    model.metadata_props.add(key=KEY, value=json.dumps(about))
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _about(detector: Detector, size: tuple[int, int]) -> dict[str, Any]:
    calibrated = detector.calibrated_
    return {
        "version": __version__,
        "encoder": str(detector.encoder),
        "channels": list(detector.reserves_),
        "height": size[0],
        "width": size[1],
        "calibration_groups": calibrated.num_groups,
        "smallest_p_value": 1 / (calibrated.num_groups + 1),
        "map": "-log10 of the share of normal places that are as odd",
    }


def _noise(size: tuple[int, int]) -> list[UInt8[np.ndarray, "h w 3"]]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*size, 3), np.uint8) for _ in range(TRIED)]
