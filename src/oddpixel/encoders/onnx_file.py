"""Encoders as ONNX graphs: pictures `[b, 3, h, w]` in, patches `[b, d, p, q]` or tokens `[b, n, d]` out.

The graph sees RGB brought to the mean and deviation of `preprocessor_config.json` beside it, ImageNet's where there is none.
A graph of one size looks at overlapping tiles. Of several outputs the first is taken that has places. Weights may lie in files
beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from oddpixel.errors import CorruptWeights, UsageError, WrongArchitecture

from .configuration import appearance
from .embedding import Normalised, Tiled, on_grid, side_by_side

CPU = torch.device("cpu")
TRIED = 224  # pixels a side of the picture that a graph of any size is tried on


class OnnxEncoder(nn.Module):
    """An ONNX graph as an encoder.

    Arguments:
        session: of ONNX Runtime.
        normalised: to the mean and deviation that it was trained with.
    """

    def __init__(self, session: Any, normalised: Normalised) -> None:
        super().__init__()
        self.session, self.normalised = session, normalised
        (given,) = session.get_inputs()
        self.input = given.name
        sides = [side if isinstance(side, int) else None for side in given.shape[2:]]
        self.size = max((side for side in sides if side), default=None)
        tried = self.size or TRIED
        found = self.session.run(None, {self.input: np.zeros((1, 3, tried, tried), np.float32)})
        self.output = next((index for index, each in enumerate(found) if each.ndim in (3, 4)), None)
        if self.output is None:
            shapes = ", ".join(str(each.shape) for each in found)
            raise WrongArchitecture(f"its outputs {shapes} have no places; export patch features [b, d, p, q]")
        patches = found[self.output]
        side = patches.shape[2] if patches.ndim == 4 else int(patches.shape[1] ** 0.5)
        self.stride = max(tried // side, 1)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d p q"]:
        """Patch embeddings of `x` in 0..1."""
        multiple = [max(length // self.stride, 1) * self.stride for length in x.shape[2:]]
        if tuple(multiple) != tuple(x.shape[2:]):
            x = nn.functional.interpolate(x, multiple, mode="bilinear", antialias=True)
        pictures = self.normalised(x).cpu().numpy()
        found = [self.session.run(None, {self.input: picture[None]})[self.output] for picture in pictures]
        patches = torch.from_numpy(np.concatenate(found).astype(np.float32)).to(x.device)
        if patches.ndim == 3:
            patches = on_grid(patches, *(length // self.stride for length in multiple))
        return side_by_side([patches])


def load(path: Path, device: torch.device = CPU) -> nn.Module:
    """From a file NAME.onnx; on CUDA where that is the device and this ONNX Runtime has it.

    Raises: UsageError where ONNX Runtime is not installed; CorruptWeights, WrongArchitecture.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError("an encoder in ONNX needs ONNX Runtime: pip install 'oddpixel[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.log_severity_level = 4  # errors reach us as exceptions
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=_providers(onnxruntime, device))
    except Exception as error:
        raise CorruptWeights(f"{path} is damaged, or no ONNX graph: {error}") from error
    try:
        encoder = OnnxEncoder(session, Normalised(*appearance(path.parent)))
        return encoder if encoder.size is None else Tiled(encoder.eval(), encoder.size)
    except CorruptWeights:
        raise
    except Exception as error:
        raise WrongArchitecture(f"{path} is no encoder of pictures [b, 3, h, w]: {error}") from error


def _providers(onnxruntime: Any, device: torch.device) -> list[Any]:
    cuda = "CUDAExecutionProvider"
    if device.type == "cuda" and cuda in onnxruntime.get_available_providers():
        return [(cuda, {"device_id": device.index or 0}), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


def files(path: Path) -> list[Path]:
    """The graph and what it needs beside it: weights in files of their own, as the graph names them. Raises: CorruptWeights."""
    import onnx

    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception as error:
        raise CorruptWeights(f"{path} is damaged, or no ONNX graph: {error}") from error
    names = {entry.value for tensor in graph.initializer for entry in tensor.external_data if entry.key == "location"}
    if outside := [name for name in names if Path(name).name != name]:
        raise CorruptWeights(f"{path} keeps weights outside its folder: {outside[0]}")
    return [path, *(path.parent / name for name in sorted(names))]
