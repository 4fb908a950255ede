"""A real service: its own process, its workers, a fitted detector. Nothing of it is replaced."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests import launch
from tests.patience import PATIENCE, until
from tests.shared import surfaces

TOKENS = {"lab": "a-token-that-nobody-guesses", "press": "another-that-nobody-guesses"}


@dataclass
class Served:
    """A running service."""

    process: launch.Started
    address: str
    log: Path
    folder: Path
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def client(self, name: str = "lab") -> httpx.Client:
        """Asks with a client's token."""
        if name not in self.clients:
            headers = {"authorization": f"Bearer {TOKENS[name]}"} if name in TOKENS else {}
            self.clients[name] = httpx.Client(base_url=self.address, headers=headers, timeout=PATIENCE, trust_env=False)
        return self.clients[name]

    def workers(self) -> list[int]:
        """Process ids of the workers that run now."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout
        return [int(line) for line in found.split()]

    def done(self, job: str, name: str = "lab") -> dict[str, object]:
        """The answer of a job, once there is one."""
        until(lambda: self.client(name).get(f"/v1/jobs/{job}").status_code != 202, f"job {job}")
        answer: dict[str, object] = self.client(name).get(f"/v1/jobs/{job}").json()
        return answer

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it, and wait for that."""
        for client in self.clients.values():
            client.close()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    """A service over a folder, ended at last."""
    tokens, log = folder.parent / "tokens", folder.parent / f"{folder.name}-{time.monotonic_ns()}.log"
    folder.parent.mkdir(parents=True, exist_ok=True)
    tokens.write_text("".join(f"{name} {token}\n" for name, token in TOKENS.items()))
    process = launch.start(
        *("serve", "--folder", folder, "--port", 0, "--tokens", tokens, *options),
        stderr=log,
        environment=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
    )
    served: Served | None = None
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+:\d+", line)
        assert found, f"{line}{log.read_text()}"
        served = Served(process, found[0], log, folder)
        until(lambda: _is_ready(found[0]), "the service")
        yield served
    finally:
        for client in served.clients.values() if served is not None else ():
            client.close()
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)
        process.stdout.close()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def detector() -> Path:
    return surfaces(24, channels=["density vector"])


@pytest.fixture(scope="module")
def service(detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(
        tmp_path_factory.mktemp("service") / "s", "--detector", str(detector), "--max-megabytes", "3"
    ) as served:
        yield served
