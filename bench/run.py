#!/usr/bin/env python3
"""Measures Barnabas beside Apache Kafka 4.3.1 and beside the least a broker can do, in one run on this machine.

    bench/run.py                       everything, three rounds, about a quarter of an hour
    bench/run.py --quick               one short round, for a first look
    bench/run.py --no-kafka            only the floor and Barnabas
    bench/run.py --only codecs flush   only these groups, or the groups of these figures
    bench/run.py --list                the groups and their figures
    bench/run.py --only partitions --partitions 20000
    bench/run.py --only compaction --compaction-mb 10000

Prints a table and writes it to bench/results/<date>.md, with a picture of it in <date>.svg; with --only the groups are
part of the name. What counts are the ratios. A bad figure is not an error; a server that does not serve is.
"""

import argparse
import datetime
import os
import pathlib
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import own_groups  # noqa: E402
import page_cache  # noqa: E402
import report  # noqa: E402
import warm_groups  # noqa: E402
from figures import FIGURES, GROUPS, groups_named  # noqa: E402
from servers import ROOT, BenchBarnabas, BenchKafka, NullServer  # noqa: E402

from harness.outcome import NotRun  # noqa: E402

DESCRIPTORS = 500_000
DESCRIPTORS_PER_PARTITION = 2.1  # of two segments
MAPPINGS_PER_PARTITION = 5
MAX_MAP_COUNT = pathlib.Path("/proc/sys/vm/max_map_count")
# Standard and quick.
SIZES = {"seconds": (3, 2), "rounds": (3, 1), "warm_up": (30, 30), "idle_seconds": (3, 1), "connections": (10_000, 10_000),
         "partitions": (1000, 200), "compaction_mb": (500, 100), "backlog_mb": (2000, 800),
         "client_records": (500_000, 200_000), "loaded_offsets": (1_000_000, 200_000)}


def arguments_of(command_line):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of short measurements")
    parser.add_argument("--no-kafka", action="store_true", help="leave Apache Kafka out")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="groups or figures")
    parser.add_argument("--list", action="store_true", help="list groups and figures")
    parser.add_argument("--seconds", type=float, help="of each load (default 3, quick 2)")
    parser.add_argument("--rounds", type=int, help="medians are of so many (default 3, quick 1)")
    parser.add_argument("--warm-up", type=float, help="seconds of produce load on Kafka first (default 30)")
    parser.add_argument("--idle-seconds", type=float, help="before memory is looked at (default 3, quick 1)")
    parser.add_argument("--connections", type=int, help="idle ones (default 10000)")
    parser.add_argument("--partitions", type=int, help="with two segments each (default 1000, quick 200)")
    parser.add_argument("--compaction-mb", type=int, help="size of the log that is compacted (default 500, quick 100)")
    parser.add_argument("--backlog-mb", type=int, help="read from the disk beside a tail (default 2000, quick 800)")
    parser.add_argument("--client-records", type=int, help="of 1 kB, by real clients (default 500000, quick 200000)")
    parser.add_argument("--loaded-offsets", type=int, help="records of offsets to load (default 1000000, quick 200000)")
    parser.add_argument("--directory", type=pathlib.Path, default=ROOT / "build" / "bench",
                        help="where the servers keep their data while they run")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench" / "results")
    given = parser.parse_args(command_line)
    for name, (standard, quick) in SIZES.items():
        if getattr(given, name) is None:
            setattr(given, name, quick if given.quick else standard)
    given.keys = given.compaction_mb * 1000
    try:
        given.groups = groups_named(given.only)
    except ValueError as error:
        parser.error(str(error))
    return given


def said_by(command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return (done.stdout + done.stderr).strip()


def about(arguments, touched):
    """Lines that tell what was measured where."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    lines = [f"{datetime.datetime.now():%Y-%m-%d %H:%M}, commit {said_by(['git', 'describe', '--always', '--dirty'])}",
             f"{model}, {os.cpu_count()} cores, Linux {platform.release()}; server on core 0, client on core 1",
             f"medians of {arguments.rounds} rounds, {arguments.seconds:g} s each load; load average before the run: "
             + " ".join(f"{load:.1f}" for load in os.getloadavg())]
    lines.append(f"{touched / 1e9:.1f} GB of free memory touched before the run")
    if not arguments.no_kafka:
        lines.append(f"{said_by(['java', '-version']).splitlines()[0]}; Kafka after {arguments.warm_up:g} s of produce load")
    return lines


def allow_descriptors():
    """As many as the system gives; brokers and clients inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, max(hard, DESCRIPTORS)))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def check_descriptors(arguments):
    needed, (allowed, _) = arguments.partitions * DESCRIPTORS_PER_PARTITION + 1000, resource.getrlimit(resource.RLIMIT_NOFILE)
    if "partitions" in arguments.groups and allowed < needed:
        sys.exit(f"{arguments.partitions} partitions need about {needed:.0f} open files; the limit is {allowed} (ulimit -n)")


def check_mappings(arguments):
    """Apache Kafka maps the indexes of every segment and ends when the system does not let it."""
    needed = arguments.partitions * MAPPINGS_PER_PARTITION + 5000
    allowed = int(MAX_MAP_COUNT.read_text())
    if "partitions" in arguments.groups and not arguments.no_kafka and allowed < needed:
        sys.exit(f"{arguments.partitions} partitions of Apache Kafka need more mappings than vm.max_map_count={allowed} "
                 f"allows: sysctl -w vm.max_map_count={needed}")


def start_all(kinds, directory, arguments):
    """Started, warm and paused."""
    servers = []
    try:
        for kind in kinds:
            server = kind(directory / kind.name)
            servers.append(server)
            server.start()
            print(f"warming up: {server.name}", flush=True)
            warm_groups.warm_up(server, arguments.warm_up if server.name == "kafka" else 2)
            server.pause()
    except BaseException:
        kill_all(servers)
        raise
    return servers


def kill_all(servers):
    for server in servers:
        server.kill()


def measure_warm(kinds, directory, arguments):
    """[{server: {figure: value}}], a round an element, of the groups of warm servers. Only one server runs at a time."""
    wanted = {name: group for name, group in {**warm_groups.GROUPS, **warm_groups.ONCE}.items() if name in arguments.groups}
    if not wanted:
        return []
    rounds, servers = [], start_all(kinds, directory, arguments)
    try:
        for number in range(1, arguments.rounds + 1):
            found = {}
            for server in servers:
                print(f"round {number} of {arguments.rounds}: {server.name}", flush=True)
                values = found.setdefault(server.name, {})
                server.resume()
                for name, group in wanted.items():
                    if number == 1 or name not in warm_groups.ONCE:
                        values.update(group(server, f"{name}-{number}", arguments))
                server.pause()
            rounds.append(found)
    finally:
        kill_all(servers)
    return rounds


def measure_own(kinds, directory, arguments):
    """The same of the groups that start servers themselves."""
    rounds = []
    for name, group in {**own_groups.EACH_ROUND, **own_groups.ONCE}.items():
        if name not in arguments.groups:
            continue
        for number in range(1, (arguments.rounds if name in own_groups.EACH_ROUND else 1) + 1):
            for kind in kinds:
                if kind is NullServer:
                    continue
                print(f"{name}: {kind.name}", flush=True)
                own = directory / f"{name}-{kind.name}-{number}"
                try:
                    values = group(kind, own, arguments)
                except NotRun as reason:
                    values = {}
                    print(f"  not run: {reason}")
                print("  " + ", ".join(f"{key} {value:.2f}" for key, value in values.items()), flush=True)
                rounds.append({kind.name: values})
                shutil.rmtree(own, ignore_errors=True)
    return rounds


def measure(arguments):
    kinds = [NullServer, BenchBarnabas] if arguments.no_kafka else [NullServer, BenchKafka, BenchBarnabas]
    arguments.directory.mkdir(parents=True, exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(dir=arguments.directory))
    try:
        return measure_warm(kinds, directory, arguments) + measure_own(kinds, directory, arguments)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main(command_line):
    arguments = arguments_of(command_line)
    sizes = vars(arguments)
    if arguments.list:
        print("\n".join(f"{group}: " + ", ".join(figure.key for figure in FIGURES if figure.group == group)
                        for group in GROUPS))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # by way of what ends brokers and removes data
    check_mappings(arguments)
    allow_descriptors()
    check_descriptors(arguments)
    described = about(arguments, page_cache.touch_free_memory())
    result = report.medians(measure(arguments))
    text = report.table(result, described, sizes)
    arguments.results.mkdir(parents=True, exist_ok=True)
    target = arguments.results / ("-".join([str(datetime.date.today()), *(arguments.groups if arguments.only else [])]) + ".md")
    target.write_text(text)
    target.with_suffix(".svg").write_text(report.chart(result, sizes))
    print(f"\n{text}\nwritten: {target} and {target.with_suffix('.svg').name}")


if __name__ == "__main__":
    main(sys.argv[1:])
