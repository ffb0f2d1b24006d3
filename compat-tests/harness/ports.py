"""Ports for what a test starts."""

import os
import pathlib
import socket
import threading
import time

GIVEN, CHOOSING = set(), threading.Lock()  # What this process was given already may not be taken yet.


def free_ports(count):
    """Ports that nobody listens on now, all different, below the range for outgoing connections: a client's
    connection must not take one while its broker is down. No port is given twice."""
    with CHOOSING:
        return choose(count)


def choose(count):
    lowest_outgoing = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    first, last = max(1024, lowest_outgoing - 16000), lowest_outgoing - 1
    found, sockets = [], []
    candidate = first + (os.getpid() * 7919 + time.monotonic_ns() // 1000) % (last - first)
    while len(found) < count:
        candidate = candidate + 1 if candidate < last else first
        if candidate in GIVEN:
            continue
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
        except OSError:
            listener.close()
            continue
        sockets.append(listener)
        found.append(candidate)
    for listener in sockets:
        listener.close()
    GIVEN.update(found)
    return found
