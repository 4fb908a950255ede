"""A detector as one graph of tensors, for runtimes without Python: pixels in; score, p-value and map out.

    graph = DetectorGraph(detector, (480, 640))
    found = graph(pixels)                     # [480, 640, 3] uint8; what it gives are `OUTPUTS`

What `Preparation`, `Observer` and the channels do with NumPy, OpenCV and SciPy stands here once more in torch, for pictures of
one size and 8 bits; `export` compares both before it writes anything.
"""

from __future__ import annotations

from typing import cast

import cv2
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from oddpixel.encoders import whole
from oddpixel.errors import UsageError

from ..channels import Channel
from ..channels.patches import EncoderPatches
from ..channels.places import PlacePatches
from ..channels.vectors import EncoderVector
from ..detector import Detector
from ..evidence import Evidence
from ..observation import CELL, WHOLE_SIDE, side_of
from ..prepare import SMALLEST_SIDE, reduced_size
from .looks import PatchLook, PlaceLook, VectorLook
from .resizing import Resizing

LOOKS = {EncoderPatches.kind: PatchLook, PlacePatches.kind: PlaceLook, EncoderVector.kind: VectorLook}
OUTPUTS = ("score", "p_value", "map")
LEVELS = 255.0
LARGEST_SIDE = 8192  # pixels: the weights of reducing more are larger than the detector


class DetectorGraph(nn.Module):
    """A calibrated detector for pictures of one height and width.

    Arguments:
        detector: with an encoder, of pictures of 8 bits; its channels those in `LOOKS`.
        size: height and width of the pictures to come, in pixels.

    Raises: UsageError where the detector has what no graph is written for.
    """

    def __init__(self, detector: Detector, size: tuple[int, int]) -> None:
        super().__init__()
        channels = _channels(detector)
        observer = detector.observer_
        assert observer.encoder is not None
        if not SMALLEST_SIDE <= min(size) <= max(size) <= LARGEST_SIDE:
            raise UsageError(
                f"pictures of {size[0]} x {size[1]}; a graph takes {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side"
            )
        prepared = reduced_size(size, detector.side)
        self.encoder = observer.encoder
        self.prepared = Resizing(size, prepared)
        self.shown = Resizing(prepared, side_of(prepared, max(observer.least_side, *prepared)))
        self.seen_whole = Resizing(prepared, side_of(prepared, WHOLE_SIDE))
        with torch.no_grad():
            patches = self.encoder(torch.zeros(1, 3, *self.shown.after))
        grid = (patches.shape[2], patches.shape[3])
        self.looks = nn.ModuleDict({name: LOOKS[name](channel, grid) for name, channel in channels.items()})
        self.usual = {name: (each.mean, each.deviation) for name, each in detector.scales_.items()}
        self.reserves = dict(detector.reserves_)
        cells = (-(-prepared[0] // CELL), -(-prepared[1] // CELL))
        self.evidence = nn.ModuleDict(
            {
                name: _EvidenceMap(each, cast(tuple[int, int], self.looks[name].grid), cells)
                for name, each in detector.heat_evidence_.items()
            }
        )
        self.maxima: Tensor
        self.register_buffer("maxima", torch.from_numpy(detector.calibrated_.maxima.copy()))

    def forward(
        self, pixels: UInt8[Tensor, "h w 3"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "p q"]]:
        """Score, p-value of the image as a group of its own, and evidence by place (-log10 of the share of normal places)."""
        picture = self.prepared(pixels.permute(2, 0, 1)[None].float() / LEVELS)
        picture = (picture * LEVELS).round() / LEVELS
        patches = self.encoder(self.shown(picture))[0].permute(1, 2, 0)
        vector = whole(self.encoder, self.seen_whole(picture))
        found = {name: look(vector if name == EncoderVector.kind else patches) for name, look in self.looks.items()}
        score = torch.stack(
            [self._deviation(name, found[name][0]) - lag for name, lag in self.reserves.items()]
        ).logsumexp(0)
        p_value = (1 + (self.maxima >= score).sum()) / (len(self.maxima) + 1)
        heat = torch.stack([self.evidence[name](cast(Tensor, found[name][1])) for name in self.evidence]).mean(0)
        return score, p_value, heat

    def _deviation(self, name: str, score: Float[Tensor, ""]) -> Float[Tensor, ""]:
        mean, deviation = self.usual[name]
        return (score - mean) / deviation


def _channels(detector: Detector) -> dict[str, Channel]:
    """What is fused or mapped. Raises: UsageError."""
    if detector.observer_.encoder is None or detector.observer_.model.options.unit != "display":
        raise UsageError("a graph is written of detectors of grey levels or colours with an encoder; this one has none")
    if detector.levels_ is not None or any(depth > 8 for depth in detector.depths_ or ()):
        raise UsageError("a graph takes pictures of 8 bits; this detector has learned the range of deeper ones")
    used = {
        name: channel
        for name, channel in detector.channels_.items()
        if name in detector.reserves_ or name in detector.heat_evidence_
    }
    if beyond := [name for name in used if name not in LOOKS]:
        raise UsageError(f"no graph is written of the channel {beyond[0]!r}; fit with --channels '{', '.join(LOOKS)}'")
    return used


class _EvidenceMap(nn.Module):
    """A channel's heat as evidence (`Evidence`) on the grid of the picture."""

    def __init__(self, evidence: Evidence, grid: tuple[int, int], cells: tuple[int, int]) -> None:
        super().__init__()
        self.reference: Tensor
        self.register_buffer("reference", torch.from_numpy(evidence.reference))
        self.start, self.scale, self.at_start = evidence.start, evidence.scale, evidence.at_start
        self.resized = Resizing(grid, cells, cv2.INTER_LINEAR)

    def forward(self, heat: Float[Tensor, "_p _q"]) -> Float[Tensor, "p q"]:
        count = len(self.reference)
        as_odd = (self.reference >= heat[..., None]).sum(-1)
        by_rank = -((1.0 + as_odd) / (count + 1.0)).log10()
        beyond = self.at_start + (heat - self.start) / (self.scale * torch.log(torch.tensor(10.0)))
        found: Tensor = self.resized(torch.where(heat > self.start, beyond, by_rank)[None, None].float())[0, 0]
        return found
