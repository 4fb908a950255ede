"""Decoders that are kept: one worker reads shard after shard, another kind of reading gets its own, and none is left behind."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from oddpixel.datasets.decoders import Decoders
from oddpixel.datasets.sandbox import SandboxedDecoder
from oddpixel.datasets.source import open_source
from oddpixel.image import Image, Unreadable
from tests.patience import PATIENCE


def test_one_worker_reads_all_shards_and_a_broken_file_costs_the_others_nothing(tmp_path: Path) -> None:
    for k in range(6):
        Pillow.fromarray(np.full((8, 8), k, np.uint8)).save(tmp_path / f"{k}.png")
    (tmp_path / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    source = open_source(tmp_path, num_workers=1)
    with closing(Decoders()) as decoders:
        reader = replace(source.reader, kept=decoders)
        workers, images = set(), []
        for entry in source.entries:
            images += list(reader.read([entry]))
            ((decoder,),) = decoders._idle.values()
            assert isinstance(decoder, SandboxedDecoder)
            assert decoder.process is not None
            workers.add(decoder.process.pid)
        process = decoder.process
        assert len(workers) == 1
        kinds = [type(image) for image in images]
        assert kinds == [Image, Image, Image, Unreadable, Image, Image]
        list(replace(reader, any_suffix=True).read(source.entries[:1]))
        assert len(decoders._idle) == 2, "what may do more is another kind"
    assert process.poll() is not None
    assert decoders._idle == {}


def test_a_reading_that_is_left_in_the_middle_disturbs_no_other(tmp_path: Path) -> None:
    pages = [Pillow.fromarray(np.full((8, 8), k, np.uint8)) for k in range(5)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    pages[4].save(tmp_path / "single.png")
    source = open_source(tmp_path, num_workers=1)
    with closing(Decoders()) as decoders:
        reader = replace(source.reader, kept=decoders)
        for _ in range(3):
            images = reader.read(source.entries)
            next(images)
            images.close()  # type: ignore[attr-defined]
        values = [round(float(image.pixels.max()) * 255) for image in reader.read(source.entries)]
    assert values == [0, 1, 2, 3, 4, 4]


def test_an_interpreter_that_ends_in_the_middle_of_a_reading_ends(tmp_path: Path) -> None:
    """As after Ctrl-C or a full disk: the traceback holds the reading until threads run no more."""
    for k in range(8):
        Pillow.fromarray(np.full((64, 64), k, np.uint8)).save(tmp_path / f"{k}.png")
    script = (
        "import sys\n"
        "from oddpixel.datasets.source import open_source\n"
        "images = iter(open_source(sys.argv[1], num_workers=1))\n"
        "next(images)\n"
        "raise KeyboardInterrupt\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=PATIENCE, capture_output=True)
    assert b"KeyboardInterrupt" in ended.stderr
