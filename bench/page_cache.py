"""How much of a file is in the page cache, and a bound on what a process may hold there.

The bound is a memory control group of the kernel, version 1 or 2, which takes root; without one there is no figure.
"""

import contextlib
import mmap
import os
import pathlib
import shutil
import subprocess

from servers import ROOT  # noqa: F401  puts the harness into the path

from harness.outcome import NotRun

MADV_POPULATE_WRITE = 23  # of Linux 5.14
CONTROL_GROUPS = pathlib.Path("/sys/fs/cgroup")


def sync_and_drop():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")


def touch_free_memory(share=0.8):
    """Has a virtual machine given its memory before anything is measured: a page that the host has yet to find costs
    whoever writes it first several times as much, and that is no cost of a server. Returns the bytes touched."""
    free = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemAvailable:")) * 1024
    size = int(free * share) // mmap.PAGESIZE * mmap.PAGESIZE
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        try:
            memory.madvise(MADV_POPULATE_WRITE)
        except OSError:
            return 0
    return size


def cached_share(files):
    """Of the bytes of all these files, between 0 and 1."""
    if shutil.which("fincore") is None:
        raise NotRun("no fincore (Debian's util-linux-extra)")
    told = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES,SIZE", *map(str, files)],
                          check=True, capture_output=True, text=True).stdout
    rows = [tuple(map(int, line.split())) for line in told.splitlines()]
    return sum(resident for resident, _ in rows) / sum(size for _, size in rows)


class MemoryGroup:
    """What its processes take from now on is counted, page cache included."""

    def __init__(self, folder, usage, limit):
        self.folder, self.usage, self.limit = folder, folder / usage, folder / limit

    def leave_room_for(self, count):
        """Lets it take `count` bytes more than it has; what goes beyond pushes something out."""
        self.limit.write_text(str(int(self.usage.read_text()) + count))


@contextlib.contextmanager
def memory_group(pid):
    """Moves a process into a group of its own, for a while."""
    is_second_version = (CONTROL_GROUPS / "cgroup.controllers").exists()
    parent = CONTROL_GROUPS if is_second_version else CONTROL_GROUPS / "memory"
    folder = parent / f"barnabas-bench-{pid}"
    try:
        folder.mkdir()
        (folder / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise NotRun(f"no memory control group can be made: {error}") from error
    names = ("memory.current", "memory.max") if is_second_version else ("memory.usage_in_bytes",
                                                                      "memory.limit_in_bytes")
    try:
        yield MemoryGroup(folder, *names)
    finally:
        with contextlib.suppress(ProcessLookupError):
            (parent / "cgroup.procs").write_text(str(pid))
        folder.rmdir()
