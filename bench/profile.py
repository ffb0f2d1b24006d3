#!/usr/bin/env python3
"""Says what the processor time of a request is made of, of the floor and of Barnabas side by side.

    bench/profile.py                      each load for ten seconds
    bench/profile.py fetch_64k --seconds 30

perf samples the server by its CPU clock, so a machine without performance counters will do. A sample in the kernel
counts for the system call that it was in; one of the program itself for what it was doing. The samples' shares are of
the CPU time that wirebench measured in the same seconds. Prints a table a load.
"""

import argparse
import collections
import concurrent.futures
import pathlib
import re
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from driver import BATCHES, SINGLE_RECORDS, Topic, loaded, output_of  # noqa: E402
from servers import ROOT, BenchBarnabas, NullServer  # noqa: E402
from warm_groups import SMALL_FETCH, warm_up  # noqa: E402

LOADS = {
    "batches": ("produce", BATCHES),
    "lz4": ("produce", [*BATCHES, "--codec", "lz4"]),
    "zstd": ("produce", [*BATCHES, "--codec", "zstd"]),
    "records": ("produce", SINGLE_RECORDS),
    "fetch_1m": ("fetch", []),
    "fetch_64k": ("fetch", ["--bytes", str(SMALL_FETCH)]),
}
# The first of which a function of the sample's chain is: in the kernel the system call, else what the innermost
# function of the program does. The null server's read() and write() are told apart by what they end in.
KERNEL_PARTS = [
    ("sendfile", r"sendfile|splice"),
    ("socket: send", r"sock_sendmsg|_sys_send|tcp_sendmsg|sock_write_iter"),
    ("socket: receive", r"sock_recvmsg|_sys_recv|tcp_recvmsg|sock_read_iter"),
    ("page cache: write", r"do_pwritev|vfs_write|do_writev|ksys_write|ksys_pwrite"),
    ("page cache: read", r"vfs_read|ksys_pread|ksys_read|do_preadv"),
    ("waiting for work", r"ep_poll|do_epoll|futex"),
]
PARTS = [
    ("checksum", r"crc32"),
    ("decompression", r"LZ4|ZSTD|HUF_|FSE_|XXH|liblz4|libzstd|libsnappy|isal_inflate"),
    ("memory: malloc, memcpy", r"malloc|_int_free|\bfree\b|cfree|operator (new|delete)|mem(move|cpy|set)"),
    ("records: framing and rules", r"protocol::.*(Record|validate)|RecordBytes"),
    ("messages: decode, encode", r"protocol::"),
    ("log: append, look-up", r"\blog::"),
    ("event loop", r"asio|epoll|reactor|move_only_function"),
    ("session and handlers", r"broker::"),
]
SAMPLE = re.compile(r"^\s*[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \((.*)\)$")


def part_of(chain):
    """Of the [(function, file)] of a sample, innermost first."""
    function, file = chain[0]
    if "kernel" in file:
        called = " ".join(name for name, place in chain if "kernel" in place)
        return next((part for part, pattern in KERNEL_PARTS if re.search(pattern, called)), "the rest of the kernel")
    inside = f"{function} {pathlib.Path(file).name}"
    return next((part for part, pattern in PARTS if re.search(pattern, inside)), "the rest of the program")


def parts_of(script):
    """{part: samples} of the output of `perf script -F ip,sym,dso`: a paragraph a sample."""
    counted = collections.Counter()
    for paragraph in script.split("\n\n"):
        chain = [match.groups() for match in map(SAMPLE.match, paragraph.splitlines()) if match]
        if chain:
            counted[part_of(chain)] += 1
    return counted


def profile(server, name, seconds, directory):
    """{part: microseconds a request}, and the figures of the load."""
    mode, options = LOADS[name]
    data = directory / f"{server.name}-{name}"
    with Topic(server, f"profile-{name}") as topic, concurrent.futures.ThreadPoolExecutor(1) as other:
        if mode == "fetch":
            loaded("produce", server, topic, 2, *BATCHES)
        load = other.submit(loaded, mode, server, topic, seconds + 2, *options)
        time.sleep(1)  # perf follows the threads that there are when it begins
        output_of(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-g", "-o", data, "-p", str(server.pid), "--",
                   "sleep", str(seconds)])
        found = load.result()
    samples = parts_of(output_of(["perf", "script", "-i", data, "-F", "ip,sym,dso"]))
    total = sum(samples.values())
    return {part: count / total * found["cpu_us_per_request"] for part, count in samples.items()}, found


def table_of(name, parts, totals):
    """`parts`: {server: {part: us}}."""
    lines = [f"## {name}", "", "| part | floor, us a request | Barnabas, us a request | difference |",
             "| --- | ---: | ---: | ---: |"]
    rows = sorted(set().union(*parts.values()), key=lambda part: -max(values.get(part, 0) for values in parts.values()))
    for part in rows:
        floor, ours = (parts[server].get(part, 0) for server in ("floor", "barnabas"))
        lines.append(f"| {part} | {floor:.2f} | {ours:.2f} | {ours - floor:+.2f} |")
    floor, ours = totals["floor"], totals["barnabas"]
    lines.append(f"| all | {floor:.2f} | {ours:.2f} | {ours - floor:+.2f} |")
    return "\n".join([*lines, ""])


def main(command_line):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=f"of {', '.join(LOADS)} (default all)")
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args(command_line)
    unknown = [name for name in arguments.loads if name not in LOADS]
    if unknown:
        parser.error(f"no such load: {', '.join(unknown)}")
    scratch = ROOT / "build" / "bench"
    scratch.mkdir(parents=True, exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="profile-", dir=scratch))
    servers = []
    try:
        for kind in (NullServer, BenchBarnabas):
            servers.append(kind(directory / kind.name))
            servers[-1].start()
            warm_up(servers[-1], 2)
            servers[-1].pause()
        for name in arguments.loads or LOADS:
            parts, totals = {}, {}
            for server in servers:
                server.resume()
                parts[server.name], found = profile(server, name, arguments.seconds, directory)
                totals[server.name] = found["cpu_us_per_request"]
                server.pause()
            print(table_of(name, parts, totals), flush=True)
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
