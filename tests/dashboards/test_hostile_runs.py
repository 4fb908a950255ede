"""Run folders that people hand on: they name no file of this machine, damage nobody else's page, and end up in no markup."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

from oddpixel.dashboards.access import Access, Signer
from oddpixel.dashboards.jobs import _environment
from oddpixel.dashboards.library import Library
from oddpixel.dashboards.originals import Originals
from oddpixel.dashboards.static_cache import StaticCache
from oddpixel.datasets.source import open_source
from oddpixel.errors import OddPixelError, RunError, UnreadableInput
from oddpixel.forensics.inspection.inspect import inspect_into
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.summary import summarise
from oddpixel.forensics.runs.table import RunTable
from tests.dashboards.conftest import Server, serving
from tests.dashboards.test_access import ask
from tests.patience import PATIENCE

pytestmark = pytest.mark.filterwarnings("default")


def changed(run: Run, **fields: Any) -> None:
    run.write_json("run.json", run.record | fields)


def with_cells(run: Run, **cells: Any) -> None:
    """Every row of the first part with these cells."""
    part = run.parts()[0]
    table = pd.read_parquet(part).assign(**cells)
    table.to_parquet(part, index=False)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "secret.png"
    path.parent.mkdir()
    path.write_bytes(b"\x89PNG a key")
    return path


@pytest.mark.parametrize("digest", ["", None, "the real one"])
def test_originals_come_from_named_folders_only(digest: str | None, run: Run, made: Path, secret: Path) -> None:
    known = hashlib.sha256(secret.read_bytes()).hexdigest() if digest else digest
    changed(run, places=[str(secret.parent)])
    with_cells(run, item=secret.name, sha256=known)
    with closing(Library([run.path], data=[made])) as library:
        opened = library.runs()[0]
        row = opened.row(secret.name)
        with pytest.raises(UnreadableInput, match="outside of the folders|no SHA-256"):
            opened.originals.files.open(row)
        with pytest.raises(UnreadableInput):
            opened.originals.picture(row)


@pytest.mark.parametrize("place", ["/", "/etc/*", "mvtec:/etc", "imagefolder:/", "../../../../etc"])
def test_no_way_of_naming_a_place_leads_out(place: str, run: Run, made: Path) -> None:
    changed(run, places=[place])
    with closing(Library([run.path], data=[made])) as library:
        opened = library.runs()[0]
        with pytest.raises(OddPixelError):
            opened.originals.files.open(opened.row("normal-01.png"))


def test_without_its_sha256_no_file_is_shown(run: Run, made: Path) -> None:
    with_cells(run, sha256="")
    with closing(Library([run.path], data=[made])) as library:
        opened = library.runs()[0]
        with pytest.raises(UnreadableInput, match="no SHA-256"):
            opened.originals.files.open(opened.row("normal-01.png"))


def test_a_link_in_a_named_folder_leads_nowhere(run: Run, made: Path, secret: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "x.png").symlink_to(secret)
    changed(run, places=[str(shared)])
    with_cells(run, item="x.png", sha256=hashlib.sha256(secret.read_bytes()).hexdigest())
    with closing(Library([run.path], data=[shared])) as library:
        opened = library.runs()[0]
        with pytest.raises(OddPixelError):
            opened.originals.files.open(opened.row("x.png"))


def test_one_damaged_run_leaves_the_others_alone(run: Run, made: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    for k, content in enumerate(("{", json.dumps(run.record | {"id": "<script>"}), "[]", json.dumps({"id": 7}))):
        (own / f"runs/{k}").mkdir(parents=True)
        (own / f"runs/{k}/run.json").write_text(content)
    with closing(Library([run.path], own, data=[made])) as library:
        assert [each.key for each in library.runs()] == [run.record["id"]]


def test_one_bad_cell_is_one_rows_loss(run: Run, made: Path, tmp_path: Path) -> None:
    with_cells(run, error="{", reasons="[7]")
    with serving(run, made, tmp_path, None) as server:
        status, _, content = ask(server, f"/oddpixel/runs/{run.record['id']}/rows")
        assert status == 200
        rows = json.loads(content)["rows"]
        assert {row["error"] for row in rows} == {"the error recorded for this item is damaged"}


@pytest.mark.parametrize(
    "path",
    [
        "/%0d%0aX-Evil:1", "/%00", "/%ff%fe", "//evil.example/x", "/\\evil.example", "/oddpixel/runs/%00/rows", "/%E2%80%AE",
        "/oddpixel/runs/KEY/facts?item=%00", "/oddpixel/runs/KEY/facts?item=%ff", "/oddpixel/runs/KEY/rows?filter=%00",
        "/oddpixel/runs/KEY/thumbnail?name=%0a", "/oddpixel/runs/KEY/original?item=" + "a" * 5000,
        "/oddpixel/runs/KEY/rows?order=%00&offset=-9223372036854775809", "/oddpixel/runs/KEY/rows?offset=99999999999999999999",
        "/oddpixel/runs/KEY/place?of=%00&after=99999999999999999999",
        "/oddpixel/runs/KEY/tile?item=normal-01.png&level=99999999999999999999&column=0&row=0",
        "/oddpixel/runs/KEY/rows?limit=-1", "/oddpixel/runs/KEY/report?part=../../run.json", "/;/../x", "/oddpixel//runs",
    ],
)  # fmt: skip
@pytest.mark.parametrize("token", [None, "TOKEN"])
def test_odd_paths_get_an_answer(path: str, token: str | None, guarded: Server) -> None:
    """Never a dropped connection, never a 500."""
    path = path.replace("KEY", guarded.run.record["id"])
    if token:
        path += ("&" if "?" in path else "?") + "token=" + (guarded.token or "").replace(" ", "%20")
    host, _, port = guarded.address.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
    with closing(connection):
        connection.putrequest("GET", path, skip_host=False)
        connection.endheaders()
        answer = connection.getresponse()
        content = answer.read()
    assert answer.status < 500, content
    where = answer.headers.get("location", "/")
    assert where.startswith("/")
    assert not where.startswith("//")
    assert "evil.example" not in where.partition("?")[0].split("/")[0]


def test_odd_paths_after_the_entrance(server: Server) -> None:
    """The same without a token, where routes are reached."""
    key = server.run.record["id"]
    for rest in ("facts?item=%00", "rows?sort=%00", "rows?offset=99999999999999999999", "place?after=-99999999999999999999",
                 "heat?item=%00", "tile?item=normal-01.png&level=99999999999999999999&column=0&row=0", "report?item=%00",
                 "rows?limit=99999999999999999999", "thumbnails?names=", "original?item=..%2f..%2fetc%2fpasswd"):  # fmt: skip
        status, _, content = ask(server, f"/oddpixel/runs/{key}/{rest}")
        assert 200 <= status < 500, (rest, content)


def origin_is_taken(scheme: str, origin: str) -> bool:
    passed = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        passed.append(True)

    async def send(message: Any) -> None:
        pass

    scope = {
        "type": "http", "path": "/", "method": "POST", "scheme": scheme, "query_string": b"",
        "headers": [(b"host", b"localhost:8501"), (b"origin", origin.encode())],
    }  # fmt: skip
    asyncio.run(Access(inner, Signer())(scope, None, send))  # type: ignore[arg-type]
    return bool(passed)


def test_an_origin_has_the_scheme_too() -> None:
    assert origin_is_taken("http", "http://localhost:8501")
    assert origin_is_taken("https", "https://localhost:8501")
    assert not origin_is_taken("http", "https://localhost:8501")
    assert not origin_is_taken("https", "http://localhost:8501")
    assert not origin_is_taken("http", "http://evil.example")
    assert not origin_is_taken("http", "null")


def static_answer(*messages: dict[str, Any]) -> tuple[StaticCache, list[dict[str, Any]]]:
    """What a second visitor gets after the first one's answer consisted of these messages."""

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    cache = StaticCache(inner)
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/static/a.js", "headers": []}
    asyncio.run(cache(scope, None, send))  # type: ignore[arg-type]
    return cache, sent


START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}


@pytest.mark.parametrize(
    "messages",
    [
        [START],
        [START, {"type": "http.response.body", "body": b"ab", "more_body": True}],
        [START, {"type": "http.response.body", "body": b"ab"}],
        [START | {"status": 304}, {"type": "http.response.body", "body": b"abcd"}],
    ],
)
def test_half_an_answer_is_not_kept(messages: list[dict[str, Any]]) -> None:
    """A load that was aborted gave everybody after it an empty page."""
    cache, _ = static_answer(*messages)
    assert not cache.known


def test_a_whole_answer_is_kept() -> None:
    cache, sent = static_answer(
        START,
        {"type": "http.response.body", "body": b"ab", "more_body": True},
        {"type": "http.response.body", "body": b"cd"},
    )
    assert len(cache.known) == 1
    assert b"".join(message.get("body", b"") for message in sent) == b"abcd"


def test_jobs_do_not_inherit_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDPIXEL_TOKEN", "secret")
    monkeypatch.setenv("ODDPIXEL_OIDC_SECRET", "secret")
    assert "secret" not in _environment().values()
    assert "PATH" in _environment()


def test_a_token_on_the_command_line_is_refused(tmp_path: Path) -> None:
    from oddpixel.commands.dashboard import _token
    from oddpixel.errors import UsageError

    with pytest.raises(UsageError, match="read by others"):
        _token("a long enough token", None)
    assert _token("new", None) == "new"
    (tmp_path / "token").write_text("from a file, long enough\n")
    assert _token(None, tmp_path / "token") == "from a file, long enough"
    with pytest.raises(UsageError, match="no token that can be read"):
        _token(None, tmp_path / "nothing")


@pytest.mark.stress
def test_mutated_runs_are_opened_or_refused(run: Run, made: Path) -> None:
    """Bytes of run.json, of a part and of the verdicts' store, changed at random: a typed error, or rows."""
    generator = random.Random(0)
    with closing(Library([run.path], data=[made])) as library:
        library.runs()[0].decide(["normal-01.png"], "odd", author="ann")
    targets = [run.path / "run.json", run.parts()[0], run.verdicts_path]
    originals = {path: path.read_bytes() for path in targets}
    outcomes = {"rows": 0, "refused": 0}
    for _ in range(150):
        target = generator.choice(targets)
        content = bytearray(originals[target])
        for _ in range(generator.choice((1, 3, 40))):
            content[generator.randrange(len(content))] = generator.randrange(256)
        target.write_bytes(content[: generator.choice((len(content), len(content) // 2))])
        for extra in run.path.glob("verdicts.sqlite-*"):
            extra.unlink()
        try:
            summarise(run.path)
            with closing(Library([run.path], data=[made])) as library:
                opened = library.runs()[0]
                for row in opened.table.page(limit=5):
                    opened.row(row.item)
                _ = opened.verdicts.verify(), opened.verdicts.actions(opened.key)
            outcomes["rows"] += 1
        except OddPixelError:
            outcomes["refused"] += 1
        except IndexError:
            outcomes["refused"] += 1  # the library shows no such run
        target.write_bytes(originals[target])
    assert min(outcomes.values()) > 10, outcomes


def test_stores_of_wrong_types_are_refused(run: Run) -> None:
    import sqlite3

    with closing(sqlite3.connect(run.verdicts_path)) as connection:
        connection.execute("CREATE TABLE verdicts (seq TEXT, run INT)")
        connection.execute("CREATE TABLE audit_log (seq INTEGER PRIMARY KEY, content BLOB, previous, hash)")
        connection.execute("INSERT INTO audit_log VALUES (1, 'no json', 'x', 'y')")
        connection.commit()
    from oddpixel.forensics.runs.verdicts import Verdicts

    with pytest.raises(RunError), Verdicts(run.verdicts_path) as verdicts:
        verdicts.actions(run.record["id"])
        verdicts.latest(run.record["id"])


def test_a_page_and_a_file_called_like_it_are_each_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    pages = [Pillow.fromarray(np.full((32, 32), shade, np.uint8)) for shade in (10, 20)]
    pages[0].save(folder / "x.tif", save_all=True, append_images=pages[1:])
    Pillow.fromarray(np.full((32, 32), 90, np.uint8)).save(folder / "x.tif#0", "TIFF")
    inspect_into(tmp_path / "run", open_source(folder), places=[str(folder)])
    with closing(Originals(Run.open(tmp_path / "run"), [folder])) as originals:
        rows = RunTable(Run.open(tmp_path / "run")).rows()
        shown = {row.item: float(originals.picture(row).levels[0].mean()) for row in rows}
    assert shown == {"x.tif#0": 10, "x.tif#1": 20, "x.tif#0 (2)": 90}
