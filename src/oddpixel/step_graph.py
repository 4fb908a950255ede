"""A training step as one CUDA graph for every set of shapes, so that its thousand small kernels are launched as one.

A small network on a large accelerator waits for its launches most of the time. The first steps of a set of shapes run as they
stand (they fill caches and the optimizer's state), the next is recorded; from then on its inputs are copied in and it is
replayed. A step that cannot be recorded goes on as it stands.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

Batch = dict[str, Tensor]
Step = Callable[[Batch], Batch]
WARM_UP = 3


class StepGraphs:
    """A training step that is replayed as a CUDA graph once its shapes have been seen.

    Arguments:
        step: from a batch to its losses, with nothing in it that waits for the device or depends on values on the host.
    """

    def __init__(self, step: Step, device: torch.device) -> None:
        self.step, self.stream = step, torch.cuda.Stream(device)
        self.seen: Counter[Hashable] = Counter()
        self.recorded: dict[Hashable, tuple[torch.cuda.CUDAGraph, Batch, Batch]] = {}
        self.can_record = True

    def __call__(self, batch: Batch) -> Batch:
        """Run the step on a batch, recorded or not; returns its losses."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            losses = self._stepped(batch)
        torch.cuda.current_stream().wait_stream(self.stream)
        return losses

    def _stepped(self, batch: Batch) -> Batch:
        shapes = tuple((name, value.shape, value.dtype) for name, value in batch.items())
        self.seen[shapes] += 1
        if not self.can_record or self.seen[shapes] <= WARM_UP:
            return self.step(batch)
        if shapes not in self.recorded and not self._record(shapes, batch):
            return self.step(batch)
        graph, inputs, losses = self.recorded[shapes]
        for name, value in batch.items():
            inputs[name].copy_(value)
        graph.replay()
        return {name: value.clone() for name, value in losses.items()}

    def _record(self, shapes: Hashable, batch: Batch) -> bool:
        inputs = {name: value.clone() for name, value in batch.items()}
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                losses = self.step(inputs)
        except RuntimeError as error:
            warnings.warn(f"this training step cannot be recorded and stays slower: {error}", stacklevel=2)
            self.can_record = False
            return False
        self.recorded[shapes] = graph, inputs, losses
        return True
