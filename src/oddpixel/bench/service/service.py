"""`oddpixel bench service`: how much the service answers, how fast, and what it does when ten times that comes.

A real service with two workers and a detector fitted on 40 textures of 256 x 256; clients on the same machine, whose cores they
share. Every image is another one, so nothing is answered from what was asked before.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from oddpixel.bench import Report
from oddpixel.datasets.source import open_source
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.store import save

SIDE, NORMALS, CONNECTIONS, SECONDS = 256, 40, 8, 60.0
OVERLOAD = 10
STAGED = 20  # images
QUANTILES = (50, 95, 99)


@dataclass
class Answers:
    """What came back: seconds by status, and the jobs that were accepted."""

    seconds: list[tuple[int, float]] = field(default_factory=list)
    jobs: set[str] = field(default_factory=set)
    took: float = 0.0

    def row(self, what: str) -> dict[str, Any]:
        """Rate and latency of what was answered, and how much was refused."""
        done = np.array([seconds for status, seconds in self.seconds if status == 200]) * 1000
        counts = Counter(status for status, _ in self.seconds)
        quantiles = {f"p{q} ms": float(np.percentile(done, q)) if len(done) else None for q in QUANTILES}
        rates = {
            "answered a minute": 60 * len(done) / self.took,
            "asked a minute": 60 * len(self.seconds) / self.took,
        }
        others = sum(counts.values()) - counts[200] - counts[429]
        return {"load": what, **rates, **quantiles, "refused (429)": counts[429], "other": others}


def run() -> Report:
    """Measure the limit, latency at half of it, and ten times of it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        random = np.random.default_rng(0)
        detector = Detector().fit([texture(random) for _ in range(NORMALS)])
        save(detector, place / "detector")
        stages = _stages(detector, place, random)
        process, port = _served(place)
        try:
            _asked(port, 3.0, CONNECTIONS, None)  # models are loaded
            limit = _asked(port, SECONDS, CONNECTIONS, None)
            rate = len(limit.seconds) / limit.took
            half = _asked(port, SECONDS, CONNECTIONS, rate / 2)
            before = _memory(process.pid)
            over = _asked(port, SECONDS, OVERLOAD * CONNECTIONS, OVERLOAD * rate, route="/v1/jobs/score")
            peak = _memory(process.pid)
            lost = _open_for_good(port, over.jobs)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    rows = [
        limit.row("as fast as answers come"), half.row("half of that, evenly"),
        over.row(f"{OVERLOAD} times that, as jobs") | {"answered a minute": None},
    ]  # fmt: skip
    facts = {
        "jobs accepted under overload": len(over.jobs), "of them without a result": lost,
        "MiB before": before, "MiB after": peak,
    }  # fmt: skip
    return Report(
        tables={"one image of 256 x 256 a request": rows, "overload": [facts], "where the time goes": stages},
        passed=lost == 0,
    )


def texture(random: np.random.Generator) -> np.ndarray:
    """A grey texture, `[256, 256]` uint8, unlike any other."""
    pixels = gaussian_filter(random.normal(size=(SIDE, SIDE)), 1.5)
    shown: np.ndarray = np.clip(128 + 40 * pixels / pixels.std(), 0, 255).astype(np.uint8)
    return shown


def _stages(detector: Detector, place: Path, random: np.random.Generator) -> list[dict[str, Any]]:
    """CPU milliseconds of each step of one image, on one thread, outside of the service."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    spent: dict[str, float] = defaultdict(float)

    def timed(stage: str, step: Callable[..., Any], *arguments: Any) -> Any:
        begun = time.thread_time()
        answer = step(*arguments)
        spent[stage] += time.thread_time() - begun
        return answer

    try:
        for k in range(STAGED):
            path = place / f"staged-{k}.png"
            Pillow.fromarray(texture(random)).save(path)
            image = next(iter(open_source(path, sandboxed=False, num_workers=1)))
            prepared = timed("prepare", detector.prepare_, image)
            observer = detector.observer_
            picture = observer.picture(prepared)
            timed("encoder, patches", observer._encoded, picture)
            timed("encoder, whole", observer._whole, picture)
            observation = observer(prepared)
            for name, channel in detector.channels_.items():
                timed(f"channel {name}", channel.look, observation)
    finally:
        torch.set_num_threads(threads)
    total = sum(spent.values())
    return [
        {"stage": stage, "CPU ms an image": 1000 * seconds / STAGED, "share": seconds / total}
        for stage, seconds in sorted(spent.items(), key=itemgetter(1), reverse=True)
    ]


def _served(place: Path) -> tuple[subprocess.Popen[str], int]:
    command = [
        sys.executable, "-m", "oddpixel", "serve", "--folder", str(place / "service"), "--detector", str(place / "detector"),
        "--port", "0", "--rate", "100000", "--max-open", "500",
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert process.stdout is not None
    found = re.search(r":(\d+)/", process.stdout.readline())
    assert found is not None, "the service did not start"
    return process, int(found[1])


def _asked(port: int, seconds: float, connections: int, rate: float | None, route: str = "/v1/score") -> Answers:
    """Ask from several connections for some time; with a rate, evenly at that many a second in all."""
    answers, end, lock = Answers(), time.monotonic() + seconds, threading.Lock()
    started = time.monotonic()

    def client(number: int) -> None:
        random = np.random.default_rng([number, time.monotonic_ns()])
        # One texture a client with noise of its own each time: drawing must not cost more than asking.
        ground = texture(random)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        due = started + (0 if rate is None else number / rate)
        while (now := time.monotonic()) < end:
            if rate is not None:
                if due > now:
                    time.sleep(min(due, end) - now)
                due += connections / rate
            body, kind = _form(ground, random)
            before = time.monotonic()
            connection.request("POST", route, body, {"content-type": kind})
            answer = connection.getresponse()
            said = json.loads(answer.read())
            with lock:
                status = 200 if answer.status == 202 else answer.status
                answers.seconds.append((status, time.monotonic() - before))
                if "job" in said:
                    answers.jobs.add(said["job"])
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.took = time.monotonic() - started
    return answers


def _form(texture: np.ndarray, random: np.random.Generator) -> tuple[bytes, str]:
    shifted = np.roll(texture, tuple(random.integers(0, SIDE, 2)), (0, 1))
    shifted[0, :8] = random.integers(0, 256, 8)
    file = io.BytesIO()
    Pillow.fromarray(shifted).save(file, "PNG", compress_level=1)
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\n\r\n'.encode()
    return head + file.getvalue() + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def _open_for_good(port: int, jobs: set[str]) -> int:
    """How many of the accepted jobs have no result once the queue stands still."""
    connection, left, seen_at = http.client.HTTPConnection("127.0.0.1", port, timeout=120), set(jobs), time.monotonic()
    while left and time.monotonic() - seen_at < 60:
        for job in list(left)[:50]:
            connection.request("GET", f"/v1/jobs/{job}")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                left.discard(job)
                seen_at = time.monotonic()
        time.sleep(0.2)
    return len(left)


def _memory(service: int) -> float:
    """Resident MiB of the service and its workers."""
    workers = subprocess.run(["pgrep", "-P", str(service)], capture_output=True, text=True).stdout.split()
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in (service, *workers))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
