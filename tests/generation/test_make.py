"""From a request to files: references in any unit, every format marked, a record beside each picture."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from oddpixel.errors import UsageError
from oddpixel.forensics.audit.facts import facts_of
from oddpixel.generation.cascade import save_cascade
from oddpixel.generation.make import Generator, make
from oddpixel.generation.references import reference_of, size_like
from oddpixel.generation.request import FORMATS, Request
from oddpixel.generation.training.slices import CT_WINDOW
from oddpixel.image import Image
from oddpixel.provenance import Signature
from tests.generation import tiny
from tests.generation.test_training import cascade
from tests.pki import credentials

SIZE = (64, 80)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    folder = tmp_path_factory.mktemp("cascade") / "tiny"
    of = cascade()
    tiny.shaken(of)
    save_cascade(folder, of, {"title": "tiny", "stages": {}})
    return Generator.load(folder)


def scan(unit: Any, pixels: np.ndarray) -> Image:
    return Image(pixels.astype(np.float32), 12, unit, (0.7, 0.5), "scan.dcm", "0" * 64, "patient")


def test_a_ct_is_shown_through_the_window_of_the_training() -> None:
    low, high = CT_WINDOW
    pixels = np.linspace(-1000, 1000, 64 * 32).reshape(1, 64, 32)
    shown = reference_of(scan("HU", pixels))
    assert torch.equal(shown.pixels[0, 0] == 0, torch.from_numpy(pixels[0] <= low))
    assert torch.equal(shown.pixels[0, 0] == 1, torch.from_numpy(pixels[0].astype(np.float32) >= high))
    facts = shown.facts((128, 64))
    assert (facts["unit"], facts["window"]) == ("HU", [low, high])
    assert facts["spacing_mm"] == pytest.approx([0.35, 0.25])  # half of it at twice the size


def test_another_scan_is_shown_between_its_own_percentiles() -> None:
    pixels = np.random.default_rng(0).normal(900, 200, (1, 50, 50))
    pixels[0, 0, 0] = np.nan  # nothing there
    shown = reference_of(scan("modality", pixels))
    assert shown.window == pytest.approx(tuple(np.nanpercentile(pixels, (0.5, 99.5))), rel=1e-5)
    assert 0 <= float(shown.pixels.min()) <= float(shown.pixels.max()) <= 1


@pytest.mark.parametrize("size", [(100, 100), (300, 200), (3000, 4000)])
def test_a_size_like_another_keeps_its_proportions(size: tuple[int, int]) -> None:
    height, width = size_like(size)
    assert height % 16 == width % 16 == 0
    assert height / width == pytest.approx(size[0] / size[1], rel=0.05)
    assert height * width == pytest.approx(512 * 512, rel=0.05)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_declares_itself_synthetic(kind: str, generator: Generator, tmp_path: Path) -> None:
    items = make(Request(prompt="sky", size=SIZE, steps=1, seed=3, format=kind), generator, tmp_path)
    path = tmp_path / f"000003.{kind}"
    assert items[0]["item"] == path.name
    facts = facts_of(path.read_bytes(), path.name)
    assert any(fact.declares == "synthetic" for fact in facts), facts
    with Pillow.open(path) as picture:
        assert picture.size == (80, 64)


def test_a_record_stands_beside_every_picture(
    generator: Generator, tmp_path: Path, save: Any, photo: np.ndarray
) -> None:
    place = save(photo[:120, :160], "private/folder/reference.png")
    request = Request(like=str(place), size=SIZE, steps=1, count=2)
    items = make(request, generator, tmp_path / "out")
    assert [item["seed"] for item in items] == [0, 1]
    for item in items:
        record = json.loads((tmp_path / "out" / item["item"]).with_suffix(".json").read_text())
        assert record["sha256"] == hashlib.sha256((tmp_path / "out" / item["item"]).read_bytes()).hexdigest()
        assert record["cascade_sha256"] == generator.sha256
        assert record["reference"]["sha256"] == hashlib.sha256(place.read_bytes()).hexdigest()
        assert record["request"]["like"] == "reference.png"
        assert "private" not in json.dumps(record)
    assert len(json.loads((tmp_path / "out/generate.json").read_text())["items"]) == 2


@pytest.mark.parametrize("size", [(427, 640), (63, 41), (9, 7), (1301, 1203)])
def test_a_reference_of_any_size_has_a_look(size: tuple[int, int], generator: Generator) -> None:
    """Odd sides stopped stage A, and a deviation over a single place is none."""
    shown = reference_of(Image(np.full((3, *size), 0.5, np.float32), 8, "display", None, "x", "0" * 64, "x"))
    conditions = generator.pipeline.conditioner([(None, shown.pixels[0])])
    assert torch.isfinite(conditions.picture).all()


def test_an_image_that_was_read_already_is_not_read_again(generator: Generator) -> None:
    image = scan("HU", np.linspace(-1000, 1000, 64 * 64).reshape(1, 64, 64))
    request = Request(like="no such file.dcm", size=SIZE, steps=1)
    (made,) = generator.make(request, like=reference_of(image))
    assert made.record["reference"]["image"] == "scan.dcm"
    assert made.record["request"]["like"] == "no such file.dcm"


def test_the_same_request_gives_the_same_picture(generator: Generator) -> None:
    request = Request(prompt="wall", size=SIZE, steps=1, seed=5)
    one, other = (next(generator.make(request)).pixels for _ in range(2))
    assert np.array_equal(one, other)


def test_what_makes_no_sense_is_refused(tmp_path: Path, generator: Generator) -> None:
    with pytest.raises(UsageError, match="png, jpeg, webp, tiff; got 'gif'"):
        Request(format="gif")
    with pytest.raises(UsageError, match="starts at 1"):
        Request(count=0)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made a folder"):
        make(Request(size=SIZE, steps=1), generator, tmp_path / "file" / "out")


def test_a_signed_picture_has_a_manifest_that_says_the_same(generator: Generator, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    held = credentials()
    certificates, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificates.write_text(held.chain)
    key.write_text(held.key)
    make(
        Request(size=SIZE, steps=1, format="jpeg"), generator, tmp_path / "out", signature=Signature(certificates, key)
    )
    content = (tmp_path / "out/000000.jpeg").read_bytes()
    assert b"c2pa.created" in content
    assert content.count(b"trainedAlgorithmicMedia") >= 2  # in the manifest and in XMP
