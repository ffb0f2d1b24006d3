"""Runs clients through the cells of the matrix, and keeps what became of each.

A run leaves one JSON file a client in build/compat/matrix/<broker>/ (page.py writes docs/compatibility.md from them).
BARNABAS_MATRIX_CLIENTS and BARNABAS_MATRIX_CELLS, regular expressions, run only some; of a client whose cells
were not all run nothing is kept.
"""

import json
import os
import re
import time

from harness.outcome import NotRun, check, step
from harness.places import CACHE

from .admin_cell import admin
from .bench import Bench, Cannot
from .client import CELLS
from .group_cells import group, resume
from .record_cells import big_record, create, produce, seek


CODE = {"create": create, "10 MB": big_record, "group": group, "resume": resume, "seek": seek, "admin": admin}


ONLY_CLIENTS, ONLY_CELLS = (os.environ.get(f"BARNABAS_MATRIX_{what}", "") for what in ("CLIENTS", "CELLS"))


def cells_of(bench):
    """The cells to run: all; in the quick tier two codecs, the plainest and the client's last."""
    codecs = bench.codecs if bench.full else [bench.codecs[0], bench.codecs[-1]]
    return [name for name in CELLS if re.search(ONLY_CELLS, name) and (
        not name.startswith("produce ") or name.split(" ")[1] in codecs or name.split(" ")[1] not in bench.codecs)]


def run_cell(bench, name):
    """(outcome, why) of one cell; the why of one that passed is what it did without."""
    without = ""
    try:
        if name in bench.client.left_out:
            raise Cannot(bench.client.left_out[name])
        if name.startswith("produce "):
            codec = name.split(" ")[1]
            bench.need("produce")
            if codec not in bench.codecs:
                raise Cannot(f"no {codec}")
            (bench.client.produce or produce)(bench, codec)
        else:
            without = CODE[name](bench) or ""
        bench.broker.check_alive()
        return "passed", without
    except Cannot as reason:
        return "cannot", str(reason)
    except AssertionError as error:
        return "failed", str(error)
    except Exception as error:  # A broker or a client that does what nobody foresaw must not end the other cells.
        return "failed", f"{type(error).__name__}: {error}"


def run_client(case, broker, client):
    """Runs every cell of a client and keeps the results; returns {cell: (outcome, why)}."""
    bench = Bench(case, broker, client, client.prepare())
    found = {}
    for name in cells_of(bench):
        begun = time.monotonic()
        found[name] = run_cell(bench, name)
        outcome, why = found[name]
        seconds = time.monotonic() - begun
        print(f"   {client.name} {bench.version}: {name}: {outcome} ({seconds:.1f} s) {why}", flush=True)
        if broker.process is None or broker.process.poll() is not None:
            broker.kill()
            broker.start()
    keep(case, client, bench, found)
    return found


def keep(case, client, bench, found):
    if ONLY_CELLS:
        return
    folder = CACHE / "matrix" / case.kind
    folder.mkdir(parents=True, exist_ok=True)
    result = {"client": client.name, "language": client.language, "version": bench.version, "broker": case.kind,
              "oracle": client.oracle, "full": case.full, "cannot": sorted(bench.cannot), "known": client.known,
              "cells": {name: {"outcome": outcome, "why": why} for name, (outcome, why) in found.items()}}
    path = folder / f"{client.slug}{'' if case.full else '.quick'}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


def unexpected(case, client, found):
    """Sentences on what did not go as it must."""
    if case.kind == "kafka" and client.oracle != "kafka":
        fails = any(outcome == "failed" for outcome, _ in found.values())
        return [] if fails else [f"{client.name} passed, although {client.oracle} is said to be needed"]
    problems = []
    for name, (outcome, why) in found.items():
        if name in client.known:
            if outcome == "passed":
                problems.append(f"{client.name}: {name} passed: take it off the known failures")
        elif outcome == "failed":
            problems.append(f"{client.name}: {name}: {why}")
    return problems


def run_matrix(case, clients):
    """The body of a test of the matrix: all clients of a language (in the quick tier those that are quick)."""
    broker = case.broker().start()
    problems, missing, ran = [], [], 0
    for client in clients:
        if not (case.full or client.quick) or not re.search(ONLY_CLIENTS, client.name):
            continue
        if case.kind == "kafka-3.9.1" and client.oracle != case.kind:
            continue  # It is there for the clients that Apache Kafka 4 refuses.
        try:
            found = run_client(case, broker, client)
        except NotRun as reason:
            missing.append(f"{client.name}: {reason}")
            continue
        except Exception as error:  # It could not be built, or says nothing of itself: the others are run all the same.
            problems.append(f"{client.name}: {type(error).__name__}: {error}")
            continue
        ran += 1
        problems += unexpected(case, client, found)
        passed = sum(outcome == "passed" for outcome, _ in found.values())
        step(f"{client.name}: {passed} of {len(found)} cells passed")
    check(not problems, f"{len(problems)} cells failed:\n" + "\n".join(problems))
    if missing:
        raise NotRun("; ".join(missing))
    if ran == 0:
        raise NotRun("none of these clients is run in this tier against this broker")
