"""Files elsewhere: an S3 that answers over HTTP, and a web server. What is fetched is what was there, and only once."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.datasets.limits import Limits
from oddpixel.datasets.remote import Remote, by_http, spool, sweep
from oddpixel.datasets.source import open_source
from oddpixel.errors import MissingFile, TooLarge, UnsafePath, UsageError
from oddpixel.forensics.inspection.inspect import inspect_into
from oddpixel.forensics.runs.originals import OriginalFiles
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
from oddpixel.image import Image, Unreadable
from tests.node.conftest import free_port
from tests.patience import PATIENCE, until

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def own_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDPIXEL_SPOOL", str(tmp_path / "spool"))


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of an S3."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/moto-api/", timeout=5):
                return True
        except OSError:
            return False

    try:
        until(answers, "the S3 answers")
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def bucket(store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A bucket with pictures, and credentials for it."""
    import boto3

    for name, value in {
        "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": store,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    name = f"bucket-{time.monotonic_ns()}"
    client.create_bucket(Bucket=name)
    for key, content in {
        "scans/a.png": picture(tmp_path, 1), "scans/deep er/b#0 ü.png": picture(tmp_path, 2),
        "scans/no-suffix": picture(tmp_path, 3),
        "scans/notes.txt": b"words", "scans/.hidden/c.png": picture(tmp_path, 4), "scans/empty.png": b"", "scans/set.zip": b"PK",
        "scans/broken.png": b"\x89PNG\r\n\x1a\nno", "scans/../up.png": picture(tmp_path, 5), "other/d.png": picture(tmp_path, 6),
    }.items():  # fmt: skip
        client.put_object(Bucket=name, Key=key, Body=content)
    yield name
    client.close()


def picture(tmp_path: Path, seed: int, side: int = 32) -> bytes:
    path = tmp_path / f"made-{seed}.png"
    Pillow.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side), np.uint8)).save(path)
    return path.read_bytes()


def test_a_folder_of_an_object_store(bucket: str) -> None:
    source = open_source(f"s3://{bucket}/scans")
    names = [entry.name for entry in source.entries]
    assert names == ["a.png", "broken.png", "deep er/b#0 ü.png", "no-suffix"]
    assert {file.item for file in source.left_out} == {
        "../up.png",
        "notes.txt",
        ".hidden/c.png",
        "empty.png",
        "set.zip",
    }
    assert not list(spool().rglob("*.png")), "nothing is fetched before it is wanted"
    assert [entry.path.resolve().is_relative_to(spool().resolve()) for entry in source.entries] == [True] * 4
    images = {image.source: image for image in source}
    assert isinstance(images["broken.png"], Unreadable)
    whole = images["deep er/b#0 ü.png"]
    assert isinstance(whole, Image)
    assert whole.pixels.shape == (1, 32, 32)


def test_one_file_and_a_pattern(bucket: str) -> None:
    assert [image.source for image in open_source(f"s3://{bucket}/scans/a.png")] == ["a.png"]
    found = [entry.name for entry in open_source(f"s3://{bucket}/*/*.png").entries]
    assert found == ["other/d.png", "scans/a.png", "scans/broken.png"]
    with pytest.raises(UsageError, match="no such file or folder"):
        open_source(f"s3://{bucket}/nothing")
    with pytest.raises(UsageError, match="cannot be listed"):
        open_source("s3://no-such-bucket-here/scans")


def test_two_places_with_the_same_names_are_told_apart(bucket: str) -> None:
    import boto3

    client = boto3.client("s3")
    client.copy_object(Bucket=bucket, Key="other/a.png", CopySource=f"{bucket}/other/d.png")
    client.close()
    entries = open_source(f"s3://{bucket}/scans", f"s3://{bucket}/other").entries
    names = [entry.name for entry in entries]
    assert len(set(names)) == len(names) == 6
    assert "other/a.png" in names
    assert "scans/a.png" in names


def test_what_changed_is_fetched_again_and_what_did_not_is_not(bucket: str, tmp_path: Path) -> None:
    import boto3

    place = f"s3://{bucket}/scans/a.png"
    (before,) = open_source(place)
    fetched = [path for path in spool().rglob("*") if path.is_file()]
    (again,) = open_source(place)
    assert [path for path in spool().rglob("*") if path.is_file()] == fetched
    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key="scans/a.png", Body=picture(tmp_path, 9))
    (after,) = open_source(place)
    assert before.sha256 == again.sha256 != after.sha256
    source = open_source(place)
    client.delete_object(Bucket=bucket, Key="scans/a.png")
    client.close()
    for path in spool().rglob("*.png"):
        path.unlink()
    (gone,) = source
    assert isinstance(gone, Unreadable)
    assert isinstance(gone.error, MissingFile)


def test_a_run_knows_where_its_originals_are_and_fetches_none_for_others(bucket: str, tmp_path: Path) -> None:
    place = f"s3://{bucket}/scans"
    inspect_into(tmp_path / "run", open_source(place), {}, places=[place])
    run = Run.open(tmp_path / "run")
    rows = {row.item: row for row in RunTable(run).rows()}
    assert OriginalFiles(run).entry(rows["a.png"]).remote is not None
    with pytest.raises(UnsafePath, match="nothing is fetched"):
        OriginalFiles(run, [Path.cwd()]).entry(rows["a.png"])


def test_what_changes_between_listing_and_reading_is_told_of(bucket: str, tmp_path: Path) -> None:
    import boto3

    source = open_source(f"s3://{bucket}/scans/a.png")
    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key="scans/a.png", Body=picture(tmp_path, 9))
    client.put_object(Bucket=bucket, Key="odd/a::b.png", Body=picture(tmp_path, 1))
    client.put_object(Bucket=bucket, Key="odd/br[0].png", Body=picture(tmp_path, 1))
    client.close()
    (changed,) = source
    assert isinstance(changed, Unreadable)
    assert "changed since it was listed" in str(changed.error)
    assert not list(spool().rglob("*.png"))
    assert all(isinstance(image, Image) for image in open_source(f"s3://{bucket}/odd"))
    (literal,) = open_source(f"s3://{bucket}/odd/br[0].png")
    assert literal.source == "br[0].png"


def test_a_wrong_size_of_the_spool_is_told_of(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDPIXEL_SPOOL_GB", "much")
    with pytest.raises(UsageError, match="give gigabytes"):
        open_source(f"s3://{bucket}/scans")


def test_an_entry_goes_to_other_processes(bucket: str) -> None:
    (entry,) = open_source(f"s3://{bucket}/scans/a.png").entries
    with pickle.loads(pickle.dumps(entry)).open(Limits()) as file:
        assert file.read(4) == b"\x89PNG"


def test_what_is_larger_than_allowed_is_not_fetched(bucket: str) -> None:
    (entry,) = open_source(f"s3://{bucket}/scans/a.png").entries
    with pytest.raises(TooLarge):
        entry.open(Limits(max_file_bytes=100))
    assert not list(spool().rglob("*.png"))


def test_a_spool_that_cannot_be_written_is_told_of(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ODDPIXEL_SPOOL", str(tmp_path / "file"))
    images = list(open_source(f"s3://{bucket}/scans"))
    assert all(
        isinstance(image, Unreadable) and "name another folder in ODDPIXEL_SPOOL" in str(image.error)
        for image in images
    )


def test_credentials_in_an_address_are_refused() -> None:
    with pytest.raises(UsageError, match="belong into the environment"):
        open_source("s3://key:secret@bucket/scans")


class _Web(SimpleHTTPRequestHandler):
    elsewhere = ""

    def do_GET(self) -> None:
        if self.path.startswith("/leave"):
            self.send_response(302)
            self.send_header("location", self.elsewhere)
            return self.end_headers()
        return super().do_GET()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/a b.png").write_bytes(picture(tmp_path, 1))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Web, directory=str(tmp_path / "served"))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(PATIENCE)


def test_a_file_by_http(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not among the hosts"):
        open_source(f"{web}/a%20b.png")
    monkeypatch.setenv("ODDPIXEL_HOSTS", "example.org, 127.0.0.1")
    (image,) = open_source(f"{web}/a%20b.png?signature=1")
    assert image.source == "a b.png"
    assert isinstance(image, Image)
    with pytest.raises(UsageError, match="signed"):
        open_source(f"{web}/a%20b.png?X-Amz-Signature=1")
    (missing,) = open_source(f"{web}/missing.png")
    assert isinstance(missing, Unreadable)
    assert isinstance(missing.error, MissingFile)
    _Web.elsewhere = web.replace("127.0.0.1", "localhost") + "/a%20b.png"
    led_away, whole = open_source(f"{web}/leave.png", f"{web}/a b.png")
    assert isinstance(led_away, Unreadable)
    assert "localhost is not among the hosts" in str(led_away.error)
    assert isinstance(whole, Image), "one bad address never ends a batch"
    _Web.elsewhere = "ftp://127.0.0.1/a.png"
    (led_away,) = open_source(f"{web}/leave.png")
    assert "another protocol" in str(led_away.error)  # type: ignore[union-attr]
    for wrong in ("http://[bad/x.png", "http:///x.png"):
        with pytest.raises(UsageError):
            open_source(wrong)


def test_what_has_no_version_is_fetched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many servers send neither an ETag nor a date: a copy of another time would be read for what is there now."""
    monkeypatch.setenv("ODDPIXEL_HOSTS", "127.0.0.1")
    monkeypatch.setenv("ODDPIXEL_SPOOL", str(tmp_path / "spool"))
    content = [b"first"]

    class Bare(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(content[0])))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[0])

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bare)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/a.png"
    for content[0] in (b"first", b"another"):
        remote = by_http(address)
        remote.fetch(Limits())
        assert remote.path.read_bytes() == content[0]
    server.shutdown()
    server.server_close()


def test_the_spool_lets_go_of_what_was_wanted_least_lately(tmp_path: Path) -> None:
    remotes = [Remote(f"s3://bucket/{k}.png") for k in range(4)]
    for k, remote in enumerate(remotes):
        remote.path.parent.mkdir(parents=True)
        remote.path.write_bytes(bytes(1000))
        os.utime(remote.path, (k + 1, k + 1))
    remotes[0].fetch(Limits())  # there: wanted now
    sweep(2500)
    assert [remote.path.exists() for remote in remotes] == [True, False, False, True]
    sweep(0)
    assert remotes[0].path.exists(), "wanted just now"


@pytest.mark.parametrize("key", ["../../etc/passwd", "/", "a" * 400 + ".nii.gz", ".", "a\x00b.png", "a//b.png"])
def test_keys_stay_in_the_spool(key: str) -> None:
    path = Remote(f"s3://bucket/{key}").path
    assert path.resolve().is_relative_to(spool().resolve())
    assert all(len(part.encode()) < 255 for part in path.parts)
    assert ".." not in path.parts
    if key.endswith(".nii.gz"):
        assert path.name.endswith(".nii.gz")


def test_by_command(bucket: str) -> None:
    command = [sys.executable, "-m", "oddpixel", "density", f"s3://{bucket}/other", "--model", "photo-grey", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert [item["item"] for item in json.loads(done.stdout)["items"]] == ["d.png"]
