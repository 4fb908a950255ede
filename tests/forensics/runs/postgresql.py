"""A real PostgreSQL server for a test session: its own data folder, a Unix socket only, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path


def find(program: str) -> str | None:
    """On the path, or where Debian keeps it."""
    installed = sorted(glob(f"/usr/lib/postgresql/*/bin/{program}"))
    return shutil.which(program) or (installed[-1] if installed else None)


@contextmanager
def server() -> Iterator[str]:
    """Start one and give its URL. PostgreSQL refuses to run as root, so there it runs as `nobody`."""
    initdb, pg_ctl = find("initdb"), find("pg_ctl")
    assert initdb is not None
    assert pg_ctl is not None
    folder = Path(tempfile.mkdtemp(prefix="oddpixel-pg-", dir="/tmp"))
    account: dict[str, int] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    data = folder / "data"

    def call(*command: object) -> None:
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        done = subprocess.run(
            [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, **account
        )
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        call(initdb, "-D", data, "-U", "oddpixel", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses='' -c max_connections=40"
        call(pg_ctl, "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://oddpixel@/postgres?host={folder}"
        finally:
            call(pg_ctl, "-D", data, "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
