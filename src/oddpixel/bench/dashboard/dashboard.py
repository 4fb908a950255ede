"""`oddpixel bench dashboard`: 100,000 items with real thumbnails, a real browser, two people deciding at once.

Thumbnails and originals are crops of photographs from the corpora (scores are drawn, and say nothing). Times are wall seconds
from the action to its picture on the screen, the median of several; with them goes the processor time of the server.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from oddpixel.bench import Report
from oddpixel.datasets.source import open_source
from oddpixel.errors import UsageError
from oddpixel.forensics.runs.heat_map import write_evidence
from oddpixel.forensics.runs.order import Order
from oddpixel.forensics.runs.rows import Reason, Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import UNDECIDED, Verdicts
from oddpixel.image import Image

ITEMS, PICTURES = 100_000, 5_000
SIDE = 192  # pixels of a crop
LARGE, LARGE_SIDE = "large.jpg", 10_000  # 100 megapixels
CORPORA = ("photographs", "interiors", "monuments", "animals", "nature")
SHARD = 4096
REPEATS, VISITS = 7, 5
PATIENCE = 60_000  # ms
VERDICTS = 1000
AIMS: dict[str, float | None] = {
    "first grid": 2.0, "sort": 0.3, "filter": 0.2, "a page of thumbnails elsewhere": 0.3, "case": 1.0, "opacity": None,
    "a case of 100 megapixels": 4.0, "its single pixels": None, "first grid, warm browser": 2.0,
    "of which from the first request of the grid": 0.3, "next case, by key": 0.15, "verdict on the screen, by key": 0.05,
    "a colleague's rows while 100 megapixels are decoded": 0.3,
}  # fmt: skip
MEMORY_AIM = 600  # MiB of the server
NEIGHBOURS = 12  # cases that are stepped through
LOOKING = 1500  # ms that a person looks at a case before the next
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def run(items: int = ITEMS, pictures: int = PICTURES, verdicts: int = VERDICTS, seed: int = 0) -> Report:
    """Time what a person waits for in a browser, on a run with many items. Raises: UsageError without a browser."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        target, distinct = _make(place, items, pictures, seed)
        with _server(target, place) as (address, pid):
            before = _cpu(pid)
            looking = _look(address, target)
            memory = _memory(pid)
            spent = _cpu(pid) - before
            deciding = [_decide(address, target, verdicts)]
    rows: list[dict[str, Any]] = []
    missed: list[str] = []
    for name, times in looking.items():
        rows.append(
            {"action": name, "median s": median(times), "worst s": max(times), "times": len(times), "aim s": AIMS[name]}
        )
        if median(times) > (AIMS[name] or np.inf):
            missed.append(name)
    if memory > MEMORY_AIM:
        missed.append("memory of the server")
    facts = {
        "items": items, "distinct thumbnails": distinct, "server, CPU s": spent, "server, MiB": memory, "aim MiB": MEMORY_AIM,
    }  # fmt: skip
    return Report(
        tables={"what a person waits for": rows, "two people at once": deciding, "the run and its server": [facts]},
        passed=bool(deciding[0]["chain ok"]) and deciding[0]["verdicts there"] == verdicts,
        seed=seed,
        notes=[f"over the aim: {', '.join(missed)}" if missed else "every aim met"],
    )


def _make(place: Path, items: int, pictures: int, seed: int) -> tuple[Run, int]:
    """A run whose originals are links to crops of real photographs."""
    generator = np.random.default_rng(seed)
    originals = place / "originals"
    originals.mkdir()
    crops: list[tuple[Path, str]] = []
    run_names = [f"scan-{k:06d}.png" for k in range(items - 1)] + [LARGE]
    run = Run.begin(place / "run", Order(kind="flag", items=run_names, shard_size=SHARD, places=[str(originals)]))
    with run.writing_alone():
        thumbnails = []
        for crop in _crops(pictures, generator):
            path = place / f"crop-{len(crops):05d}.png"
            _save(crop, path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            image = Image(
                crop.transpose(2, 0, 1).astype(np.float32) / 255, 8, "display", None, path.name, digest, path.name
            )
            crops.append((path, digest))
            thumbnails.append(run.write_thumbnail(image))
        heat = generator.gamma(1.0, 0.8, (24, 24))  # drawn, as the scores are, and one for all
        drawn_map = write_evidence(run, image, heat, (SIDE, SIDE))
        for k, name in enumerate(run_names[:-1]):
            os.link(crops[k % len(crops)][0], originals / name)
        large = _large(originals / LARGE, [path for path, _ in crops[:64]])
        raw = generator.gamma(2.0, 1.5, items)
        p = (1 + np.argsort(np.argsort(-raw))) / (items + 1)
        for shard in range(-(-items // SHARD)):
            rows = []
            for k in range(shard * SHARD, min((shard + 1) * SHARD, items)):
                digest, side = (large, LARGE_SIDE) if run_names[k] == LARGE else (crops[k % len(crops)][1], SIDE)
                rows.append(
                    Row(
                        item=run_names[k], sha256=digest, group=run_names[k], stratum=("CT", "MR", "photo")[k % 3],
                        raw=float(raw[k]), p_value=float(p[k]), q_value=min(float(p[k]) * 3, 1.0), flagged=bool(p[k] <= 0.01),
                        reasons=(Reason("drawn", float(p[k]), "a drawn score"),),
                        thumbnail=thumbnails[k % len(crops)], map=drawn_map,
                        width=side, height=side,
                    )
                )  # fmt: skip
            run.write_part(shard, rows)
        run.finish(decision={"promise": "", "map_threshold": 2.0})
    return run, len(set(thumbnails))


def _crops(count: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """`[side, side, 3]` uint8, none twice: photographs in turn, places at random."""
    photographs = []
    for corpus in CORPORA:
        for image in open_source(f"corpus:{corpus}"):
            if isinstance(image, Image) and min(image.pixels.shape[1:]) > 2 * SIDE:
                shown = image.to_display()
                photographs.append(shown if shown.shape[2] == 3 else shown.repeat(3, 2))
    seen: set[bytes] = set()
    while len(seen) < count:
        picture = photographs[len(seen) % len(photographs)]
        top, left = (int(generator.integers(length - SIDE)) for length in picture.shape[:2])
        crop = np.ascontiguousarray(picture[top : top + SIDE, left : left + SIDE])
        if (digest := hashlib.sha256(crop.data).digest()) not in seen:
            seen.add(digest)
            yield crop


def _large(path: Path, crops: list[Path]) -> str:
    """A picture of 100 megapixels, tiled with crops; its SHA-256."""
    from PIL import Image as Pillow

    picture = Pillow.new("RGB", (LARGE_SIDE, LARGE_SIDE))
    for place in range(-((-LARGE_SIDE // SIDE) ** 2)):
        row, column = divmod(place, -(-LARGE_SIDE // SIDE))
        with Pillow.open(crops[place % len(crops)]) as crop:
            picture.paste(crop, (column * SIDE, row * SIDE))
    picture.save(path, "JPEG", quality=90)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _save(crop: np.ndarray, path: Path) -> None:
    from PIL import Image as Pillow

    Pillow.fromarray(crop).save(path, compress_level=1)


@contextmanager
def _server(target: Run, place: Path) -> Iterator[tuple[str, int]]:
    command = [
        sys.executable,
        "-m",
        "oddpixel",
        "dashboard",
        str(target.path),
        "--port",
        "0",
        "--folder",
        str(place / "own"),
        "--data",
        str(place),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        match = re.search(r"(http://localhost:\d+)/", process.stdout.readline())
        assert match is not None
        _until(lambda: urllib.request.urlopen(f"{match[1]}/oddpixel/health", timeout=5).close())
        yield match[1], process.pid
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def _until(attempt: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            attempt()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _look(address: str, target: Run) -> dict[str, list[float]]:
    """Seconds of each action, in a real browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise UsageError(
            "this benchmark drives a browser: pip install 'oddpixel[dev]' and apt-get install chromium"
        ) from error
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise UsageError("this benchmark drives a browser: apt-get install chromium")
    times: dict[str, list[float]] = {name: [] for name in AIMS}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for _ in range(VISITS):
            page = _page(browser, address)
            times["first grid"].append(_timed(partial(page.goto, address), page, "oddSeen()"))
        for _ in range(VISITS):
            times["first grid, warm browser"].append(_timed(partial(page.goto, address), page, "oddSeen()"))
            own = page.evaluate("oddOwnShare()") / 1000
            times["of which from the first request of the grid"].append(own)
        times["verdict on the screen, by key"] += _acknowledged(page)
        _act(page, times)
        times["next case, by key"] += _step(page)
        large = f"{address}/case?run={target.record['id']}&item={LARGE}"
        with _colleague(address, target) as waited:
            times["a case of 100 megapixels"].append(_timed(partial(page.goto, large), page, "oddCase()"))
        times["a colleague's rows while 100 megapixels are decoded"] += waited
        times["its single pixels"].append(_timed(page.get_by_label("One pixel a pixel").click, page, "oddCaseWhole()"))
        browser.close()
    return times


def _page(browser: Any, address: str) -> Any:
    """Of a new visitor, whose name is known."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.add_cookies([{"name": "oddpixel-name", "value": "ann", "url": address}])
    page = context.new_page()
    page.add_init_script(files(__package__ or "").joinpath("seen.js").read_text())
    return page


def _timed(action: Callable[[], Any], page: Any, seen: str, argument: Any = None) -> float:
    begun = time.perf_counter()
    action()
    page.wait_for_function(seen, arg=argument, polling=5, timeout=PATIENCE)
    return time.perf_counter() - begun


def _act(page: Any, times: dict[str, list[float]]) -> None:
    def changed(label: str, option: str) -> float:
        """Until the grid was asked anew and shows the answer."""
        before = page.evaluate("Number(oddGrid().dataset.ready)")
        select = page.get_by_label(label, exact=True)
        return _timed(lambda: select.select_option(option), page, "before => oddAgain(before)", before)

    for k in range(REPEATS):
        times["sort"].append(changed("Sort", ("p_value", "item", "raw")[k % 3]))
        times["filter"].append(changed("Show", ("flagged", "all")[k % 2]))
    changed("Show", "unflagged")
    for k in range(REPEATS):
        jump = partial(page.evaluate, f"oddJump({(k + 1) / (REPEATS + 2)})")
        times["a page of thumbnails elsewhere"].append(_timed(jump, page, "oddSeen()"))
    for k in range(REPEATS):
        times["case"].append(_timed(page.locator(".cell").nth(k).dblclick, page, "oddCase()"))
        if k == 0:
            times["opacity"] += _opacity(page)
        page.get_by_role("link", name="Triage").click()
        page.wait_for_function("oddSeen()", polling=5, timeout=PATIENCE)


def _acknowledged(page: Any) -> list[float]:
    """Seconds from a key to its verdict on the cell, as the browser's own clock and frames have it."""
    page.locator(".cell").first.click()
    times = [page.evaluate("key => oddVerdict(key)", "onu"[k % 3]) / 1000 for k in range(REPEATS)]
    for _ in times:
        page.keyboard.press("z")
    page.get_by_text("taken back").first.wait_for()
    return times


def _step(page: Any) -> list[float]:
    """Seconds from a key to the next case, complete; looked at for a while each."""
    page.locator(".cell").first.dblclick()
    page.wait_for_function("oddCase()", polling=5, timeout=PATIENCE)
    times = []
    for k in range(NEIGHBOURS):
        page.wait_for_timeout(LOOKING)
        times.append(page.evaluate("key => oddNext(key)", "jjjk"[k % 4]) / 1000)
    return times


@contextmanager
def _colleague(address: str, target: Run) -> Iterator[list[float]]:
    """Somebody else who asks for rows all the while; gives the seconds that each answer took."""
    times: list[float] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(0.05):
            begun = time.perf_counter()
            urllib.request.urlopen(f"{address}/oddpixel/runs/{target.record['id']}/rows?limit=100", timeout=60).read()
            times.append(time.perf_counter() - begun)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield times
    finally:
        is_over.set()
        asking.join()


def _opacity(page: Any) -> list[float]:
    """Seconds to the next frame; fails if the server was asked."""
    page.wait_for_load_state("networkidle")  # the neighbours are fetched ahead
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    times = []
    for value in ("0.2", "0.9", "0.5"):
        begun = time.perf_counter()
        page.get_by_label("Opacity of the map").fill(value)
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        times.append(time.perf_counter() - begun)
    asked = [url for url in requests if "/oddpixel/" in url and "/changes?" not in url]
    assert not asked, f"opacity asked the server for {asked}"
    return times


def _decide(address: str, target: Run, verdicts: int) -> dict[str, Any]:
    """Two clients over HTTP, each half of the verdicts, at the same time; tickets as the pages hand them out."""
    page = _ticket(address)
    key = target.record["id"]
    failed: list[str] = []

    def one(which: int) -> None:
        for k in range(which, verdicts, 2):
            body = json.dumps({"items": [f"scan-{k:06d}.png"], "decision": ("odd", "normal")[k % 2]}).encode()
            request = urllib.request.Request(
                f"{address}/oddpixel/runs/{key}/decide",
                body,
                {"x-oddpixel-ticket": page, "content-type": "application/json"},
            )
            try:
                urllib.request.urlopen(request, timeout=60).close()
            except OSError as error:
                failed.append(str(error))

    begun = time.perf_counter()
    people = [threading.Thread(target=one, args=(which,)) for which in range(2)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    seconds = time.perf_counter() - begun
    with Verdicts(target.verdicts_path) as store:
        chain = store.verify()
        there = sum(verdict.decision != UNDECIDED for verdict in store.latest(key).values())
    return {
        "verdicts": verdicts, "verdicts there": there, "failed": len(failed), "chain ok": chain.ok, "wall s": seconds,
        "ms a verdict": 1000 * seconds / verdicts,
    }  # fmt: skip


def _ticket(address: str) -> str:
    """Out of the requests of a page that decides once."""
    from playwright.sync_api import sync_playwright

    found: list[str] = []
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = _page(browser, address)
        page.on(
            "request",
            lambda r: found.append(r.headers["x-oddpixel-ticket"]) if "x-oddpixel-ticket" in r.headers else None,
        )
        page.goto(address)
        page.wait_for_function("oddSeen()", polling=20, timeout=PATIENCE)
        page.keyboard.press("o")
        page.get_by_text(": odd").first.wait_for()
        page.keyboard.press("z")
        page.get_by_text("taken back").first.wait_for()
        browser.close()
    return found[0]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
