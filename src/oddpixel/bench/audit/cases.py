"""Authentic and manipulated images whose histories are known, made from photographs that packages ship.

Every photograph is reduced first, by no whole number, so that no earlier JPEG grid is left (the grid test screens what
still shows one), and half of them get a camera of their own: linear light, shot and read noise, a colour mosaic,
demosaicing, gamma (Bammey et al., WACV 2022, "Trace"). Histories follow. All that is drawn is drawn from the source's
name, and one source is one group.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image as Pillow

from oddpixel.datasets.corpora import cached
from oddpixel.forensics.audit.exhibit import LUMA
from oddpixel.forensics.audit.grid_votes import vote
from oddpixel.forensics.audit.local_edits.camera import photographed

TILE = 384
REDUCED = (0.40, 0.51)  # by no whole number: a JPEG grid that is halved exactly is still one of 4 pixels
CORPORA = ("photographs", "photographs-share-alike", "nature", "interiors", "monuments", "animals")
Pixels = UInt8[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Source:
    """A photograph or a tile of one, from which authentic and manipulated cases are made.

    Arguments:
        name: of the photograph; the group.
        camera: whether it passed through a simulated camera.
        picture: a tile of 384 pixels a side or a whole photograph, no JPEG grid in it.
    """

    name: str
    camera: bool
    picture: Pixels

    def random(self, *purpose: object) -> np.random.Generator:
        """A generator seeded by the source's name and a purpose, so that every case is drawn alike each time."""
        return np.random.default_rng(zlib.crc32("/".join(map(str, (self.name, *purpose))).encode()))


@dataclass(frozen=True, eq=False)
class Case:
    """One image file whose history is known.

    Arguments:
        kind: the history of an authentic image, or the manipulation.
        mask: what was changed; None for an authentic image.
    """

    kind: str
    source: Source
    content: bytes
    mask: Mask | None = None


def sources(roles: tuple[str, ...], tiles: int = 1) -> tuple[list[Source], list[str]]:
    """The tiles of photographs of these roles, and the names of those that the grid test screened out."""
    kept, screened = [], []
    for corpus in CORPORA:
        for file in cached(corpus).files():
            if file.role not in roles:
                continue
            for number, tile in enumerate(_tiles(file.path, tiles)):
                if vote(tile.astype(np.float32) @ LUMA).grid is not None:
                    screened.append(f"{corpus}/{file.path.name}#{number}")
                    continue
                camera = zlib.crc32(file.path.name.encode()) % 2 == 0
                source = Source(f"{corpus}/{file.path.name}", camera, tile)
                kept.append(
                    Source(source.name, camera, photographed(tile, source.random("camera", number)))
                    if camera
                    else source
                )
    return kept, screened


def _tiles(path: object, number: int) -> Iterator[Pixels]:
    picture = np.asarray(Pillow.open(str(path)).convert("RGB"))  # our own corpora, checked byte by byte when fetched
    random = np.random.default_rng(zlib.crc32(str(path).rpartition("/")[2].encode()))
    least = (TILE + 1) / min(picture.shape[:2])
    if least > REDUCED[1]:
        return
    reduced = resized(picture, float(random.uniform(max(least, REDUCED[0]), REDUCED[1])))
    height, width = reduced.shape[:2]
    for _ in range(number if min(height, width) >= TILE else 0):
        top, left = random.integers(0, height - TILE + 1), random.integers(0, width - TILE + 1)
        yield np.ascontiguousarray(reduced[top : top + TILE, left : left + TILE])


def encoded(pixels: Pixels, form: str) -> bytes:
    """The pixels as a file, in a form such as `png`, `jpeg-Q` or `webp-Q`."""
    kind, _, quality = form.partition("-")
    file = io.BytesIO()
    picture = Pillow.fromarray(np.ascontiguousarray(pixels))
    if kind == "png":
        picture.save(file, "PNG", compress_level=1)
    else:
        picture.save(
            file,
            kind.upper(),
            quality=int(quality),
            **({"subsampling": 0} if kind == "jpeg" and int(quality) >= 90 else {}),
        )
    return file.getvalue()


def saved(pixels: Pixels, *forms: str) -> Pixels:
    """The pixels after they were saved in these forms, one after the other."""
    for form in forms:
        pixels = np.asarray(Pillow.open(io.BytesIO(encoded(pixels, form))).convert("RGB"))
    return pixels


def resized(pixels: Pixels, factor: float) -> UInt8[np.ndarray, "p q 3"]:
    """The pixels scaled by a factor: area averages when reducing, cubic interpolation when enlarging."""
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=method)


FIRST_QUALITIES = range(50, 99)  # of pictures that were saved as JPEG more than once, drawn for each

# What happened to authentic images; the last form is the file's.
HISTORIES: dict[str, Callable[[Pixels], bytes]] = {
    "never-jpeg": lambda tile: encoded(tile, "png"),
    "resized": lambda tile: encoded(resized(tile, 0.8), "png"),
    "jpeg-95": lambda tile: encoded(tile, "jpeg-95"),
    "jpeg-75-95": lambda tile: encoded(saved(tile, "jpeg-75"), "jpeg-95"),
    "jpeg-75": lambda tile: encoded(tile, "jpeg-75"),
    "two-jpegs-75": lambda tile: encoded(saved(tile, _drawn_form(tile)), "jpeg-75"),
    "three-jpegs-80": lambda tile: encoded(saved(tile, _drawn_form(tile), "jpeg-85"), "jpeg-80"),
    "jpeg-50": lambda tile: encoded(tile, "jpeg-50"),
    "jpeg-75-png": lambda tile: encoded(saved(tile, "jpeg-75"), "png"),
    "webp-80": lambda tile: encoded(tile, "webp-80"),
}


def _drawn_form(pixels: Pixels) -> str:
    """A JPEG whose quality is drawn from the pixels themselves."""
    return f"jpeg-{FIRST_QUALITIES[zlib.crc32(pixels.tobytes()) % len(FIRST_QUALITIES)]}"


def authentic(source: Source, histories: tuple[str, ...] | None = None) -> Iterator[Case]:
    """A source in each processing history, or in those named."""
    for name in histories or HISTORIES:
        yield Case(name, source, HISTORIES[name](source.picture))


def region(random: np.random.Generator, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The top, left, height and width of a random part of 80 to 176 pixels a side, or to a third of a large picture's."""
    height, width = (int(length) for length in random.integers(80, max(177, min(size[:2]) // 3), 2))
    return int(random.integers(8, size[0] - height - 8)), int(random.integers(8, size[1] - width - 8)), height, width


def _pasted(host: Pixels, donor: Pixels, random: np.random.Generator, soft: bool = False) -> tuple[Pixels, Mask]:
    """The part of `donor` at the same place, hard or soft at its edge (an ellipse)."""
    top, left, height, width = region(random, host.shape)
    mask = np.zeros(host.shape[:2], np.uint8)
    cv2.ellipse(mask, ((left + width / 2, top + height / 2), (width, height), 0), 1, -1)
    weight = (
        cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3)[..., None] if soft else mask[..., None].astype(np.float32)
    )
    mixed = np.rint(weight * donor + (1 - weight) * host).astype(np.uint8)
    return mixed, mask > 0


def _rolled(pixels: Pixels, random: np.random.Generator, step: int = 1) -> Pixels:
    """Moved off its grid: by no multiple of 8 in at least one direction."""
    while True:
        down, right = (int(offset) * step for offset in random.integers(0, 8 // step, 2))
        if down or right:
            return np.roll(pixels, (down, right), (0, 1))


def splice_shifted(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region of the donor, both once JPEG, whose grid does not align with the host's."""
    quality = int(random.choice([75, 90]))
    return _pasted(
        saved(host.picture, f"jpeg-{quality}"), _rolled(saved(donor.picture, f"jpeg-{quality}"), random), random
    )


def splice(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region of the donor with a soft edge."""
    return _pasted(host.picture, donor.picture, random, soft=True)


def splice_resized(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region of the donor, enlarged by 1.2 to 1.8, with a soft edge."""
    return _pasted(
        host.picture,
        resized(donor.picture, float(random.uniform(1.2, 1.8)))[: host.picture.shape[0], : host.picture.shape[1]],
        random,
        soft=True,
    )


def seamless(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region of the donor in Poisson blending (Perez et al. 2003), as face swaps and retouching do."""
    _, mask = _pasted(host.picture, donor.picture, random)
    rows, columns = np.nonzero(mask)
    centre = (int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2)
    cut = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    patch, within = np.ascontiguousarray(donor.picture[cut]), mask[cut].astype(np.uint8) * 255
    return cv2.seamlessClone(patch, host.picture, within, centre, cv2.NORMAL_CLONE), mask


def copy_move(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region of the host, moved by more than 48 pixels."""
    rows, columns = host.picture.shape[:2]
    top, left, height, width = region(random, host.picture.shape)
    pixels, mask = host.picture.copy(), np.zeros((rows, columns), bool)
    while True:
        down, right = (int(offset) for offset in random.integers(0, (rows - height, columns - width)))
        if abs(down - top) > 48 or abs(right - left) > 48:
            break
    pixels[down : down + height, right : right + width] = host.picture[top : top + height, left : left + width]
    mask[down : down + height, right : right + width] = True
    return pixels, mask


def copy_turned(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region of the host, rotated by 10 to 60 degrees and scaled by 0.8 to 1.3."""
    angle, scale = float(random.uniform(10, 60)), float(random.uniform(0.8, 1.3))
    rows, columns = host.picture.shape[:2]
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), angle, scale)
    turned = cv2.warpAffine(host.picture, turn, (columns, rows), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return _pasted(host.picture, turned, random)


def median(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region smoothed by a median of 5 x 5 pixels."""
    return _pasted(host.picture, cv2.medianBlur(host.picture, 5), random)


def blurred(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region blurred by a Gaussian of 1.2 pixels."""
    return _pasted(host.picture, cv2.GaussianBlur(host.picture, (0, 0), 1.2), random)


def inpainted(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region filled in from its border (Telea 2004)."""
    _, mask = _pasted(host.picture, host.picture, random)
    small = cv2.erode(mask.astype(np.uint8), np.ones((25, 25), np.uint8))
    return cv2.inpaint(host.picture, small, 5, cv2.INPAINT_TELEA), small > 0


def into_jpeg(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region that was never a JPEG in a host of quality 65 to 80: aligned double compression once it is saved."""
    return _pasted(saved(host.picture, f"jpeg-{int(random.integers(65, 81))}"), donor.picture, random)


def out_of_jpeg(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region out of a JPEG, on its grid, in a host that was none."""
    return _pasted(host.picture, saved(donor.picture, f"jpeg-{int(random.integers(60, 81))}"), random)


def other_mosaic(host: Source, donor: Source, random: np.random.Generator) -> tuple[Pixels, Mask]:
    """A region out of another camera's picture, moved by an odd number of pixels."""
    mine, theirs = (
        source.picture if source.camera else photographed(source.picture, source.random("camera"))
        for source in (host, donor)
    )
    return _pasted(mine, np.roll(theirs, (1, int(random.integers(0, 2))), (0, 1)), random)


Make = Callable[[Source, Source, np.random.Generator], tuple[Pixels, Mask]]
MANIPULATIONS: dict[str, Make] = {
    "splice-shifted": splice_shifted, "splice": splice, "splice-resized": splice_resized, "seamless": seamless,
    "copy-move": copy_move, "copy-turned": copy_turned, "median": median, "blurred": blurred, "inpainted": inpainted,
    "into-jpeg": into_jpeg, "out-of-jpeg": out_of_jpeg, "other-mosaic": other_mosaic,
}  # fmt: skip
FORMS = ("png", "jpeg-95", "jpeg-75")  # in which each is saved
OF_JPEGS = "-of-jpegs"  # as a manipulation's name goes on where host and donor were JPEGs before, as most pictures were
AMONG_JPEGS = ("splice", "splice-resized", "seamless", "copy-move", "copy-turned", "median", "blurred", "inpainted")
KINDS = (*MANIPULATIONS, *(f"{kind}{OF_JPEGS}" for kind in AMONG_JPEGS))
CALIBRATED_OF_JPEGS = ("png", "jpeg-75")  # the forms in which the calibration has them
QUALITIES = (70, 95)  # of those, each drawn for itself


def manipulated(host: Source, donor: Source, form: str, kinds: Sequence[str] | None = None) -> Iterator[Case]:
    """A host with each kind of manipulation, or those named, encoded in one form."""
    for kind in kinds or MANIPULATIONS:
        random = host.random(kind)
        made = kind.removesuffix(OF_JPEGS)
        before = (host, donor) if made == kind else (_was_jpeg(host, random), _was_jpeg(donor, random))
        pixels, mask = MANIPULATIONS[made](*before, random)
        yield Case(kind, host, encoded(pixels, form), mask)


def in_all_forms(
    host: Source, donor: Source, kinds: Sequence[str] = tuple(MANIPULATIONS), of_jpegs: Sequence[str] = FORMS
) -> Iterator[tuple[Case, str]]:
    """A host with each kind of manipulation in each form, and those that can be of what were JPEGs in some forms."""
    for form in FORMS:
        for case in manipulated(host, donor, form, kinds):
            yield case, form
    for form in of_jpegs:
        for case in manipulated(host, donor, form, [f"{kind}{OF_JPEGS}" for kind in kinds if kind in AMONG_JPEGS]):
            yield case, form


def _was_jpeg(source: Source, random: np.random.Generator) -> Source:
    quality = int(random.integers(QUALITIES[0], QUALITIES[1] + 1))
    return replace(source, picture=saved(source.picture, f"jpeg-{quality}"))
