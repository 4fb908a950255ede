"""A pyramid's networks as ONNX, for runtimes without PyTorch: one graph a scale, from the details in quanta and what is
known to nats by position (`base.Details`).

The Haar steps, colours and standardising around them are a few lines in any language (`haar`, `colour`, `pyramid`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oddpixel.onnx_file import write_onnx

from .base import Details
from .conditional import Conditional
from .pyramid import Pyramid

# Wichura 1988, algorithm AS 241, PPND16: numerators and denominators for the middle, the tail and the far tail.
_MIDDLE = (
    (
        2509.0809287301227,
        33430.575583588128,
        67265.770927008700,
        45921.953931549871,
        13731.693765509461,
        1971.5909503065514,
        133.14166789178438,
        3.3871328727963666,
    ),
    (
        5226.4952788528546,
        28729.085735721943,
        39307.895800092711,
        21213.794301586596,
        5394.1960214247511,
        687.18700749205790,
        42.313330701600911,
        1.0,
    ),
)
_TAIL = (
    (
        7.7454501427834141e-4,
        0.022723844989269184,
        0.24178072517745061,
        1.2704582524523684,
        3.6478483247632045,
        5.7694972214606914,
        4.6303378461565453,
        1.4234371107496835,
    ),
    (
        1.0507500716444169e-9,
        5.4759380849953447e-4,
        0.015198666563616457,
        0.14810397642748007,
        0.68976733498510001,
        1.6763848301838038,
        2.0531916266377588,
        1.0,
    ),
)
_FAR = (
    (
        2.0103343992922881e-7,
        2.7115555687434876e-5,
        1.2426609473880784e-3,
        0.026532189526576124,
        0.29656057182850489,
        1.7848265399172913,
        5.4637849111641144,
        6.6579046435011038,
    ),
    (
        2.0442631033899397e-15,
        1.4215117583164459e-7,
        1.8463183175100547e-5,
        7.8686913114561326e-4,
        0.014875361290850615,
        0.13692988092273581,
        0.59983220655588793,
        1.0,
    ),
)


def export_onnx(model: Pyramid, folder: Path) -> list[Path]:
    """`scale-0.onnx`, ... and `coarsest.onnx`, for any height and width. Raises: UsageError."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"scale-{index}": part for index, part in enumerate(model.scales)} | {"coarsest": model.coarsest}
    return [_export(part, folder / f"{name}.onnx") for name, part in named.items() if isinstance(part, Conditional)]


class _Graph(nn.Module):
    def __init__(self, conditional: Conditional) -> None:
        super().__init__()
        self.conditional = conditional

    def forward(self, values: Tensor, expected: Tensor, std: Tensor, present: Tensor, known: Tensor) -> Tensor:
        return self.conditional.log_likelihood_map(Details(values, expected, std, present), known)


def _export(conditional: Conditional, path: Path) -> Path:
    options: Any = conditional.network.options
    height, width = torch.export.Dim("height", min=2), torch.export.Dim("width", min=2)
    details = torch.zeros(1, options.judged, 24, 20)
    inputs = (
        details,
        details.clone(),
        torch.ones(options.judged),
        torch.ones(options.judged, 24, 20),
        torch.zeros(1, options.known, 24, 20),
    )
    batched = {2: height, 3: width}
    write_onnx(
        _Graph(conditional),
        inputs,
        path,
        input_names=["values", "expected", "std", "present", "known"],
        output_names=["nats"],
        dynamic_shapes=(batched, batched, None, {1: height, 2: width}, batched),
        custom_translation_table={torch.ops.aten.special_ndtri.default: _ndtri()},
    )
    return path


def _ndtri() -> Any:
    """The standard normal's quantile for tails p <= 1/2, which ONNX has no operator for."""
    from onnxscript import FLOAT, opset18

    op: Any = opset18

    def rational(r: Any, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Any:
        parts = []
        for each in coefficients:
            total = op.Constant(value_float=each[0])
            for coefficient in each[1:]:
                total = op.Add(op.Mul(total, r), op.Constant(value_float=coefficient))
            parts.append(total)
        return op.Div(*parts)

    def ndtri(p: FLOAT) -> FLOAT:
        def number(value: float) -> Any:
            return op.Constant(value_float=value)

        q = op.Sub(p, number(0.5))
        middle = op.Mul(q, rational(op.Sub(number(0.180625), op.Mul(q, q)), _MIDDLE))
        r = op.Sqrt(op.Neg(op.Log(p)))
        tail = rational(op.Sub(r, number(1.6)), _TAIL)
        far = rational(op.Sub(r, number(5.0)), _FAR)
        outside = op.Neg(op.Where(op.LessOrEqual(r, number(5.0)), tail, far))
        result: FLOAT = op.Where(op.LessOrEqual(op.Abs(q), number(0.425)), middle, outside)
        return result

    return ndtri
