"""Channels of the probed density model: its surprise as a whole and by place, and its score norms. Only where asked for."""

from __future__ import annotations

import numpy as np

from ..observation import Observation
from ..probes import Probed, probe_names
from ..words import of_density_entry
from .patches import PatchChannel, Patches
from .vectors import VectorChannel


def _probed(observation: Observation) -> Probed:
    assert observation.probed is not None
    return observation.probed


class SurpriseSpectrum(VectorChannel):
    """The denoiser's errors beyond those it expects, by scale and level."""

    kind = "surprise spectrum"
    whitens = True
    needs = "probes"

    def vector(self, observation: Observation) -> np.ndarray:
        """The surprise of the whole image, by scale and level."""
        return _probed(observation).surprise

    def why(self, deviations: np.ndarray) -> str:
        """Names the scale and level that deviate most."""
        most = int(np.abs(deviations).argmax())
        return of_density_entry(probe_names()[most], float(deviations[most]))


class ScoreNorms(VectorChannel):
    """How steep the density is at the image, by scale and level (MSMA)."""

    kind = "score norms"
    whitens = True
    needs = "probes"

    def vector(self, observation: Observation) -> np.ndarray:
        """The norms of the score, by scale and level."""
        return _probed(observation).norms

    def why(self, deviations: np.ndarray) -> str:
        """One sentence for all deviations: no entry has a meaning of its own to a reader."""
        return "it lies on a steeper or flatter slope of the density than normals do"


class SurprisePatches(PatchChannel):
    """Restoration residuals by frequency band and place, beyond what this content lets expect."""

    kind = "surprise patches"
    needs = "probes"
    use = "asked"
    what = "restored unlike places of normals"

    def patches(self, observation: Observation) -> Patches:
        """The surprise by place, for each scale and level."""
        return _probed(observation).patches


CHANNELS = (SurpriseSpectrum, ScoreNorms, SurprisePatches)
