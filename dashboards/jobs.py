"""Long work that visitors start: a process each, with its log in a folder, that outlives page and session.

jobs/ID/job.json    what was asked for, by whom, when
jobs/ID/resumed     that another job went on with it

and what `job_runner` writes there.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from oddpixel.errors import RunError, UsageError

from .job_runner import Step, step_of

State = Literal["running", "done", "failed", "stopped"]
LOG_SHOWN = 40_000  # characters, the newest
MOST_RUNNING = 4
SECRETS = ("ODDPIXEL_TOKEN", "ODDPIXEL_OIDC_SECRET")
_starting = threading.Lock()  # counting the jobs and adding one is a single step
RUNNER = Path(__file__).with_name("job_runner.py")


@dataclass(frozen=True)
class Job:
    """One job, known by its folder; its state is read anew from the files at each access."""

    path: Path

    @property
    def record(self) -> dict[str, Any]:
        """What job.json holds: title, command, author, start time, process id."""
        content: dict[str, Any] = json.loads((self.path / "job.json").read_text())
        return content

    @property
    def state(self) -> State:
        """Whether the process still runs, and how it ended otherwise."""
        if not (self.path / "exit").exists() and _lives(self.record["pid"], self.path):
            return "running"
        # Looked for again: it may have ended between the two.
        status = (self.path / "exit").read_text().strip() if (self.path / "exit").exists() else None
        if status == "0":
            return "done"
        return "stopped" if status is None or (self.path / "stopped").exists() else "failed"

    @property
    def log(self) -> str:
        """The last `LOG_SHOWN` bytes of the log; empty before the first output."""
        try:
            with (self.path / "log").open("rb") as file:
                file.seek(0, 2)
                file.seek(max(file.tell() - LOG_SHOWN, 0))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    @property
    def step(self) -> Step | None:
        """The last step that the job printed."""
        return next((step for line in reversed(self.log.splitlines()) if (step := step_of(line)) is not None), None)

    def progress(self) -> tuple[int, int] | None:
        """The last `done/all` that the job printed."""
        return None if (step := self.step) is None else step.counts

    def seconds_left(self, step: Step) -> float | None:
        """How long the phase of that step may still take, at its own pace; None while nothing can be said."""
        try:
            begun = json.loads((self.path / "phase").read_text())
            printed = (self.path / "log").stat().st_mtime
        except (OSError, ValueError):
            return None
        gained = step.share - begun["share"]
        if begun["phase"] != step.phase or gained <= 0 or step.share >= 1:
            return None
        left: float = (printed - begun["begun"]) * (1 - step.share) / gained
        return max(left - (time.time() - printed), 0.0)

    def stop(self) -> None:
        """End the job's process. What it had written stays whole; the same command goes on from there."""
        if self.state == "running":
            (self.path / "stopped").touch()
            os.killpg(self.record["pid"], signal.SIGTERM)


@dataclass(frozen=True)
class Jobs:
    """All jobs of one dashboard folder."""

    folder: Path

    def all(self) -> list[Job]:
        """All jobs, newest first, but for those that another one went on with."""
        paths = sorted(self.folder.glob("*/job.json"), reverse=True)
        return [Job(path.parent) for path in paths if not (path.parent / "resumed").exists()]

    def resume(self, job: Job, author: str) -> Job:
        """Start the command of a job again that was stopped or failed: what it had written stays, and it goes on from there.

        Raises: UsageError for one that runs or is done, RunError.
        """
        if (state := job.state) not in ("stopped", "failed"):
            raise UsageError(f"this job is {state}; only one that was stopped or failed can go on")
        record = job.record
        own = record["command"][0] == "oddpixel"
        module, arguments = (
            ("oddpixel", record["command"][1:]) if own else (record["command"][2], record["command"][3:])
        )
        out = None if record["out"] is None else Path(record["out"])
        again = self.start(record["title"], arguments, author, out, module=module, once=record.get("once"))
        (job.path / "resumed").touch()
        return again

    def running(self, once: str) -> Job | None:
        """The job that was started with this `once`, as long as it runs."""
        return next((job for job in self.all() if job.record.get("once") == once and job.state == "running"), None)

    def start(
        self,
        title: str,
        arguments: Sequence[str],
        author: str,
        out: Path | None = None,
        *,
        module: str = "oddpixel",
        once: str | None = None,
    ) -> Job:
        """Start `python -m MODULE ARGUMENTS` as a job.

        Arguments:
            once: what the job is about. While one about the same runs, that one is returned, and no second one started.

        Raises: UsageError where too many are running, RunError.
        """
        with _starting:
            if once is not None and (job := self.running(once)) is not None:
                return job
            if sum(job.state == "running" for job in self.all()) >= MOST_RUNNING:
                raise UsageError(f"{MOST_RUNNING} jobs are running already; stop one, or wait")
            shown = ["oddpixel"] if module == "oddpixel" else ["python", "-m", module]
            about = {"title": title, "command": [*shown, *arguments], "author": author, "once": once}
            about["out"] = None if out is None else str(out)
            return self._started([sys.executable, "-m", module, *arguments], about)

    def _started(self, command: Sequence[str], about: Mapping[str, Any]) -> Job:
        path = self.folder / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"
        try:
            path.mkdir(parents=True)
            process = subprocess.Popen(
                [sys.executable, "-I", str(RUNNER), str(path), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
            started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            # Whole at once: other visitors' pages look for it meanwhile.
            written = path / "job.json.tmp"
            written.write_text(json.dumps({**about, "pid": process.pid, "started": started}, indent=1))
            written.rename(path / "job.json")
        except (OSError, ValueError) as error:  # a name that no command line takes is a ValueError
            raise RunError(f"the job cannot be started in {self.folder}: {error}") from error
        return Job(path)


def _environment() -> dict[str, str]:
    """The server's own, without its secrets: what a job reads may be hostile, and what it prints is shown."""
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return kept | {"ODDPIXEL_PROGRESS": "lines", "NO_COLOR": "1"}


def _lives(pid: int, path: Path) -> bool:
    """Whether that process is still this job's: numbers of processes are used again."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # ours may have ended without anyone asking
    try:
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline")
        if not command.exists():
            return True
        ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        # Empty for a moment while the process becomes what it is to run.
        command_line = command.read_bytes()
        return not ended and (not command_line or str(path).encode() in command_line)
    except OSError:
        return False
