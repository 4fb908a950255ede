"""The density of patch embeddings by a classifier of noise levels: Classification Diffusion in feature space.

The same model as for pixels (`density.flat`), on whitened principal components of what the encoder sees at a place. A place costs
one small network, however many normals there were, where a memory bank's cost grows with them; -log p is the heat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.loss import DensityRatioLoss
from oddpixel.forensics.density.schedules.log_snr_uniform import LogSnrUniform

from ..observation import Observation
from . import LEAST_DISTANCE, OF_PLACES, Arrays, Context, Look, Needs, Use
from .patches import smoothed, top

COMPONENTS = 48
WIDTH = 192
STEPS, BATCH, LEARNING_RATE = 400, 256, 2e-3
CANDIDATES = 30_000
LEVELS = LogSnrUniform(num_steps=24, top=6.0, bottom=-8.0)


class PatchRatio:
    """-log p of each patch embedding, in nats."""

    kind: ClassVar[str] = "patch density ratio"
    counts: ClassVar[bool] = True
    needs: ClassVar[Needs] = "encoder"
    use: ClassVar[Use] = "asked"
    spread: ClassVar[float] = 0.2
    reserve: ClassVar[float] = OF_PLACES

    def __init__(self) -> None:
        self.mean, self.root = np.zeros(0), np.zeros((0, 0))
        self.model: Flat | None = None
        self.best = 0.0

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """Whitened principal components of a sample of patches, and a density-ratio model trained on them."""
        generator = np.random.default_rng(context.seed)
        patches = np.concatenate([_flat(each) for each in normals])
        if len(patches) > CANDIDATES:
            patches = patches[generator.choice(len(patches), CANDIDATES, replace=False)]
        self.mean = patches.mean(0).astype(np.float64)
        values, vectors = np.linalg.eigh(np.cov((patches - self.mean).T))
        values, vectors = values[::-1][:COMPONENTS], vectors[:, ::-1][:, :COMPONENTS]
        self.root = vectors / np.sqrt(np.maximum(values, 1e-6 * values[0]))
        self.model = _trained(self._whitened(patches), context.seed)

    def remember(self, normal: Observation, group: str) -> None:
        """Nothing: what was learned in `fit` stays."""

    def settle(self, normals: Sequence[Observation], groups: Sequence[str]) -> None:
        """The largest density that a normal's places have, so that scores are positive before their logarithm."""
        self.best = min(float(self._nats(normal).min()) for normal in normals)

    @torch.no_grad()
    def look(self, observation: Observation, without: str | None = None) -> Look:
        """The log of the mean of the most improbable places, with the map of -log p in nats."""
        heat = smoothed(self._nats(observation))
        score = float(np.log(max(top(heat) - self.best, 0.0) + LEAST_DISTANCE))
        return Look(score, f"something improbable among what normals show, {observation.oddest(heat)}", heat)

    @torch.no_grad()
    def _nats(self, observation: Observation) -> np.ndarray:
        """-log p by place."""
        assert self.model is not None
        assert observation.encoder_patches is not None
        likelihoods = self.model.log_likelihood(self._whitened(_flat(observation)))
        result: np.ndarray = -likelihoods.double().numpy().reshape(observation.encoder_patches.shape[:2])
        return result

    def add(self, normal: Observation) -> None:
        """Nothing: it would have to be trained anew."""

    def state(self) -> dict[str, np.ndarray]:
        """Mean, whitening matrix and weights of the network, the latter prefixed `network.`."""
        assert self.model is not None
        weights = {f"network.{name}": value.numpy() for name, value in self.model.network.state_dict().items()}
        return {"mean": self.mean, "root": self.root, "best": np.array([self.best]), **weights}

    def restore(self, state: Arrays) -> None:
        """Set mean and whitening matrix, and load the weights into a new network."""
        self.mean, self.root, self.best = state["mean"], state["root"], float(state["best"][0])
        self.model = _new_model(self.root.shape[1])
        weights = {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}
        self.model.network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})

    def _whitened(self, patches: np.ndarray) -> Tensor:
        return torch.from_numpy(((patches - self.mean) @ self.root).astype(np.float32))[:, :, None, None]


class _Network(nn.Module):
    """`x [n, d, 1, 1] -> [n, levels]`."""

    def __init__(self, dims: int, num_levels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dims, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, num_levels),
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x.flatten(1))
        return found


def _new_model(dims: int) -> Flat:
    return Flat(_Network(dims, LEVELS.num_levels), LEVELS).eval()


def _trained(x: Tensor, seed: int) -> Flat:
    """A model of these vectors; cosine decay, everything drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _new_model(x.shape[1])
        loss = DensityRatioLoss(model, ce_weight=1e-2)
        optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for _ in range(STEPS):
            batch = x[torch.randint(len(x), (BATCH,))]
            levels = torch.randint(LEVELS.num_levels, (BATCH,))
            optimizer.zero_grad()
            loss(batch, levels, torch.randn_like(batch)).total.backward()
            optimizer.step()
            decay.step()
    return model.requires_grad_(False)


def _flat(observation: Observation) -> np.ndarray:
    assert observation.encoder_patches is not None
    return observation.encoder_patches.reshape(-1, observation.encoder_patches.shape[2])


CHANNELS = (PatchRatio,)
