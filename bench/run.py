#!/usr/bin/env python3
"""Measures Barnabas beside Apache Kafka 4.3.1 and beside the least a broker can do, in one run on this machine.

    bench/run.py                 three rounds, about ten minutes
    bench/run.py --quick         one short round, for a first look
    bench/run.py --no-kafka      only the floor and Barnabas

Prints a table and writes it to bench/results/<date>.md, with a picture of it in <date>.svg. What counts are the
ratios. A bad figure is not an error; a server that does not serve is.
"""

import argparse
import datetime
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import figures  # noqa: E402
import report  # noqa: E402
from servers import ROOT, BenchBarnabas, BenchKafka, NullServer  # noqa: E402


def arguments_of(command_line):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of short measurements")
    parser.add_argument("--no-kafka", action="store_true", help="leave Apache Kafka out")
    parser.add_argument("--seconds", type=float, help="of each load (default 5, quick 2)")
    parser.add_argument("--rounds", type=int, help="medians are of so many (default 3, quick 1)")
    parser.add_argument("--warm-up", type=float, help="seconds of produce load on Kafka first (default 30)")
    parser.add_argument("--directory", type=pathlib.Path, default=ROOT / "build" / "bench",
                        help="where the servers keep their data while they run")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench" / "results")
    given = parser.parse_args(command_line)
    for name, standard, quick in (("seconds", 5, 2), ("rounds", 3, 1), ("warm_up", 30, 30)):
        if getattr(given, name) is None:
            setattr(given, name, quick if given.quick else standard)
    return given


def said_by(command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return (done.stdout + done.stderr).strip()


def about(arguments):
    """Lines that tell what was measured where."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    lines = [f"{datetime.datetime.now():%Y-%m-%d %H:%M}, commit {said_by(['git', 'describe', '--always', '--dirty'])}",
             f"{model}, {os.cpu_count()} cores, Linux {platform.release()}; server on core 0, client on core 1",
             f"medians of {arguments.rounds} rounds, {arguments.seconds:g} s each load; load average before the run: "
             + " ".join(f"{load:.1f}" for load in os.getloadavg())]
    if not arguments.no_kafka:
        lines.append(f"{said_by(['java', '-version']).splitlines()[0]}; Kafka after {arguments.warm_up:g} s of produce load")
    return lines


def start_all(kinds, directory, arguments):
    """Started, warm and paused."""
    servers = []
    try:
        for kind in kinds:
            server = kind(directory / kind.name)
            servers.append(server)
            server.start()
            print(f"warming up: {server.name}", flush=True)
            figures.warm_up(server, arguments.warm_up if server.name == "kafka" else 2)
            server.pause()
    except BaseException:
        kill_all(servers)
        raise
    return servers


def kill_all(servers):
    for server in servers:
        server.kill()


def measure_rounds(servers, kinds, directory, arguments):
    """[{server: {figure: value}}], a round an element. Only one server runs at a time."""
    rounds = []
    for number in range(1, arguments.rounds + 1):
        found = {}
        for server in servers:
            print(f"round {number} of {arguments.rounds}: {server.name}", flush=True)
            server.resume()
            found[server.name] = figures.measure_load(server, number, arguments.seconds)
            server.pause()
        for kind in kinds:
            if kind is not NullServer:
                new = kind(directory / f"{kind.name}-start-{number}")
                found[kind.name].update(figures.measure_start(new, 1 if arguments.quick else 5))
        rounds.append(found)
    return rounds


def main(command_line):
    arguments = arguments_of(command_line)
    described = about(arguments)
    kinds = [NullServer, BenchBarnabas] if arguments.no_kafka else [NullServer, BenchKafka, BenchBarnabas]
    arguments.directory.mkdir(parents=True, exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(dir=arguments.directory))
    servers = []
    try:
        servers = start_all(kinds, directory, arguments)
        rounds = measure_rounds(servers, kinds, directory, arguments)
    finally:
        kill_all(servers)
        shutil.rmtree(directory, ignore_errors=True)
    result = report.medians(rounds)
    text = report.table(result, described)
    arguments.results.mkdir(parents=True, exist_ok=True)
    target = arguments.results / f"{datetime.date.today()}.md"
    target.write_text(text)
    target.with_suffix(".svg").write_text(report.chart(result))
    print(f"\n{text}\nwritten: {target} and {target.with_suffix('.svg').name}")


if __name__ == "__main__":
    main(sys.argv[1:])
