"""Residual mixture (Cozzolino, Poggi and Verdoliva, WIFS 2015, "Splicebuster"; written from the paper).

Third-order differences, truncated to three values, are counted four in a row (81 patterns, mirror images and signs taken
together). The histograms of all windows are reduced by principal components and described by one Gaussian or by a mixture
of two; an image with one history needs one. The statistic is what the second Gaussian gains, in nats a window.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32, Int

from ..exhibit import Exhibit
from ..measurement import Answer, Measurement, Question
from ..patterns import folded
from ..windows import oddest

CELL = 32
WINDOW = 3  # cells a side
COMPONENTS = 6
LIMITS = "Any two kinds of content (sky and leaves) are a mixture as well; it says that parts differ, not why."


class ResidualMixture:
    """The test for two kinds of noise residual in one image."""

    name = "residual-mixture"
    title = "Mixture of residuals"
    kind = "calibrated"
    questions = (Question("residual-mixture", scope="tiles"),)
    purpose = "Whether the fine noise of the image falls into two kinds, lying in different places."
    reference = "Cozzolino, Poggi and Verdoliva, WIFS 2015"
    needs = "320 x 320 pixels"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: it has too few windows for a mixture."""
        if min(exhibit.size) < 320:
            return "smaller than 320 x 320 pixels"
        return None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The gain of the second Gaussian in nats a window, with a map of the rarer kind."""
        features = histograms(exhibit.luma)
        gain, rarer = _mixture(features.reshape(-1, features.shape[2]), exhibit.seed)
        odd = oddest(rarer.reshape(features.shape[:2]).astype(np.float64), CELL, exhibit.size, least=0.05, sides=1)
        yield Measurement(
            self.name, statistic=gain, map=odd.map, limits=LIMITS, details={"regions": odd.regions},
            because=f"a second kind of residual gains {gain:.2f} nats a window",
        )  # fmt: skip


CHECK = ResidualMixture()


def histograms(luma: Float32[np.ndarray, "h w"]) -> Float[np.ndarray, "p q f"]:
    """The square roots of pattern frequencies by window, both directions one after the other."""
    parts = []
    for picture in (luma, luma.T):
        residual = picture[:, :-3] - 3 * picture[:, 1:-2] + 3 * picture[:, 2:-1] - picture[:, 3:]
        step = max(1.0, 1.5 * float(np.median(np.abs(residual))))
        values = np.clip(np.rint(residual / step), -1, 1).astype(np.int32) + 1
        number = ((values[:, :-3] * 3 + values[:, 1:-2]) * 3 + values[:, 2:-1]) * 3 + values[:, 3:]
        counts = _by_cell(folded()[number], luma.shape if picture is luma else luma.shape[::-1])
        parts.append(counts if picture is luma else counts.transpose(1, 0, 2))
    cells = np.concatenate(parts, 2)
    table = np.pad(cells.cumsum(0).cumsum(1), ((1, 0), (1, 0), (0, 0)))
    sums = table[WINDOW:, WINDOW:] - table[:-WINDOW, WINDOW:] - table[WINDOW:, :-WINDOW] + table[:-WINDOW, :-WINDOW]
    result: Float[np.ndarray, "p q f"] = np.sqrt(sums / sums.sum(2, keepdims=True))
    return result


def _by_cell(patterns: Int[np.ndarray, "h w"], size: tuple[int, ...]) -> Int[np.ndarray, "p q f"]:
    rows, columns = size[0] // CELL, size[1] // CELL
    num = int(folded().max()) + 1
    padded = np.pad(patterns, ((0, 0), (0, max(0, columns * CELL - patterns.shape[1]))), mode="edge")
    cut = padded[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    cell = np.arange(rows)[:, None, None, None] * columns + np.arange(columns)[:, None]
    return np.bincount((cell * num + cut).ravel(), minlength=rows * columns * num).reshape(rows, columns, num)


def _mixture(features: Float[np.ndarray, "n f"], seed: int) -> tuple[float, Float[np.ndarray, "n"]]:
    """The gain of a second Gaussian in nats per window, and the weight of the rarer one in each window.

    The gain is beyond the price of its parameters (BIC).
    """
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    reduced = PCA(COMPONENTS, random_state=0, svd_solver="full").fit_transform(features)
    scaled = reduced / max(float(reduced[:, 0].std()), 1e-9)
    options = {"covariance_type": "full", "reg_covar": 1e-4, "random_state": seed % 2**31}
    one, two = (GaussianMixture(k, n_init=k, **options).fit(scaled) for k in (1, 2))
    gain = (one.bic(scaled) - two.bic(scaled)) / (2 * len(scaled))
    belongs = two.predict_proba(scaled)[:, int(np.argmin(two.weights_))]
    return float(gain), belongs
