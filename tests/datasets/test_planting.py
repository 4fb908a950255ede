"""Planted anomalies: exact masks, chance only from the seed, the image itself untouched."""

from __future__ import annotations

import numpy as np
import pytest

from oddpixel import Image, open_source
from oddpixel.datasets.planting import kinds, plant
from oddpixel.errors import InvalidImage, UsageError

RECOMPRESSING = ("double-jpeg-aligned", "double-jpeg-shifted")


@pytest.fixture(scope="module")
def photo() -> Image:
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    data = Path(spec.origin).parent / "data"
    (image,) = open_source(data / "coffee.png", sandboxed=False)
    assert isinstance(image, Image)
    return image


@pytest.fixture(scope="module")
def donor() -> Image:
    pixels = np.random.default_rng(0).random((3, 400, 500), np.float32)
    return Image(pixels, 8, "display", None, "donor.png", "0" * 64, "donor")


@pytest.fixture(scope="module")
def slice_in_hu() -> Image:
    """A phantom: a noisy body of soft tissue in air."""
    rows, columns = np.mgrid[:160, :200]
    body = np.hypot((rows - 80) / 60, (columns - 100) / 80) < 1
    noise = np.random.default_rng(1).normal(0, 20, body.shape)
    pixels = np.rint(np.where(body, 40 + noise, -1000 + noise / 4)).astype(np.float32)[None]
    return Image(pixels, 12, "HU", (1.0, 1.0), "slice.dcm", "0" * 64, "patient", {"slope": 1.0})


@pytest.mark.parametrize("kind", kinds())
def test_nothing_changes_outside_the_mask(kind: str, photo: Image, donor: Image, slice_in_hu: Image) -> None:
    image = slice_in_hu if kind in ("bright-blob", "missing-organ", "streak", "texture-swap") else photo
    before = image.pixels.copy()
    for seed in range(3):
        planted = plant(kind, image, donor=donor, strength=0.7, seed=seed)
        moved = np.abs(planted.image.pixels - before).max(0) > image.quantum / 2
        assert planted.mask.any(), seed
        assert planted.mask.mean() < 0.6
        if kind not in RECOMPRESSING:
            assert not (moved & ~planted.mask).any()
        assert moved[planted.mask].mean() > 0.2, "something is to be seen inside"
        # On the grid of stored values, in range, same group.
        steps = planted.image.pixels.astype(np.float64) / image.quantum
        np.testing.assert_allclose(steps, np.rint(steps), atol=2e-3)
        assert planted.image.group == image.group
        assert planted.image.sha256 != image.sha256
        if image.unit == "display":
            assert planted.image.pixels.min() >= 0
            assert planted.image.pixels.max() <= 1
    np.testing.assert_array_equal(image.pixels, before)


@pytest.mark.parametrize("kind", kinds())
def test_the_seed_decides_everything(kind: str, photo: Image, donor: Image) -> None:
    first, same_seed, next_seed = (plant(kind, photo, donor=donor, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image.pixels, same_seed.image.pixels)
    np.testing.assert_array_equal(first.mask, same_seed.mask)
    assert not np.array_equal(first.mask, next_seed.mask)


@pytest.mark.parametrize("kind", kinds())
def test_stronger_is_more(kind: str, photo: Image, donor: Image) -> None:
    def change(strength: float, seed: int) -> float:
        planted = plant(kind, photo, donor=donor, strength=strength, seed=seed)
        # There it is the rest of the image that was compressed twice.
        where = ~planted.mask if kind == "double-jpeg-aligned" else planted.mask
        return float(np.abs(planted.image.pixels - photo.pixels)[:, where].sum())

    weak, strong = (sum(change(strength, seed) for seed in range(4)) for strength in (0.1, 0.9))
    assert strong > 1.15 * weak


@pytest.mark.parametrize("kind", kinds())
def test_larger_is_larger(kind: str, photo: Image, donor: Image) -> None:
    def extent(size: float) -> int:
        planted = [plant(kind, photo, donor=donor, strength=0.5, size=size, seed=seed) for seed in range(4)]
        return sum(int(anomaly.mask.sum()) for anomaly in planted)

    small, large = extent(0.5), extent(1.0)
    if extent(2.0) < photo.pixels[0].size * 4:  # not of the whole image
        assert large > 1.4 * small


def test_an_organ_goes_where_its_mask_says(slice_in_hu: Image) -> None:
    organ = np.zeros(slice_in_hu.pixels.shape[1:], bool)
    organ[60:80, 90:120] = True
    pixels = slice_in_hu.pixels.copy()
    pixels[:, organ] += 150
    image = Image(pixels, 12, "HU", None, "a.dcm", "0" * 64, "p", {"slope": 1.0})
    gone = plant("missing-organ", image, region=organ, strength=1.0)
    np.testing.assert_array_equal(gone.mask, organ)
    assert abs(gone.image.pixels[0, organ].mean() - 40) < 15
    assert 10 < gone.image.pixels[0, organ].std() < 40, "with the noise of its surroundings, not smooth"
    twice = plant("duplicated-structure", image, region=organ, strength=1.0)
    assert twice.mask.sum() == organ.sum()
    assert abs(twice.image.pixels[0, twice.mask].mean() - 190) < 5


def test_copies_come_from_the_image_itself(photo: Image) -> None:
    planted = plant("copy-move", photo, strength=0.3, seed=5)
    values = {tuple(value) for value in planted.image.pixels[:, planted.mask].T}
    assert values <= {tuple(value) for value in photo.pixels.reshape(3, -1).T}


def test_requests_that_make_no_sense(photo: Image) -> None:
    with pytest.raises(UsageError, match="unknown planted anomaly 'aliens'"):
        plant("aliens", photo)
    with pytest.raises(UsageError, match="from 0 to 1"):
        plant("blur", photo, strength=2.0)
    with pytest.raises(UsageError, match="donor"):
        plant("splice", photo)
    with pytest.raises(InvalidImage, match="32 pixels"):
        plant("blur", Image(np.zeros((1, 8, 8), np.float32), 8, "display", None, "a", "0" * 64, "a"))
