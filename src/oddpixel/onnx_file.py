"""Networks written as ONNX files, for runtimes without PyTorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oddpixel.errors import UsageError

OPSET = 18
EXPORTER = "torch.onnx"  # its logger, which speaks of packages that nobody needs here


def write_onnx(
    network: nn.Module,
    inputs: Sequence[Tensor],
    path: Path,
    *,
    input_names: Sequence[str],
    output_names: Sequence[str],
    **options: Any,
) -> None:
    """Write a network as one file with its weights, for inputs such as these.

    Arguments:
        options: more of `torch.onnx.export`.

    Raises: UsageError (packages are missing, or the network has what ONNX has no words for).
    """
    try:
        import onnxscript  # noqa: F401 -- what the exporter needs
    except ImportError as error:
        raise UsageError("export needs onnx and onnxscript: pip install 'oddpixel[export]'") from error
    log = logging.getLogger(EXPORTER)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            torch.onnx.export(
                network.eval(),
                tuple(inputs),
                path,
                dynamo=True,
                external_data=False,
                verbose=False,
                opset_version=OPSET,
                input_names=list(input_names),
                output_names=list(output_names),
                **options,
            )
    except torch.onnx.OnnxExporterError as error:
        raise UsageError(f"this network cannot be written as ONNX: {error}") from error
    finally:
        log.setLevel(level)
