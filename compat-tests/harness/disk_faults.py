"""Syncs and writes of a broker that fail at the n-th call, and a wall clock that jumps: the test's side of
disk_faults/disk_faults.cpp."""

import ctypes
import mmap

from . import places

SYNC, WRITE = 1, 2
LIE = 0  # In the place of an error: the call says that it succeeded, and nothing was done.


class Control(ctypes.Structure):
    _fields_ = [("countdown", ctypes.c_uint64), ("matched", ctypes.c_uint64), ("injected", ctypes.c_uint64),
                ("injected_at_ns", ctypes.c_uint64), ("error", ctypes.c_int32), ("calls", ctypes.c_uint32),
                ("lasting", ctypes.c_uint32), ("torn", ctypes.c_uint32), ("clock_shift_ns", ctypes.c_int64),
                ("path_part", ctypes.c_char * 200),
                ("path", ctypes.c_char * 256)]


class DiskFaults:
    """What is injected into one broker, whose `environment` it goes into before the start. Disarmed at first."""

    def __init__(self, directory):
        self.library = places.built_program("libdisk_faults.so")
        path = directory / "disk-faults"
        with open(path, "w+b") as file:
            file.truncate(ctypes.sizeof(Control))
            self.control = Control.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(Control)))
        self.environment = {"LD_PRELOAD": str(self.library), "DISK_FAULTS": str(path)}

    def arm(self, calls, error, at, path_part="", lasting=False, torn=False):
        """From now on the at-th of these calls fails, of files whose path has that part."""
        self.disarm()
        self.control.error, self.control.calls = error, calls
        self.control.lasting, self.control.torn = lasting, torn
        self.control.path_part = path_part.encode()
        self.control.countdown = at

    def disarm(self):
        self.control.countdown = 0
        self.control.matched = self.control.injected = self.control.injected_at_ns = 0
        self.control.path = b""

    def shift_clock(self, seconds):
        """The broker's wall clock is wrong by that from now on, until it is told otherwise."""
        self.control.clock_shift_ns = int(seconds * 1e9)

    @property
    def injected(self):
        """How many calls have failed."""
        return self.control.injected

    @property
    def seconds(self):
        """When the first one failed, as time.monotonic() tells it; None when none has."""
        return self.control.injected_at_ns / 1e9 if self.control.injected else None

    @property
    def path(self):
        """The file of the first one."""
        return self.control.path.decode()
