"""A network of the test's own: namespaces joined by network_switch, which loses, delays, doubles and blocks what passes
between any two of them, in each direction by itself.

Place 0 is the test's, where its clients run once enter(0) was called; nodes live at the others. Needs root, network
namespaces and /dev/net/tun; where they are missing the test is not run, and says what is missing.
"""

import ctypes
import mmap
import os
import subprocess

from . import places
from .outcome import NotRun, check

MOST = 8
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Rule(ctypes.Structure):
    _fields_ = [("is_blocked", ctypes.c_uint32), ("lost_per_million", ctypes.c_uint32),
                ("doubled_per_million", ctypes.c_uint32), ("delay_us", ctypes.c_uint32),
                ("jitter_us", ctypes.c_uint32), ("unused", ctypes.c_uint32), ("passed", ctypes.c_uint64),
                ("dropped", ctypes.c_uint64)]


class Control(ctypes.Structure):
    _fields_ = [("seed", ctypes.c_uint64), ("rules", Rule * MOST * MOST)]


class OwnNetwork:
    """Not thread-safe. It is gone when its process ends; close() ends the switch before."""

    def __init__(self, directory, count, seed=1):
        if os.geteuid() != 0:
            raise NotRun("only root may make network namespaces")
        if not os.path.exists("/dev/net/tun"):
            raise NotRun("no /dev/net/tun on this machine")
        places.command("nsenter")
        self.count, path = count, directory / "network"
        with open(path, "w+b") as file:
            file.truncate(ctypes.sizeof(Control))
            self.control = Control.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(Control)))
        self.control.seed = seed
        self.process = subprocess.Popen([places.built_program("network_switch"), path, str(count)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        lines = [self.process.stdout.readline().strip() for _ in range(count + 1)]
        if lines[-1] != "ready":
            raise NotRun(f"no network namespaces: {self.process.communicate()[1].strip()}")
        self.handles = [f"/proc/{self.process.pid}/fd/{line}" for line in lines[:-1]]

    def address(self, place):
        return f"10.73.0.{place + 1}"

    def prefix(self, place):
        """Before a command that is to run there."""
        return [places.command("nsenter"), f"--net={self.handles[place]}"]

    def enter(self, place):
        """This thread, and all that it starts from now on."""
        descriptor = os.open(self.handles[place], os.O_RDONLY)
        failed = LIBC.setns(descriptor, CLONE_NEWNET) != 0
        why = os.strerror(ctypes.get_errno())
        os.close(descriptor)
        if failed:
            raise NotRun(f"no network namespace can be entered: {why}")

    def rule(self, sender, receiver):
        return self.control.rules[sender][receiver]

    def block(self, senders, receivers):
        """Nothing goes from any of the first to any of the second any more."""
        for sender in senders:
            for receiver in receivers:
                self.rule(sender, receiver).is_blocked = 1

    def separate(self, some, others):
        self.block(some, others)
        self.block(others, some)

    def shape(self, pairs, lost=0.0, doubled=0.0, delay_ms=0.0, jitter_ms=0.0):
        """Parts of one, and milliseconds, for each (sender, receiver)."""
        for sender, receiver in pairs:
            rule = self.rule(sender, receiver)
            rule.lost_per_million, rule.doubled_per_million = int(lost * 1e6), int(doubled * 1e6)
            rule.delay_us, rule.jitter_us = int(delay_ms * 1000), int(jitter_ms * 1000)

    def heal(self):
        for sender in range(self.count):
            for receiver in range(self.count):
                self.rule(sender, receiver).is_blocked = 0
                self.shape([(sender, receiver)])

    def dropped(self):
        """Frames that were lost or blocked so far."""
        return sum(self.rule(sender, receiver).dropped for sender in range(self.count) for receiver in range(self.count))

    def check_alive(self):
        check(self.process.poll() is None, "the switch ended")

    def close(self):
        self.process.kill()
        self.process.wait()
