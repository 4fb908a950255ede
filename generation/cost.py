"""The cost of a network before it runs: operations and the peak of live activations, counted on the meta device.

Attention is counted as the fused kernels compute it, without its matrix: materialised, that alone would take 49 GiB in stage C at
4096 x 4096. Two operations a multiply-add; weights are not among the activations.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """What one call of a network costs.

    Arguments:
        flops: of one call.
        peak_bytes: of activations live at once.
    """

    flops: float
    peak_bytes: int


def cost_of(call: Callable[[], Any]) -> Cost:
    """Count operations and peak activation bytes of a call on meta tensors, without gradients."""
    attention, live = _FusedAttention(), _LiveBytes()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter, live, attention:
        call()
    return Cost(float(counter.get_total_flops() + attention.flops), live.peak)


def weight_bytes(module: nn.Module, width: int | None = None) -> int:
    """Bytes of a module's parameters and buffers.

    Arguments:
        width: bytes a weight; each one's own where None.
    """
    tensors = [*module.parameters(), *module.buffers()]
    return sum(value.numel() * (width or value.element_size()) for value in tensors)


class _FusedAttention(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is scaled_dot_product_attention:
            named = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
            q, k, v = named["query"], named["key"], named["value"]
            self.flops += 2 * q.numel() * k.shape[-2] + 2 * q.shape[:-1].numel() * k.shape[-2] * v.shape[-1]
            return q.new_empty(*q.shape[:-1], v.shape[-1])
        return func(*args, **(kwargs or {}))


class _LiveBytes(TorchDispatchMode):
    """Bytes of storages that operations made and that are still held."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = {
            id(storage)
            for value in torch.utils._pytree.tree_leaves((args, kwargs or {}))
            if isinstance(value, Tensor)
            for storage in [value.untyped_storage()]
        }
        for value in torch.utils._pytree.tree_leaves(result):
            if isinstance(value, Tensor):
                self._made(value.untyped_storage(), inputs)
        return result

    def _made(self, storage: Any, inputs: set[int]) -> None:
        key = storage._cdata
        if key in self._seen or id(storage) in inputs:
            return
        self._seen.add(key)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._freed, key, storage.nbytes())

    def _freed(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size
