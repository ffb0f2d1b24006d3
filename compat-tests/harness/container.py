"""A container without an engine: a copy of the image's root file system, entered by chroot in namespaces of its own
(mounts, processes, network, host name), with a host's ports forwarded to it.

The command is process 1 there, as with an engine. Stopping sends the image's signal to it, and SIGKILL after a
while; killing it ends everything in it.
"""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from .broker import free_ports
from .outcome import check

ADDRESS = "172.31.0.2"
CLONE_NEWNET = 0x40000000

# In the new namespaces, before the root is changed. $1 is the root, $2 the host's name, $3 its address, then the
# command.
ENTER = r"""
set -e
root=$1 name=$2 address=$3
shift 3
hostname "$name"
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  : > "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
"$root/usr/bin/busybox" ip link set lo up
"$root/usr/bin/busybox" ip addr add "$address/32" dev lo
exec "$@"
"""


class Forwarder:
    """Ports of this host's 127.0.0.1, each forwarded to a port inside. Listens before the container exists, as an
    engine does; what connects too early is closed."""

    def __init__(self, ports):
        self.mapped, self.listeners, self.process_id, self.ended = {}, [], None, False
        for inside, outside in zip(ports, free_ports(len(ports)) if ports else []):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", outside))
            listener.listen(64)
            self.mapped[inside] = outside
            self.listeners.append((listener, inside))

    def start(self, process_id):
        self.process_id = process_id
        for listener, inside in self.listeners:
            threading.Thread(target=self._accept, args=(listener, inside), daemon=True).start()

    def _accept(self, listener, inside):
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{self.process_id}/ns/net") as namespace:
            check(libc.setns(namespace.fileno(), CLONE_NEWNET) == 0, "setns failed")  # this thread only
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket()  # made in the container's network
            try:
                far.connect(("127.0.0.1", inside))
            except OSError:
                near.close()
                continue
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=pump, args=(source, target), daemon=True).start()

    def close(self):
        for listener, _ in self.listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Container:
    """One container of a root file system. create() copies it, start() runs its command."""

    def __init__(self, root, folder, config, ports=(), name="broker", hosts=()):
        self.folder, self.config, self.name = pathlib.Path(folder), config, name
        self.root, self.log_file = self.folder / "root", self.folder / "output.txt"
        self.folder.mkdir(parents=True)
        subprocess.run(["cp", "-a", "--reflink=auto", str(root), str(self.root)], check=True)
        aliases = "".join(f"{ADDRESS} {host}\n" for host in (name, *hosts))
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{aliases}")
        self.forwarder = Forwarder([int(port) for port in ports])
        self.unshare, self.process_id, self.exit_code = None, None, None
        self.log_file.touch()

    def port(self, inside):
        """The port of this host that leads to `inside`."""
        return self.forwarder.mapped[inside]

    def start(self, command=None, environment=None):
        """`command` goes in the place of the image's CMD; entrypoints that modules replace are part of it, with
        config.entrypoint emptied."""
        words = [*self.config.entrypoint, *(self.config.command if command is None else command)]
        arguments = ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child=KILL",
                     "sh", "-c", ENTER, "sh", str(self.root), self.name, ADDRESS,
                     "chroot", *self.user_options(), str(self.root), *self.clean_environment(environment), *words]
        self.log_start = self.log_file.stat().st_size
        with open(self.log_file, "ab") as output:
            self.began = time.monotonic()
            self.unshare = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, start_new_session=True)
        children = pathlib.Path(f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children")
        while not (found := children.read_text().split()):
            if self.unshare.poll() is not None:
                return self
            time.sleep(0.001)
        self.process_id = int(found[0])
        while self.running() and os.readlink(f"/proc/{self.process_id}/root") != str(self.root):
            time.sleep(0.001)  # not entered yet
        self.forwarder.start(self.process_id)
        return self

    def user_options(self, user=None):
        user = user or self.config.user
        if user == "root":
            return []
        known = {line.split(":")[0]: line.split(":") for line in (self.root / "etc/passwd").read_text().splitlines()}
        by_id = {entry[2]: entry for entry in known.values()}
        entry = known.get(user) or by_id[user]
        return [f"--userspec={entry[2]}:{entry[3]}", f"--groups={entry[3]},0"]

    def clean_environment(self, extra=None):
        values = {"HOME": "/home/appuser" if self.config.user == "appuser" else "/root", "HOSTNAME": self.name,
                  **self.config.environment, **(extra or {})}
        return ["/usr/bin/env", "-i", "-C", self.config.working_folder or "/",
                *(f"{name}={value}" for name, value in values.items())]

    def execute(self, *command, user=None, environment=None, stdin=None, timeout=60):
        """As `docker exec`: a command inside, its output and exit code returned."""
        return subprocess.run(self.execute_command(command, user, environment), input=stdin,
                              stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, text=True,
                              timeout=timeout)

    def execute_command(self, command, user=None, environment=None):
        return ["nsenter", "--target", str(self.process_id), "--mount", "--pid", "--net", "--uts", "--ipc",
                "chroot", *self.user_options(user), str(self.root),
                *self.clean_environment({**(self.environment_of_start or {}), **(environment or {})}), *command]

    environment_of_start = None

    def copy_in(self, path, content, mode=0o644):
        """As an engine copies an archive: beside and then in its place, so that nobody sees half of it."""
        target = self.root / str(path).lstrip("/")
        beside = target.with_name(target.name + ".incoming")
        beside.write_bytes(content if isinstance(content, bytes) else content.encode())
        beside.chmod(mode)
        beside.rename(target)

    def output(self):
        return self.log_file.read_bytes()[self.log_start:].decode(errors="replace")

    def running(self):
        return self.unshare is not None and self.unshare.poll() is None

    def wait_for_line(self, expression, seconds=30):
        """Waits as the modules do: for a line of the output that matches. Returns seconds since the start."""
        wanted = re.compile(expression)
        while True:
            ended = not self.running()
            if any(wanted.search(line) for line in self.output().splitlines()):
                return time.monotonic() - self.began
            check(not ended, f"it ended with exit code {self.unshare.returncode} before {expression!r}:\n{self.output()}")
            check(time.monotonic() - self.began < seconds, f"no {expression!r} in {seconds} s:\n{self.output()}")
            time.sleep(0.002)

    def wait(self, seconds=30):
        """Its exit code, as an engine tells it."""
        code = self.unshare.wait(seconds)
        return 128 - code if code < 0 else code

    def stop(self, seconds=10):
        """As `docker stop`; returns the seconds that it took."""
        begun = time.monotonic()
        if self.running():
            os.kill(self.process_id, getattr(signal, self.config.stop_signal))
            try:
                self.unshare.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return time.monotonic() - begun

    def kill(self):
        if self.running():
            if self.process_id:
                os.kill(self.process_id, signal.SIGKILL)
            self.unshare.kill()
        if self.unshare:
            self.unshare.wait()
        self.forwarder.close()

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
