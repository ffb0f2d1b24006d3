"""A small disk of the test's own: an ext4 in a file, mounted by a loop device, which may lose its power, hang, be full.

It is mounted in a mount namespace of the test's process, so it is gone with it, whatever becomes of the test. Needs
root, loop devices and mkfs.ext4; where they are missing the test is not run.
"""

import ctypes
import fcntl
import os
import pathlib
import struct
import subprocess
import time

from . import places
from .outcome import NotRun, check

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x00020000
EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2                # The journal stays in memory too: as when the power goes.


def own_mount_namespace():
    """Mounts of this process and of those it starts are seen by nobody else from now on. Call it before any thread."""
    if os.geteuid() != 0:
        raise NotRun("only root may mount a disk")
    if LIBC.unshare(CLONE_NEWNS) != 0:
        raise NotRun(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    call("mount", "--make-rprivate", "/", why="no mount namespace")


def call(*command, why):
    """Runs a command of the system that the test cannot do without."""
    done = subprocess.run([places.command(command[0]), *map(str, command[1:])], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise NotRun(f"{why}: {(done.stdout + done.stderr).strip()}")


class SmallDisk:
    """Mounted when it is made, below `directory`. Processes that use it must have ended before it is unmounted."""

    def __init__(self, directory, megabytes=64):
        memory, self.path = pathlib.Path(directory) / "disk-memory", pathlib.Path(directory) / "disk"
        self.image = memory / "image"
        memory.mkdir()
        self.path.mkdir()
        # In memory: a sync is as quick on any machine.
        call("mount", "-t", "tmpfs", "-o", f"size={megabytes + 8}m", "tmpfs", memory, why="no tmpfs")
        self.megabytes = megabytes
        self.make()

    def make(self):
        """A new file system, mounted."""
        with open(self.image, "wb") as file:
            file.truncate(self.megabytes << 20)
        # Like a disk that has been in use: no blocks kept for root, and inodes are there from the beginning.
        call("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0", self.image, why="no ext4")
        self.mount()

    def mount(self):
        call("mount", "-o", "loop", self.image, self.path, why="no loop device to mount a disk by")
        self.free()  # Power that went soon after free() brought back what it had removed.

    def close(self):
        self.unmount()
        subprocess.run(["umount", str(self.image.parent)], stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def unmount(self):
        """The kernel may hold a disk that died for a moment longer."""
        deadline = time.monotonic() + 10
        while True:
            done = subprocess.run(["umount", str(self.path)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode == 0:
                return
            check(time.monotonic() < deadline, f"the disk cannot be unmounted: {done.stderr}")
            time.sleep(0.05)

    def write_back(self):
        """What the kernel does from time to time: everything is written. Of a disk that is dead nothing."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            LIBC.syncfs(descriptor)
        finally:
            os.close(descriptor)

    def lose_power(self):
        """Nothing that was not synced reaches the disk from now on; every later call on it fails. A sync that is under
        way just then may say that it succeeded, and did not (seen on Linux 6.18, without a broker): whoever counts on
        what was synced ends the node before."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def make_empty(self):
        """Another disk in its place. Nobody uses the old one any more."""
        self.unmount()
        self.make()

    def copy_to(self, directory):
        subprocess.run(["cp", "-r", str(self.path), str(directory)], stdin=subprocess.DEVNULL, capture_output=True,
                       check=False)

    def fill(self):
        """Takes what room there is; free() gives it back."""
        descriptor = os.open(self.path / "filling", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for size in (1 << 20, 4096, 1):
            try:
                while os.write(descriptor, b"." * size):
                    pass
            except OSError:
                continue
        os.close(descriptor)

    def free(self):
        (self.path / "filling").unlink(missing_ok=True)

    def power_up(self):
        """After lose_power(), once nobody uses the disk any more: what was synced is there."""
        self.unmount()
        self.mount()

    def freeze(self):
        """Whoever writes or syncs hangs until thaw()."""
        call("fsfreeze", "--freeze", self.path, why="no fsfreeze")

    def thaw(self):
        call("fsfreeze", "--unfreeze", self.path, why="no fsfreeze")

    def free_bytes(self):
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize
