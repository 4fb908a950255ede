"""From a request to files: references in any unit, every format marked, a record beside each picture."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from oddpixel.errors import CorruptWeights, InvalidImage, UsageError, WrongArchitecture
from oddpixel.forensics.audit.facts import facts_of
from oddpixel.generation.cascade import load_cascade, save_cascade
from oddpixel.generation.given import Given
from oddpixel.generation.make import Generator, make
from oddpixel.generation.outputs import Outputs
from oddpixel.generation.references import reference_of, size_like
from oddpixel.generation.request import FORMATS, Request
from oddpixel.generation.sizes import parsed
from oddpixel.generation.training.slices import CT_WINDOW
from oddpixel.image import Image
from oddpixel.provenance import Signature, save_synthetic
from tests.generation import tiny
from tests.generation.test_training import cascade
from tests.pki import credentials

SIZE = (64, 80)
LIKE = (96, 112)  # what is like another needs more places than the low-resolution pass


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


def test_other_proportions_are_noted() -> None:
    shown = reference_of(scan("HU", np.zeros((1, 64, 32))))
    assert shown.facts((128, 64))["stretched"] == 1
    assert shown.facts((64, 64))["stretched"] == 0.5


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
    request = Request(like=str(place), size=LIKE, steps=1, count=2)
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


@pytest.mark.parametrize("size", [(427, 640), (63, 41), (16, 17), (1301, 1203)])
def test_a_reference_of_any_size_has_a_look(size: tuple[int, int], generator: Generator) -> None:
    """Odd sides stopped stage A, and a deviation over a single place is none."""
    shown = reference_of(Image(np.full((3, *size), 0.5, np.float32), 8, "display", None, "x", "0" * 64, "x"))
    conditions = generator.pipeline.conditioner([(None, shown.pixels[0])])
    assert torch.isfinite(conditions.picture).all()


def test_an_image_that_was_read_already_is_not_read_again(generator: Generator) -> None:
    image = scan("HU", np.linspace(-1000, 1000, 64 * 64).reshape(1, 64, 64))
    request = Request(like="no such file.dcm", size=LIKE, steps=1)
    (synthetic,) = generator.make(request, given=Given(like=reference_of(image)))
    assert synthetic.record["reference"]["image"] == "scan.dcm"
    assert synthetic.record["request"]["like"] == "no such file.dcm"


def test_the_same_request_gives_the_same_picture(generator: Generator) -> None:
    request = Request(prompt="wall", size=SIZE, steps=1, seed=5)
    first, second = (next(generator.make(request)).pixels for _ in range(2))
    assert np.array_equal(first, second)


def test_what_makes_no_sense_is_refused(tmp_path: Path, generator: Generator) -> None:
    with pytest.raises(UsageError, match="png, jpeg, webp, tiff; got 'gif'"):
        Request(format="gif")
    for wrong, message in (
        ({"count": 0}, "the count must lie from 1"),
        ({"seed": -1}, "the seed must lie from 0"),
        ({"steps": 10**9}, "the number of steps must lie from 1 to 1000"),
        ({"size": (0, 64)}, "each side must lie from 1"),
        ({"size": (100_000, 100_000)}, "each side must lie from 1 to 8192"),
        ({"strength": 0.5}, "needs an image to start from"),
        ({"strength": 1.0, "image": "x.png"}, "at 1 nothing of the image is left"),
    ):
        with pytest.raises(UsageError, match=message):
            Request(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="HEIGHTxWIDTH"):
        parsed("9" * 5000 + "x1")
    with pytest.raises(UsageError, match="the device 'foo' is not available"):
        Generator.load(device="foo")
    with pytest.raises(UsageError, match="smaller ones do not keep its layout"):
        next(generator.make(Request(size=SIZE), given=Given(like=reference_of(scan("HU", np.zeros((1, 64, 64)))))))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be created"):
        make(Request(size=SIZE, steps=1), generator, tmp_path / "file" / "out")


def test_a_signed_picture_has_a_manifest_that_says_the_same(generator: Generator, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    chain = credentials()
    certificates, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificates.write_text(chain.chain)
    key.write_text(chain.key)
    make(
        Request(size=SIZE, steps=1, format="jpeg"), generator, tmp_path / "out", signature=Signature(certificates, key)
    )
    content = (tmp_path / "out/000000.jpeg").read_bytes()
    assert b"c2pa.created" in content
    assert content.count(b"trainedAlgorithmicMedia") >= 2  # in the manifest and in XMP


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["a\x01\x0bb", "n\udcff", "x" * 5000, "<&>"])
def test_no_name_breaks_the_declaration(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"made.{kind}"
    save_synthetic(path, np.zeros((8, 8, 3), np.uint8), f"cascade {name}, seed 0")
    declared = [fact for fact in facts_of(path.read_bytes(), path.name) if fact.declares == "synthetic"]
    assert any("igital" in fact.name for fact in declared), declared


def test_formats_have_their_largest_sides(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="webp takes sides of up to 16383 pixels, not 16384"):
        save_synthetic(tmp_path / "x.webp", np.zeros((16384, 1, 3), np.uint8), "x")


def test_nothing_that_is_there_is_replaced(generator: Generator, tmp_path: Path, save: Any, photo: np.ndarray) -> None:
    request = Request(prompt="sky", size=SIZE, steps=1)
    make(request, generator, tmp_path)
    before = (tmp_path / "000000.png").read_bytes()
    for conflicting in (
        Request(prompt="wall", size=SIZE, steps=1),
        Request(prompt="sky", size=SIZE, steps=1, format="jpeg"),
    ):
        with pytest.raises(UsageError, match="000000.json already exists"):
            make(conflicting, generator, tmp_path)
    make(Request(prompt="wall", size=SIZE, steps=1), generator, tmp_path, overwrite=True)
    assert (tmp_path / "000000.png").read_bytes() != before
    make(Request(prompt="sky", size=SIZE, steps=1, seed=1), generator, tmp_path)
    assert [item["seed"] for item in json.loads((tmp_path / "generate.json").read_text())["items"]] == [0, 1]
    own = save(photo[:120, :160], "own/000000.png")
    original = own.read_bytes()
    for request in (
        Request(like=str(own), size=LIKE, steps=1),
        Request(like=f"{own}#0", size=LIKE, steps=1),
        Request(like=str(own.parent), size=LIKE, steps=1),
        Request(image=str(own), size=SIZE, steps=1),
    ):
        with pytest.raises(UsageError, match="is one of the input images"):
            make(request, generator, own.parent, overwrite=True)
        assert own.read_bytes() == original


def test_a_list_of_something_else_is_left_alone(generator: Generator, tmp_path: Path) -> None:
    (tmp_path / "generate.json").write_text('{"my": "annotations"}')
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"generate\.json"):
            make(Request(size=SIZE, steps=1), generator, tmp_path, overwrite=overwrite)
    assert json.loads((tmp_path / "generate.json").read_text()) == {"my": "annotations"}


def test_what_another_process_has_written_meanwhile_is_kept(generator: Generator, tmp_path: Path) -> None:
    """Both looked before either wrote."""
    first, second = (Outputs(tmp_path, kind) for kind in ("png", "jpeg"))
    for outputs in (first, second):
        outputs.prepare(Request(size=SIZE), SIZE, frozenset())
    pixels, record = np.zeros((*SIZE, 3), np.uint8), {"seed": 0}
    first.write(pixels, "one", record)
    written = (tmp_path / "000000.json").read_bytes()
    with pytest.raises(UsageError, match="000000.json already exists"):
        second.write(pixels, "other", record)
    assert (tmp_path / "000000.json").read_bytes() == written
    assert not (tmp_path / "000000.jpeg").exists()


def test_a_record_tells_the_same_weights_under_other_labels_apart(generator: Generator, tmp_path: Path) -> None:
    save_cascade(tmp_path, cascade(), {"stages": {}})
    first = Generator.load(tmp_path)
    record = json.loads((tmp_path / "model.json").read_text())
    record["options"]["labels"].reverse()
    (tmp_path / "model.json").write_text(json.dumps(record))
    second = Generator.load(tmp_path)
    assert first.sha256 == second.sha256
    assert first.options_sha256 != second.options_sha256


@pytest.mark.parametrize("name", ["000001.png", "000001.json", "generate.json"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_links_pipes_and_folders_in_the_way_are_refused_before_work(
    name: str, overwrite: bool, generator: Generator, tmp_path: Path
) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    for number, place in enumerate((lambda at: at.symlink_to(victim), lambda at: os.mkfifo(at), lambda at: at.mkdir())):
        out = tmp_path / f"out{number}"
        out.mkdir()
        place(out / name)
        with pytest.raises(UsageError, match=name):
            make(Request(size=SIZE, steps=1, count=2), generator, out, overwrite=overwrite)
        assert [path.name for path in out.iterdir()] == [name]
    assert victim.read_text() == "mine"


def test_screens_and_specks_are_no_references() -> None:
    plain = scan("modality", np.ones((1, 64, 64)))
    screen = dataclasses.replace(plain, meta={"text_in_pixels": "a secondary capture"})
    with pytest.raises(InvalidImage, match="may show text"):
        reference_of(screen)
    with pytest.raises(InvalidImage, match="has a side of 1 pixels; a reference has 16 or more"):
        reference_of(scan("HU", np.zeros((1, 1, 40))))


@pytest.mark.parametrize(("bits", "top"), [(16, 4095), (16, 1023), (16, 65535), (8, 255)])
def test_white_is_what_the_depth_in_use_counts_to(bits: int, top: int) -> None:
    pixels = np.linspace(0, top, 64 * 64).reshape(1, 64, 64) / (2**bits - 1)
    shown = reference_of(Image(pixels.astype(np.float32), bits, "display", None, "x", "0" * 64, "x"))
    assert float(shown.pixels.max()) == pytest.approx(1, abs=1e-3)


def test_damaged_and_exchanged_weights_are_refused(generator: Generator, tmp_path: Path) -> None:
    folder = tmp_path / "cascade"
    of = cascade()
    save_cascade(folder, of, {"stages": {}})
    record = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(record | {"weights_sha256": "0" * 64}))
    with pytest.raises(CorruptWeights, match="SHA-256"):
        load_cascade(folder)
    next(of.b.parameters()).data.fill_(float("nan"))
    save_cascade(folder, of, {"stages": {}})
    with pytest.raises(CorruptWeights, match="NaN or infinity"):
        load_cascade(folder)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("geometry", {"compression": 0.001}),
        ("geometry", {"base": 4000}),
        ("b", {"heads": [0, 0]}),
        ("b", {"widths": [0, 0]}),
        ("b", {"patch": 3}),
        ("c", {"widths": [4096, 4096], "down": [64, 64]}),
        ("guidance", {"groups": 7}),
        ("labels", ["x"] * 9_999),
    ],
)
def test_options_that_make_no_network_or_another_are_refused(part: str, change: Any, tmp_path: Path) -> None:
    save_cascade(tmp_path, cascade(), {"stages": {}})
    record = json.loads((tmp_path / "model.json").read_text())
    options = record["options"]
    options[part] = change if part == "labels" else options[part] | change
    (tmp_path / "model.json").write_text(json.dumps(record))
    with pytest.raises((CorruptWeights, WrongArchitecture)):
        load_cascade(tmp_path)
