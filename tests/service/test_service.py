"""The service as clients meet it: answers, refusals, kills, and what it keeps to itself."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image as Pillow

from oddpixel.errors import UsageError
from oddpixel.forensics.audit.audited import Options as AuditOptions
from oddpixel.forensics.audit.run import audit_into
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.store import save
from oddpixel.service.clients import Bucket, Clients, read_tokens
from oddpixel.service.models import Models
from oddpixel.service.queue import Question, Queue
from oddpixel.service.spool import Spool
from oddpixel.service.worker import Worker, safe_name
from tests.forensics.audit.images import photograph
from tests.forensics.detect.test_detector import ODD, surface
from tests.patience import until
from tests.service.conftest import TOKENS, Served, serving


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def ask(
    client: httpx.Client, path: str, content: bytes | None = None, name: str = "a.png", **options: object
) -> httpx.Response:
    files = None if content is None else {"file": (name, content)}
    return client.post(path, files=files, data={"options": json.dumps(options)} if options else None)


def test_an_image_is_scored_at_once_and_the_same_question_is_not_asked_twice(service: Served) -> None:
    normal = ask(service.client(), "/v1/score", png(surface(30)))
    assert normal.status_code == 200, normal.text
    said = normal.json()
    (item,) = said["result"]["items"]
    assert item["item"] == "a.png"
    assert 0 < item["p_value"] <= 1
    assert item["flagged"] is (item["p_value"] <= 0.05)
    assert "normal groups" in said["result"]["promise"]
    assert "+detector." in said["version"]
    odd = ask(service.client(), "/v1/score", png(next(iter(ODD.values()))), alpha=0.1).json()["result"]["items"][0]
    assert odd["flagged"] is True
    assert odd["reasons"]
    assert ask(service.client(), "/v1/score", png(surface(30))).json()["job"] == said["job"]
    assert ask(service.client("press"), "/v1/score", png(surface(30))).json()["job"] != said["job"]


def test_an_unreadable_file_is_an_answer_with_its_error(service: Served) -> None:
    said = ask(service.client(), "/v1/score", b"\x89PNG\r\n\x1a\n and no more").json()
    assert said["state"] == "done"
    assert said["result"]["items"][0]["error"]["type"] == "CorruptFile"
    audit = ask(service.client(), "/v1/audit", b"nothing at all", name="x.jpg").json()
    assert audit["result"]["error"]["message"]
    assert audit["result"]["files"] == []


def test_an_audit_as_a_job_with_its_report(service: Served) -> None:
    name = "../../<script>alert(1)</script>.png"
    job = ask(service.client(), "/v1/jobs/audit", png(photograph(192)), name=name, checks="noise-level")
    assert job.status_code == 202
    said = service.done(job.json()["job"])
    result = said["result"]
    assert isinstance(result, dict)
    assert result["verdict"]["label"]
    (page,) = [path for path in result["files"] if path.endswith("report.html")]
    answer = service.client().get(f"/v1/jobs/{said['job']}/files/{page}")
    assert answer.status_code == 200
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    for hostile in ("run/run.json", "../../../jobs.sqlite", "%2e%2e/%2e%2e/jobs.sqlite", "/etc/passwd"):
        assert service.client().get(f"/v1/jobs/{said['job']}/files/{hostile}").status_code == 404, hostile
    assert service.client("press").get(f"/v1/jobs/{said['job']}").status_code == 404
    assert service.client("press").get(f"/v1/jobs/{said['job']}/files/{page}").status_code == 404


@pytest.mark.stress
def test_requests_at_random_are_answered_as_described(service: Served) -> None:
    checks = (
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"
    )
    command = [
        str(Path(sys.executable).parent / "st"), "run", f"{service.address}/openapi.json",
        "--header", f"Authorization: Bearer {TOKENS['lab']}", "--checks", checks, "--phases", "coverage,fuzzing",
        "--max-examples", "25", "--seed", "7", "--exclude-path-regex", "/v1/(generate|density)$", "--no-color",
        "--request-timeout", "900", "--rate-limit", "40/s",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=service.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test cases" in done.stdout.lower()


def test_density_and_generate(service: Served) -> None:
    density = ask(service.client(), "/v1/density", png(photograph(64)), model="photo-rgb").json()
    assert density["result"]["items"][0]["bits_per_dim"] > 0, density
    made = ask(service.client(), "/v1/generate", width=64, height=64, prompt="photograph").json()
    assert made["state"] == "done", made
    (picture,) = [name for name in made["result"]["files"] if name.endswith(".png")]
    content = service.client().get(f"/v1/jobs/{made['job']}/files/{picture}").content
    assert Pillow.open(io.BytesIO(content)).size == (64, 64)


def test_what_is_asked_wrongly_is_refused_in_words(service: Served) -> None:
    client = service.client()
    assert ask(client, "/v1/score").status_code == 422
    assert "needs a file" in ask(client, "/v1/score").json()["detail"][0]["why"]
    wrong = ask(client, "/v1/score", png(surface(1)), alpha=7)
    assert wrong.status_code == 422
    assert wrong.json()["detail"][0]["where"] == ["options", "alpha"]
    assert ask(client, "/v1/score", png(surface(1)), nonsense=1).status_code == 422
    assert client.post("/v1/score", data={"options": "{", "x": "y"}, files={"file": ("a", b"x")}).status_code == 422
    assert client.post("/v1/score", content=b"\0" * 100).status_code == 422
    too_large = ask(client, "/v1/score", os.urandom(3_000_001))
    assert too_large.status_code == 413
    assert "3 MB" in too_large.json()["detail"]
    assert client.get("/v1/jobs/0123").status_code == 404
    assert client.get("/nothing").status_code == 404
    for name in ("nobody",):
        refused = ask(service.client(name), "/v1/score", png(surface(1)))
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    assert not list((service.folder / "files").glob(".*.part")), "what was refused leaves nothing behind"


def test_metrics_and_log_name_no_file_and_the_description_is_whole(service: Served) -> None:
    ask(service.client(), "/v1/score", png(surface(31)), name="patient-Miller.png")
    metrics = service.client().get("/metrics").text
    assert 'oddpixel_requests_total{route="/v1/score",status="200"}' in metrics
    assert 'oddpixel_jobs{kind="score",state="done"}' in metrics
    log = service.log.read_text()
    assert '"route": "/v1/score"' in log
    for hidden in ("Miller", *TOKENS.values()):
        assert hidden not in metrics + log
    described = service.client().get("/openapi.json").json()
    assert {f"/v1/{kind}" for kind in ("score", "audit", "density", "generate", "study")} <= set(described["paths"])
    assert "example" in json.dumps(described["paths"]["/v1/audit"])
    assert set(service.client().get("/v1/kinds").json()["kinds"]) == {"score", "audit", "density", "generate", "study"}


@pytest.mark.stress
def test_workers_killed_at_random_lose_and_double_nothing(detector: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "s", "--detector", str(detector)) as served:
        client, dice = served.client(), random.Random(0)
        ids = [ask(client, "/v1/jobs/score", png(surface(k)), name=f"{k}.png").json()["job"] for k in range(40)]
        for _ in range(4):
            time.sleep(dice.uniform(0.1, 0.6))
            if workers := served.workers():
                os.kill(dice.choice(workers), signal.SIGKILL)
        _shorten_leases(served.folder)
        answers = [served.done(job) for job in ids]
        assert len(set(ids)) == 40
        assert {answer["state"] for answer in answers} == {"done"}
        for number, answer in enumerate(answers):
            assert answer["result"]["items"][0]["item"] == f"{number}.png"  # type: ignore[index]
        children = served.workers()
        served.process.kill()
        until(lambda: not any(_is_alive(child) for child in children), "the end of workers whose service is gone")


def test_a_job_that_a_killed_worker_left_half_done_is_done_again(tmp_path: Path) -> None:
    content = png(photograph(192))
    sha256 = hashlib.sha256(content).hexdigest()
    spool = Spool(tmp_path / "s")
    spool.file(sha256).parent.mkdir(parents=True)
    spool.file(sha256).write_bytes(content)
    queue = Queue(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    options = {"alpha": 0.05, "checks": "noise-level", "aids": False, "pdf": False}
    asked = Question(client="lab", kind="audit", sha256=sha256, name="a.png", options=options, version="1")
    job = queue.submit(asked)
    # What another worker had begun, of another path.
    (tmp_path / "other.png").write_bytes(content)
    audit_into(spool.results(job.id) / "run", (str(tmp_path / "other.png"),), AuditOptions(checks="noise-level"))
    answer = Worker(queue, spool, Models(None)).answer(job)
    queue.close()
    assert isinstance(answer, dict), answer
    assert answer["item"] == "a.png"
    assert all(spool.result(job.id, name).is_file() for name in answer["files"])
    left = tmp_path / "s" / "given" / "old"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    spool.sweep({sha256}, lambda: [job.id])
    assert not left.exists()
    assert spool.file(sha256).exists()
    assert spool.results(job.id).exists()

    def meanwhile() -> list[str]:
        spool.results("new").mkdir()
        return []

    spool.sweep({sha256}, meanwhile)
    assert spool.results("new").exists(), "of a job that came while it swept"
    assert not spool.results(job.id).exists(), "of a job that was cancelled and asked again"


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _shorten_leases(folder: Path) -> None:
    """What a killed worker held is free at once, instead of in a minute."""
    import sqlite3

    with sqlite3.connect(folder / "jobs.sqlite", timeout=60) as connection:
        connection.execute("UPDATE service_jobs SET lease = 0 WHERE state = 'running'")


def test_too_much_waits_and_a_restart_goes_on(detector: Path, tmp_path: Path) -> None:
    options = ("--detector", str(detector), "--max-open", "3")
    with serving(tmp_path / "s", *options, "--workers", "0") as served:
        answers = [ask(served.client(), "/v1/jobs/score", png(surface(k)), name=f"{k}") for k in range(5)]
        assert [answer.status_code for answer in answers] == [202] * 3 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) >= 1
        ids = [answer.json()["job"] for answer in answers[:3]]
        cancelled = served.client().delete(f"/v1/jobs/{ids[0]}").json()
        assert cancelled["state"] == "cancelled"
        assert served.stop() == 0
    with serving(tmp_path / "s", *options, "--workers", "1") as served:
        assert [served.done(job)["state"] for job in ids] == ["cancelled", "done", "done"]
        until(lambda: len(served.workers()) == 1, "the worker")
        os.kill(served.workers()[0], signal.SIGKILL)
        assert ask(served.client(), "/v1/score", png(surface(9))).json()["state"] == "done", "it was started again"
        children = served.workers()
        served.stop()
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_the_detector_is_exchanged_without_a_stop(detector: Path, tmp_path: Path) -> None:
    shutil.copytree(detector, tmp_path / "one")
    save(
        Detector(channels=["density vector"], chooses=False).fit([surface(k) for k in range(60, 90)]), tmp_path / "two"
    )
    current = tmp_path / "current"
    current.symlink_to("one")
    with serving(tmp_path / "s", "--detector", str(current), "--workers", "1") as served:
        with ThreadPoolExecutor(4) as pool:
            first = ask(served.client(), "/v1/score", png(surface(0)), name="x").json()
            pending = [pool.submit(ask, served.client(), "/v1/score", png(surface(k)), f"{k}") for k in range(1, 6)]
            (tmp_path / "next").symlink_to("two")
            (tmp_path / "next").rename(current)
            assert {each.result().status_code for each in pending} == {200}
        second = ask(served.client(), "/v1/score", png(surface(0)), name="x").json()
        assert first["version"] != second["version"]
        assert first["result"]["version"] == first["version"]
        assert second["result"]["version"] == second["version"]
        assert first["job"] != second["job"]


def test_requests_come_no_faster_than_agreed() -> None:
    bucket = Bucket(rate=10, most=2)
    assert (bucket.take(), bucket.take()) == (0, 0)
    wait = bucket.take()
    assert 0 < wait <= 0.1
    bucket.since -= 0.2
    assert bucket.take() == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [("lab short\n", "16 characters"), ("", "names no client"), ("a " + "x" * 20 + "\na " + "y" * 20, "already")],
)
def test_wrong_tokens_are_named_by_line(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "t").write_text(content)
    with pytest.raises(UsageError, match=why):
        read_tokens(tmp_path / "t")


def test_names_become_harmless_and_keep_their_suffix() -> None:
    assert safe_name("../../etc/pass wd\n.PNG") == "pass_wd_.PNG"
    assert safe_name("C:\\x\\scan.dcm") == "scan.dcm"
    assert safe_name("...") == "file"
    assert safe_name("ü" * 300 + ".jpg").endswith(".jpg")


def test_a_file_that_names_others_is_not_followed(service: Served, tmp_path: Path) -> None:
    """Whoever may send a table must not read what the service can: other clients' files, or the machine's."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(photograph(96)))
    for content, name in (
        (f"path\n{secret}\n".encode(), "m.csv"),
        (b"path\n../../files\n", "m.tsv"),
        (b"path\n/etc/passwd\n", "m.csv"),
        (b"", "DICOMDIR"),
    ):
        answers = [ask(service.client(), f"/v1/{kind}", content, name=name) for kind in ("audit", "score", "study")]
        answers.append(ask(service.client(), "/v1/generate", content, name=name, width=64, height=64))
        assert [answer.status_code for answer in answers] == [422] * 4
        assert {answer.json()["error"]["type"] for answer in answers} == {"UnsafePath"}
        assert not any(hidden in answer.text for answer in answers for hidden in ("secret", "root:", "first bytes"))


def test_nothing_is_read_of_those_without_a_token_or_of_what_is_too_large(service: Served) -> None:
    """The body never comes: the answer does not wait for it."""
    import socket
    from urllib.parse import urlsplit

    address = urlsplit(service.address)
    lab = f"authorization: Bearer {TOKENS['lab']}\r\n"
    for header, status in (("", b"401"), (lab, b"413")):
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            request = f"POST /v1/score HTTP/1.1\r\nhost: x\r\n{header}content-type: multipart/form-data; boundary=b\r\n"
            connection.sendall(f"{request}content-length: 300000000\r\n\r\n--b\r\n".encode())
            assert connection.recv(200).split()[1] == status

    def endless() -> Iterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(64):
            yield b"\0" * 2**20

    headers = {"content-type": "multipart/form-data; boundary=b"}
    try:
        status = service.client().post("/v1/score", content=endless(), headers=headers).status_code
    except httpx.TransportError:  # the connection was closed while there was more to come
        status = 413
    assert status == 413
    assert service.client().get("/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("form", "name"), [("charset=utf-7", b"+2AA-.png"), ("charset=unicode_escape", rb"\ud800.png")]
)
def test_a_name_with_half_a_character_is_a_name(service: Served, form: str, name: bytes) -> None:
    part = (
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\nno picture\r\n--b--\r\n'
    )
    headers = {"content-type": f"multipart/form-data; boundary=b; {form}"}
    answer = service.client().post("/v1/score", content=part, headers=headers)
    assert answer.status_code in (200, 400), answer.text


def test_unknown_checks_and_archives_are_refused_in_words(service: Served, tmp_path: Path) -> None:
    client, file = service.client(), {"file": ("a.png", b"no picture")}
    for checks in ("nope", "../x", ""):
        answer = client.post("/v1/audit", files=file, data={"options": json.dumps({"checks": checks})})
        assert answer.status_code == 422, answer.text
        assert "check" in answer.text
    answer = client.post("/v1/score", files={"file": ("batch.zip", b"PK\x05\x06" + bytes(18))})
    assert "job of its own" in answer.text
    tiny = client.post("/v1/score", files=file, data={"options": '{"alpha": 1e-320}'})
    assert "OverflowError" not in tiny.text


def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand connections that say nothing are all that would be served."""
    import uvicorn

    from oddpixel.service import door, prompt_requests

    monkeypatch.setattr(prompt_requests, "HEADERS_SECONDS", 0.5)
    monkeypatch.setattr(door, "SILENT_SECONDS", 1.0)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    app = FastAPI()
    app.add_middleware(door.Door, clients=Clients({}, 1000, 1000), most_bytes=10**6)
    app.mount("/", answer)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", http=prompt_requests.PromptRequests, limit_concurrency=5, lifespan="off")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    silent = [socket.create_connection(listening.getsockname()) for _ in range(8)]
    for number, each in enumerate(silent):
        each.sendall(b"" if number % 2 else b"POST /v1/score HTTP/1.1\r\nHost: x\r\n")
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    until(lambda: httpx.get(address).status_code == 200, "silent connections are ended")
    slow = socket.create_connection(listening.getsockname())
    slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    slow.settimeout(60)
    assert b" 408 " in slow.recv(1000)
    for each in (*silent, slow):
        each.close()
    server.should_exit = True
    thread.join(60)


def test_several_pictures_are_refused_in_words(service: Served) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for k in range(2):
            archive.writestr(f"{k}.png", png(photograph(96)))
    answer = ask(service.client(), "/v1/audit", file.getvalue(), name="a.zip")
    assert answer.status_code == 422
    assert "one at a time" in answer.json()["error"]["message"]


def test_accepted_jobs_wait_while_a_detector_is_exchanged(detector: Path, tmp_path: Path) -> None:
    shutil.copytree(detector, tmp_path / "current")
    with serving(tmp_path / "s", "--detector", str(tmp_path / "current"), "--workers", "0") as served:
        ids = [ask(served.client(), "/v1/jobs/score", png(surface(k)), f"{k}").json()["job"] for k in range(2)]
        served.stop()
    queue = Queue(f"sqlite:///{tmp_path / 's/jobs.sqlite'}")
    worker = Worker(queue, Spool(tmp_path / "s"), Models(tmp_path / "current"))
    (tmp_path / "current").rename(tmp_path / "gone")
    running = threading.Thread(target=worker.run, args=(os.getppid(),))
    running.start()
    time.sleep(2)
    assert all((job := queue.get(each)) is not None and job.is_open for each in ids)
    (tmp_path / "gone").rename(tmp_path / "current")
    until(lambda: all((job := queue.get(each)) is not None and not job.is_open for each in ids), "the jobs")
    worker.stopping.set()
    running.join()
    assert [getattr(queue.get(each), "state", None) for each in ids] == ["done", "done"]
    queue.close()
