"""`python -m tests.service.kills`: a hundred kills at random moments, and what became of every image that was accepted.

A service with two workers over PostgreSQL, whose processes and connections are killed while a client keeps asking; then a node
that is killed soon after each study that it acknowledged. Into benchmarks/kills.json.
"""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sql

from oddpixel import open_source
from oddpixel.bench import machine, write_page
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.store import save
from tests.conftest import ROOT
from tests.datasets.dicom_maker import make_slice
from tests.forensics.detect.test_detector import surface
from tests.forensics.runs import postgresql
from tests.node.conftest import SIDE, in_hounsfield, running, study
from tests.service.conftest import Served, serving
from tests.service.test_service import ask, png

WORKERS, CONNECTIONS, SERVICES, NODES = 35, 20, 15, 30
PATIENCE = 300.0
GONE = (httpx.HTTPError, RuntimeError, KeyError, json.JSONDecodeError)  # RuntimeError: the client was closed meanwhile


def main(seed: int = 0) -> None:
    begun = time.monotonic()
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, postgresql.server() as url:
        place = Path(folder)
        rows = [_service(place, url, dice), _node(place, dice)]
    result = {
        "benchmark": "kills",
        "passed": all(row["accepted"] == row["with one result"] for row in rows),
        "seed": seed,
        "wall_s": time.monotonic() - begun,
        "cpu_s": 0.0,
        "machine": machine(),
        "versions": {name: version(name) for name in ("oddpixel", "torch", "numpy", "pillow", "pydicom")},
        "notes": ["processor time was not taken: most of it is that of processes that were killed"],
        "tables": {"kills at random moments": rows},
    }
    (ROOT / "benchmarks/kills.json").write_text(json.dumps(result, indent=2) + "\n")
    write_page(ROOT / "benchmarks")
    print(json.dumps(rows, indent=1))


class Client:
    """Asks about one image after the other, each again until it was accepted."""

    def __init__(self) -> None:
        self.served: Served | None = None
        self.jobs: list[str] = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        while not self.is_over.is_set():
            number = len(self.jobs)
            content = png(surface(number))
            while not self.is_over.is_set():
                try:
                    assert self.served is not None
                    answer = ask(self.served.client(), "/v1/jobs/score", content, name=f"{number}.png")
                    self.jobs.append(answer.json()["job"])
                    break
                except (AssertionError, *GONE):  # nobody is there, or it said that it did not take it
                    time.sleep(0.1)
            time.sleep(0.15)


def _service(place: Path, url: str, dice: random.Random) -> dict[str, Any]:
    save(Detector(channels=["encoder vector"], chooses=False).fit([surface(k) for k in range(24)]), place / "d")
    options = ("--detector", str(place / "d"), "--store", url, "--rate", "1000", "--max-open", "100000")
    engine = sql.create_engine(url, isolation_level="AUTOCOMMIT")
    client = Client()
    kills = ["worker"] * WORKERS + ["connections"] * CONNECTIONS
    dice.shuffle(kills)
    done: Counter[str] = Counter()
    for life in range(SERVICES):
        with serving(place / "s", *options) as served:
            client.served = served
            for kind in kills[life::SERVICES]:
                time.sleep(dice.uniform(0.2, 2.0))
                done[kind] += _killed(kind, served, engine, dice)
            time.sleep(dice.uniform(0.2, 2.0))
            served.process.kill()
            served.process.wait()
            done["service"] += 1
    with serving(place / "s", *options) as served:
        client.served = served
        client.is_over.set()
        client.thread.join()
        count = sql.text("SELECT state, count(*) FROM service_jobs GROUP BY state")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with engine.connect() as connection:
                states = {str(state): int(number) for state, number in connection.execute(count)}
            if not set(states) & {"waiting", "running"}:
                break
            time.sleep(1)
        answers = [served.client().get(f"/v1/jobs/{job}").json() for job in client.jobs]
    engine.dispose()
    right = sum(
        answer["state"] == "failed" or answer["result"]["items"][0]["item"] == f"{number}.png"
        for number, answer in enumerate(answers)
        if answer["state"] in ("done", "failed")
    )
    return {
        "killed": ", ".join(f"{count} {kind}" for kind, count in sorted(done.items())),
        "kills": sum(done.values()), "accepted": len(set(client.jobs)), "with one result": right,
        "failed, as three workers died of them": states.get("failed", 0), "jobs in the table": sum(states.values()),
    }  # fmt: skip


def _killed(kind: str, served: Served, engine: sql.Engine, dice: random.Random) -> int:
    """Whether there was one to kill."""
    if kind == "worker":
        workers = served.workers()
        if workers:
            os.kill(dice.choice(workers), signal.SIGKILL)
        return bool(workers)
    theirs = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
    others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}"
    with engine.connect() as connection:
        return bool(connection.execute(sql.text(others)).all())


def _node(place: Path, dice: random.Random) -> dict[str, Any]:
    for k in range(24):
        make_slice(
            place / f"in/{k}.dcm", in_hounsfield(surface(k, SIDE)), PatientID=f"normal {k}", StudyInstanceUID=None
        )
    save(Detector(channels=["encoder vector"], chooses=False).fit(open_source(place / "in")), place / "ct")
    folder, accepted = place / "node", 0
    for k in range(NODES):
        with running(folder, place / "ct") as node:
            accepted += node.send(study(place / f"studies/{k}", odd=0, normal=1, seed=1000 + k)) == [0]
            time.sleep(dice.uniform(0.0, 3.0))
            node.process.kill()
            node.process.wait()
    engine = sql.create_engine(f"sqlite:///{folder / 'jobs.sqlite'}")
    judged = sql.text(
        "SELECT count(DISTINCT o.instance) FROM node_objects o JOIN service_jobs j ON j.id = o.job WHERE j.state = 'done'"
    )
    objects = sql.text("SELECT count(*) FROM node_objects")
    with running(folder, place / "ct"):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with engine.connect() as connection:
                found = int(connection.execute(judged).scalar_one())
            if found == accepted:
                break
            time.sleep(1)
    with engine.connect() as connection:
        rows = int(connection.execute(objects).scalar_one())
    engine.dispose()
    return {
        "killed": f"{NODES} node", "kills": NODES, "accepted": accepted, "with one result": found,
        "failed, as three workers died of them": 0, "jobs in the table": rows,
    }  # fmt: skip


if __name__ == "__main__":
    main()
