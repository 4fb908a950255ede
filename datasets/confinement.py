"""Confinement of a decoding worker before its first untrusted byte (Linux; all steps but the limits are best effort).

* resource limits: address space, no core dumps, no byte written to any file, few open files (setrlimit(2));
* no new privileges, death with the parent (prctl(2));
* no creating, writing or removing anything in the file system (Landlock, Linux >= 5.13);
* no network (a network namespace of its own, where the kernel allows it).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SYS_LANDLOCK_CREATE_RULESET, SYS_LANDLOCK_RESTRICT_SELF = 444, 446
# All of ABI 1 but execute, read-file and read-dir: bits 1 and 4..12 of linux/landlock.h.
LANDLOCK_WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 13))
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def confine(memory_bytes: int) -> dict[str, bool]:
    """Give up everything listed above; returns which of the best-effort steps succeeded."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write to a file fails instead of killing the worker
    if not sys.platform.startswith("linux"):
        return {"no_new_privileges": False, "no_network": False, "no_file_writes": False}
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    succeeded = {"no_new_privileges": libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0}
    succeeded["no_network"] = _leave_network(libc)
    succeeded["no_file_writes"] = _forbid_writes(libc)
    return succeeded


def limit_cpu(seconds: int) -> None:
    """Allow this many more seconds of processor time; the kernel kills the process when they are used up."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def _leave_network(libc: ctypes.CDLL) -> bool:
    flags = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWNET | CLONE_NEWUSER
    result: bool = libc.unshare(flags) == 0
    return result


def _forbid_writes(libc: ctypes.CDLL) -> bool:
    handled = ctypes.c_uint64(LANDLOCK_WRITES)
    ruleset = libc.syscall(SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    try:
        result: bool = libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0
        return result
    finally:
        os.close(ruleset)
