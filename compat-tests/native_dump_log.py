#!/usr/bin/env python3
"""kafka-dump-log of ours says the same as Apache Kafka's of every file in data directories that Kafka left.

Segments with every decoder that fits, indexes, producer snapshots, metadata snapshots; then files that were damaged
on purpose. Output and exit code are compared, and what is told on standard error where the tool does not fail.
"""

import pathlib
import shutil
import subprocess
import tarfile

from harness import case, places
from harness.outcome import check, check_equal, step
from harness.tool_runner import ToolRunner

TESTDATA = places.COMPAT_TESTS / "testdata"
SUFFIXES = (".log", ".index", ".timeindex", ".snapshot", ".txnindex", ".checkpoint")
DECODERS = {"__consumer_offsets": "--offsets-decoder", "__transaction_state": "--transaction-log-decoder",
            "__share_group_state": "--share-group-state-decoder", "__cluster_metadata": "--cluster-metadata-decoder"}
FILES_A_RUN = 6


class Tools:
    """Kafka's tool and ours, in one directory."""

    def __init__(self, directory):
        self.directory = directory
        self.program = places.built_program("barnabas-tools")
        self.runner = ToolRunner(directory)
        self.count = 0

    def ours(self, arguments):
        return subprocess.run([self.program, "kafka-dump-log", *arguments], cwd=self.directory, capture_output=True,
                              text=True, errors="replace", timeout=60)

    def compare(self, files, *options):
        arguments = ["--files", ",".join(map(str, files)), *options]
        theirs, ours = self.runner.call("kafka-dump-log", arguments), self.ours(arguments)
        what = " ".join(["kafka-dump-log", *(path[-60:] for path in map(str, files)), *options])
        check_equal(ours.returncode, theirs.code, f"{what}: the exit code ({ours.stderr[-500:]})")
        check_same_lines(ours.stdout.splitlines(), theirs.out.splitlines(), what)
        if theirs.code == 0:
            # Several files' findings come in the order of a hash map.
            check_equal(sorted(ours.stderr.splitlines()), sorted(theirs.err.splitlines()), f"{what}: standard error")
        self.count += len(files)


def check_same_lines(ours, theirs, what):
    for number, (got, expected) in enumerate(zip(ours, theirs), 1):
        check_equal(got, expected, f"{what}: line {number}")
    check_equal(len(ours), len(theirs), f"{what}: the number of lines")


def decoder_of(path):
    return next((option for prefix, option in DECODERS.items() if path.parent.name.startswith(prefix)), None)


def compare_directory(tools, root):
    by_decoder = {}
    for path in sorted(root.rglob("*")):
        if path.suffix in SUFFIXES and path.stat().st_size > 0:
            by_decoder.setdefault(decoder_of(path), []).append(path.relative_to(tools.directory))
    for decoder, files in by_decoder.items():
        for first in range(0, len(files), FILES_A_RUN):
            options = [decoder] if decoder else ["--print-data-log"]
            tools.compare(files[first:first + FILES_A_RUN], *options)


def first_segment(root, least_bytes):
    return next(path for path in sorted(root.rglob("__cluster_metadata-0/*.log")) if path.stat().st_size > least_bytes)


def compare_damaged(tools, root):
    segment = first_segment(root, 1000)
    changes = {
        "cut": (segment.name, lambda content: content[:-20]),
        "flipped": (segment.name, lambda content: content[:70] + bytes([content[70] ^ 255]) + content[71:]),
        "zeros": (segment.name, lambda content: content + bytes(100)),
        "position": (segment.stem + ".index", lambda content: content[:4] + bytes(4) + content[8:]),
        "timestamp": (segment.stem + ".timeindex", lambda content: content[:7] + bytes([content[7] ^ 255]) + content[8:]),
    }
    for name, (file, change) in changes.items():
        folder = tools.directory / name
        shutil.copytree(segment.parent, folder)
        content = (folder / file).read_bytes()
        check(len(content) >= 8, f"{file} has something to damage")
        (folder / file).unlink()
        (folder / file).write_bytes(change(content))
        path = pathlib.Path(name) / file
        tools.compare([path])
        if path.suffix == ".log":
            tools.compare([path], "--max-bytes", "300", "--cluster-metadata-decoder", "--skip-record-metadata")
        else:
            tools.compare([path], "--verify-index-only")
            tools.compare([path], "--index-sanity-check")


def run(case):
    tools = Tools(case.scratch)
    with tools.runner:
        for archive in sorted(TESTDATA.glob("kafka-4.3.1-*.tar.xz")):
            root = case.scratch / archive.name.removesuffix(".tar.xz")
            with tarfile.open(archive) as content:
                content.extractall(root, filter="data")
            compare_directory(tools, root)
            step(f"{archive.name}: every file says the same")
        compare_damaged(tools, root)
        step("damaged files are told of in the same words")
        for arguments in (["nothere.log"], ["none"], ["x.checkpoint"]):
            tools.compare(arguments)
        tools.compare(["a"], "--bogus")
        tools.compare(["none"], "--value-decoder-class", "no.such.Decoder", "--print-data-log")
        step("what is not there, has no name of Kafka's, or is no option ends with the same exit code")
    step(f"{tools.count} files")


if __name__ == "__main__":
    case.main(run)
