"""What forgers do to photographs: pasting, copying, removing, filtering a region, and recompressing.

`strength` scales the size of the region for `splice`, `copy-move` and `inpaint`, the effect for the others.
"""

from __future__ import annotations

import io

import numpy as np

from oddpixel.errors import InvalidImage, UsageError

from . import Canvas, Kind, Mask, Pixels

REGION = 0.35  # of the shorter side, for kinds whose strength is not the size


def splice(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A region of the donor pasted with a hard edge, from a random place of the donor."""
    if (donor := canvas.donor) is None:
        raise UsageError("splice needs a donor: another image to paste from")
    if donor.pixels.shape[0] != canvas.image.pixels.shape[0]:
        raise InvalidImage(f"the donor has {donor.pixels.shape[0]} channels, the image {canvas.image.pixels.shape[0]}")
    mask = canvas.blob(_size(canvas))
    rows, columns = np.nonzero(mask)
    tall, wide = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
    if donor.pixels.shape[1] < tall or donor.pixels.shape[2] < wide:
        raise InvalidImage(f"the donor of {donor.pixels.shape[1:]} is smaller than the region of {(tall, wide)}")
    top = canvas.random.integers(donor.pixels.shape[1] - tall + 1)
    left = canvas.random.integers(donor.pixels.shape[2] - wide + 1)
    pixels = canvas.copy()
    pixels[:, mask] = donor.pixels[:, rows - rows.min() + top, columns - columns.min() + left]
    return pixels, mask


def copy_move(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A region of the image itself, shown a second time; the mask is the copy."""
    mask = canvas.blob(_size(canvas))
    rows, columns = np.nonzero(mask)
    pixels = canvas.copy()
    down, right = _offset(canvas, rows, columns)
    pixels[:, mask] = canvas.image.pixels[:, rows + down, columns + right]
    return pixels, mask


def inpaint(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A region filled from its surroundings, as a retouching tool removes an object; smooth, where the rest has grain."""
    mask = canvas.blob(_size(canvas) / 2)
    return filled(canvas.image.pixels, mask), mask


def resample(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A region magnified about its centre by up to 1.6 and turned by up to 12 degrees, bicubic."""
    import cv2

    mask = canvas.blob(REGION)
    rows, columns = np.nonzero(mask)
    factor, turn = 1 + 0.6 * canvas.strength, 12 * canvas.strength * canvas.random.choice((-1, 1))
    matrix = cv2.getRotationMatrix2D((float(columns.mean()), float(rows.mean())), turn, factor)
    size = (canvas.width, canvas.height)
    moved = [
        cv2.warpAffine(np.array(plane), matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        for plane in canvas.image.pixels
    ]
    return _inside(canvas, mask, np.stack(moved)), mask


def blur(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A region blurred by a Gaussian, sigma up to 3 pixels."""
    from scipy.ndimage import gaussian_filter

    sigma = 3 * canvas.strength
    mask = canvas.blob(REGION)
    return _inside(canvas, mask, gaussian_filter(canvas.image.pixels, (0, sigma, sigma))), mask


def noise(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A region with Gaussian noise added, sigma up to a twentieth of the contrast."""
    mask = canvas.blob(REGION)
    sigma = 0.05 * canvas.strength * canvas.span
    return _inside(canvas, mask, canvas.image.pixels + canvas.random.normal(0, sigma, canvas.image.pixels.shape)), mask


def median(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A region smoothed by a median filter of 3, 5 or 7 pixels."""
    from scipy.ndimage import median_filter

    side = 1 + 2 * int(np.ceil(3 * canvas.strength))
    mask = canvas.blob(REGION)
    return _inside(canvas, mask, median_filter(canvas.image.pixels, (1, side, side))), mask


def double_jpeg_aligned(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """Recompress all but a region twice on the same grid: first at quality 95 - 45 * strength, then everything at 95.

    The forgery pasted into a JPEG photograph that is then saved again: outside the mask compression is double.
    """
    mask = canvas.blob(REGION)
    before = _jpeg(canvas.image.pixels, _first_quality(canvas))
    before[:, mask] = canvas.image.pixels[:, mask]
    return _jpeg(before, FINAL_QUALITY), mask


def double_jpeg_shifted(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """Compress a region twice, the first time on a grid shifted against the final one."""
    mask = canvas.blob(REGION)
    down, right = (int(shift) for shift in canvas.random.integers(1, 8, 2))
    rolled = np.roll(canvas.image.pixels, (down, right), (1, 2))
    before = np.roll(_jpeg(rolled, _first_quality(canvas)), (-down, -right), (1, 2))
    return _jpeg(_inside(canvas, mask, before), FINAL_QUALITY), mask


FINAL_QUALITY = 95
KINDS = (
    Kind("splice", splice),
    Kind("copy-move", copy_move),
    Kind("inpaint", inpaint),
    Kind("resample", resample),
    Kind("blur", blur),
    Kind("noise", noise),
    Kind("median", median),
    Kind("double-jpeg-aligned", double_jpeg_aligned),
    Kind("double-jpeg-shifted", double_jpeg_shifted),
)


def filled(pixels: Pixels, mask: Mask) -> Pixels:
    """Fill the region from its surroundings as smoothly as they go on: biharmonic equation (Damelin and Hoang 2018)."""
    from skimage.restoration import inpaint_biharmonic

    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return pixels.copy()
    # The solution depends on the nearest pixels around only; solving on a crop costs a fraction.
    crop = np.s_[max(rows.min() - 8, 0) : rows.max() + 9, max(columns.min() - 8, 0) : columns.max() + 9]
    result = pixels.copy()
    within = inpaint_biharmonic(pixels[:, *crop], mask[crop], channel_axis=0)
    result[:, *crop] = np.where(mask[crop], within, pixels[:, *crop])
    return result


def _size(canvas: Canvas) -> float:
    return 0.08 + 0.42 * canvas.strength


def _offset(canvas: Canvas, rows: np.ndarray, columns: np.ndarray) -> tuple[int, int]:
    """A move that keeps the region inside the image and, if any of many does, off itself."""
    options = []
    for _ in range(64):
        down = int(canvas.random.integers(-rows.min(), canvas.height - rows.max()))
        right = int(canvas.random.integers(-columns.min(), canvas.width - columns.max()))
        options.append((down, right))
        if abs(down) > np.ptp(rows) or abs(right) > np.ptp(columns):
            return down, right
    return max(options, key=lambda move: abs(move[0]) + abs(move[1]))


def _inside(canvas: Canvas, mask: Mask, changed: np.ndarray) -> Pixels:
    pixels: Pixels = np.where(mask, changed, canvas.image.pixels).astype(np.float32)
    return pixels


def _first_quality(canvas: Canvas) -> int:
    return round(FINAL_QUALITY - 45 * canvas.strength)


def _jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Compress as JPEG, 4:4:4, and decode again. Only `display` images can be saved so."""
    from PIL import Image as Pillow

    samples = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    file = io.BytesIO()
    Pillow.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples).save(
        file, "JPEG", quality=quality, subsampling=0
    )
    read = np.asarray(Pillow.open(file), np.float32) / 255
    return read[None] if read.ndim == 2 else read.transpose(2, 0, 1)
