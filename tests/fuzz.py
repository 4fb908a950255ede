"""Mutated files and folders through everything that opens them: `python -m tests.fuzz --files 30000 --facts 6000 --folders 2000`.

Every input is a seed file with bytes changed, cut, doubled or swapped at random, by a generator that the case's number seeds: a
failure names its number, and `--only NUMBER` repeats it. An answer is an image, facts, rows or a typed error; anything else is a
failure. Hangs are stopped by the decoders' own limits and count as failures of theirs; memory is printed at the end.
"""

from __future__ import annotations

import argparse
import gc
import io
import random
import resource
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.reading import read_entry
from oddpixel.datasets.sandbox import SandboxedDecoder
from oddpixel.errors import OddPixelError
from oddpixel.image import Image, Unreadable
from tests import shared

KEY = b"fuzz"
LIMITS = Limits(max_pixels=4_000_000, wall_seconds=60)


@dataclass
class Outcomes:
    """How the cases of one kind ended."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def note(self, number: int, name: str, case: Callable[[], str]) -> None:
        try:
            self.counts[case()] += 1
        except OddPixelError as error:
            self.counts[type(error).__name__] += 1
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            self.failures.append(
                f"case {number} ({name}): {type(error).__name__}: {error} at {last.filename}:{last.lineno}"
            )


def mutated(content: bytes, generator: random.Random) -> bytes:
    """Some bytes changed, or a piece cut out, doubled or swapped."""
    data = bytearray(content)
    for _ in range(generator.choice((1, 1, 2, 5, 40))):
        kind, place = generator.randrange(6), generator.randrange(max(len(data), 1))
        length = generator.choice((1, 2, 4, 16, 200))
        if kind < 3 and data:
            data[place] = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
        elif kind == 3:
            del data[place : place + length]
        elif kind == 4:
            data[place:place] = data[place : place + length]
        else:
            other = generator.randrange(max(len(data), 1))
            data[place : place + length] = data[other : other + length]
    return bytes(data[: generator.randrange(len(data) + 1)] if generator.random() < 0.1 else data)


def picture_files() -> dict[str, bytes]:
    """One file a format, small, by name."""
    array = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    files: dict[str, bytes] = {}
    for suffix, kind in (
        ("png", "PNG"),
        ("jpg", "JPEG"),
        ("webp", "WEBP"),
        ("bmp", "BMP"),
        ("ppm", "PPM"),
        ("gif", "GIF"),
    ):
        buffer = io.BytesIO()
        Pillow.fromarray(array).save(buffer, kind)
        files[f"a.{suffix}"] = buffer.getvalue()
    files |= {f"b.{suffix}": content for suffix, content in _scientific(array).items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.png", files["a.png"])
    files["c.zip"] = packed.getvalue()
    return files


def _scientific(array: np.ndarray) -> dict[str, bytes]:
    import nibabel
    import tifffile

    from tests.datasets.dicom_maker import make_slice

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, photometric="rgb", compression="lzw")
    with tempfile.TemporaryDirectory() as folder:
        dicom = make_slice(Path(folder) / "a.dcm", array[..., 0].astype(np.int16), WindowCenter=40, WindowWidth=400)
        nibabel.save(nibabel.Nifti1Image(array[..., 0].astype(np.int16)[..., None], np.eye(4)), Path(folder) / "a.nii")  # type: ignore[attr-defined]
        return {
            "tif": buffer.getvalue(),
            "dcm": dicom.read_bytes(),
            "nii": (Path(folder) / "a.nii").read_bytes(),
            "heic": (Path(__file__).parent / "fixtures/gradient.heic").read_bytes(),
        }


def fuzz_files(numbers: range, outcomes: Outcomes) -> None:
    """Through the reader, sandboxed."""
    files = picture_files()
    with tempfile.TemporaryDirectory() as folder, closing(SandboxedDecoder(LIMITS, KEY)) as decoder:
        for number in numbers:
            generator = random.Random(number)
            name = generator.choice(sorted(files))
            path = Path(folder) / name
            path.write_bytes(mutated(files[name], generator))
            member = "inside.png" if name.endswith(".zip") else None
            entry = Entry(name=name, path=path, member=member)
            outcomes.note(number, name, lambda entry=entry: _read(entry, decoder))  # type: ignore[misc]


def _read(entry: Entry, decoder: SandboxedDecoder) -> str:
    answers = list(read_entry(entry, decoder, LIMITS))
    assert answers, "no row at all"
    for answer in answers:
        if isinstance(answer, Unreadable):
            raise answer.error
        assert isinstance(answer, Image)
        assert answer.pixels.dtype == np.float32
        answer.to_display()
    return "image"


def fuzz_facts(numbers: range, outcomes: Outcomes) -> None:
    """Through what an audit reads of a file's bytes, in this process."""
    files = picture_files()
    for number in numbers:
        generator = random.Random(number)
        name = generator.choice(sorted(files))
        content = mutated(files[name], generator)
        outcomes.note(number, name, lambda content=content, name=name: _facts(content, name))  # type: ignore[misc]


def _facts(content: bytes, name: str) -> str:
    """Nothing is raised for damage: mutated files are told apart by what they still are."""
    from oddpixel.forensics.audit.facts import facts_of

    (kind,) = [fact.value for fact in facts_of(content, name) if fact.name == "container"]
    return f"facts of {kind}"


def fuzz_folders(numbers: range, outcomes: Outcomes) -> None:
    """Run, detector and model folders through everything that opens one."""
    with tempfile.TemporaryDirectory() as place:
        openers = list(_folders(Path(place)))
        for number in numbers:
            generator = random.Random(number)
            folder, opened = generator.choice(openers)
            paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
            target = generator.choice(paths)
            before = target.read_bytes()
            target.write_bytes(mutated(before, generator))
            outcomes.note(number, f"{folder.name}/{target.relative_to(folder)}", lambda f=folder, o=opened: o(f))  # type: ignore[misc]
            target.write_bytes(before)
            for left in folder.glob("verdicts.sqlite-*"):
                left.unlink()


def _folders(place: Path) -> Iterator[tuple[Path, Callable[[Path], str]]]:
    from oddpixel.forensics.density.store import find_model
    from oddpixel.forensics.detect.decide import Rule
    from oddpixel.forensics.detect.flag import Incoming, flag_into
    from oddpixel.forensics.runs.run import Run
    from oddpixel.forensics.runs.verdicts import Verdicts
    from tests.forensics.detect.test_detector import surface

    shutil.copytree(shared.surfaces(24), place / "detector")
    (place / "incoming").mkdir()
    for k in range(6):
        Pillow.fromarray(surface(600 + k)).save(place / f"incoming/{k}.png")
    flag_into(place / "run", Incoming(places=(str(place / "incoming"),)), place / "detector", Rule(alpha=0.2))
    run = Run.open(place / "run")
    with Verdicts(run.verdicts_path) as verdicts:
        verdicts.record(run.record["id"], "0.png", "odd", author="ann")
    shutil.copytree(find_model("ct"), place / "model")
    yield place / "run", _open_run
    yield place / "detector", _open_detector
    yield place / "model", _open_model


def _open_run(folder: Path) -> str:
    from oddpixel.dashboards.library import Library
    from oddpixel.dashboards.routes import _short
    from oddpixel.forensics.runs.export import export
    from oddpixel.forensics.runs.run import Run
    from oddpixel.forensics.runs.summary import summarise

    summarise(folder)
    with closing(Library([folder], data=[folder.parent / "incoming"])) as library:
        for run in library.runs():
            for row in run.table.page(limit=20):
                _short(row)
            _ = run.verdicts.verify(), run.verdicts.actions(run.key)
    with tempfile.TemporaryDirectory() as out:
        for form in ("csv", "html", "zip", "coco"):
            export(Run.open(folder), form, Path(out) / form)
    return "run"


def _open_detector(folder: Path) -> str:
    from oddpixel.forensics.detect import store
    from tests.forensics.detect.test_detector import surface

    store.load(folder).score_samples([surface(3)])
    return "detector"


def _open_model(folder: Path) -> str:
    from oddpixel.forensics.density.store import load_model

    load_model(folder)
    return "model"


KINDS: dict[str, Callable[[range, Outcomes], None]] = {
    "files": fuzz_files, "facts": fuzz_facts, "folders": fuzz_folders,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser()
    for name, count in (("files", 30_000), ("facts", 6_000), ("folders", 2_000)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, default=None, help="the number of one case of every kind")
    given = parser.parse_args()
    failed = False
    for name, fuzz in KINDS.items():
        outcomes = Outcomes()
        first = given.seed * 10_000_000 if given.only is None else given.only
        count = getattr(given, name) if given.only is None else 1
        if not count:
            continue
        fuzz(range(first, first + count), outcomes)
        gc.collect()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        counted = ", ".join(f"{kind} {count}" for kind, count in outcomes.counts.most_common())
        print(f"{name}: {counted}; {len(outcomes.failures)} failures; peak memory so far {peak:.2f} GiB", flush=True)
        for failure in outcomes.failures[:20]:
            print(f"  {failure}")
        failed |= bool(outcomes.failures)
    return int(failed)


if __name__ == "__main__":
    shared.begin()
    try:
        sys.exit(main())
    finally:
        shared.end()
