"""The matrix' part of docs/compatibility.md, from the results of full runs. No cell is written by hand.

A cell joins what became of it on Barnabas, on Apache Kafka 4.3.1, and for old clients on 3.9.1.
"""

import importlib
import json
import pathlib

from harness import compatibility_page
from harness.places import CACHE

from .client import CELLS

BROKERS = ("barnabas", "kafka", "kafka-3.9.1")
LEGEND = """`compat-tests/matrix_*.py --full` runs every client through the same cells on Barnabas and on Apache Kafka
4.3.1, and compares every record ([what the cells are](../compat-tests/matrix/README.md)).

- **yes**: passed on both. **yes (3.9)**: passed here and on Apache Kafka 3.9.1; 4.3.1 refuses so old a client.
- **yes (here)**: passed here, failed on Apache Kafka 4.3.1.
- **both fail**: fails on Apache Kafka 4.3.1 in the same run too. **FAILS**: fails on Barnabas alone.
- **-**: the library has no way to do it. **not run**: something it needs is not on the machine that ran this."""


def all_clients():
    """Every client that a file <language>_clients.py describes, in the order of their languages."""
    found = []
    for path in sorted(pathlib.Path(__file__).parent.glob("*_clients.py")):
        found += importlib.import_module(f"matrix.orchestra.{path.stem}").CLIENTS
    return found


def results_of(client):
    """{broker: its full result}, of the brokers on which there is one."""
    paths = {broker: CACHE / "matrix" / broker / f"{client.slug}.json" for broker in BROKERS}
    return {broker: json.loads(path.read_text()) for broker, path in paths.items() if path.exists()}


def joined(outcomes):
    """The word for a cell, from {broker: outcome}."""
    mine, theirs, old = (outcomes.get(broker) for broker in BROKERS)
    if mine is None:
        return "not run"
    if mine == "cannot":
        return "-"
    if mine == "failed":
        return "both fail" if theirs == "failed" else "FAILS"
    if theirs == "passed":
        return "yes"
    if theirs is None:
        return "yes (not run there)"
    return "yes (3.9)" if old == "passed" else "yes (here)"


def cells(results):
    return {name: {broker: result["cells"][name]["outcome"] for broker, result in results.items()
                   if name in result["cells"]} for name in CELLS}


def row(client, results):
    version = results["barnabas"]["version"] if "barnabas" in results else ""
    name = client.name.removesuffix(f" {version}")
    return [name, version, client.language, *(joined(outcomes) for outcomes in cells(results).values())]


def notes(client, results):
    """What a reader of the row has to know: what the library cannot say, what was left out, and why cells fail."""
    mine = results.get("barnabas", {"cells": {}, "cannot": []})
    found = []
    if mine["cannot"]:
        found.append("its API has no way to say " + ", ".join(name.replace("_", " ") for name in mine["cannot"]))
    for name, cell in mine["cells"].items():
        if cell["outcome"] == "passed" and cell["why"]:
            found.append(f"{name}: {cell['why']}, whose APIs are not there yet")
        if cell["outcome"] == "failed":
            found.append(f"{name}: {client.known.get(name) or cell['why'].splitlines()[0]}")
    return f"- {client.name}: {'; '.join(found)}." if found else None


def page_part(clients):
    lines = ["## Clients", "", LEGEND, "", "| client | version | language | " + " | ".join(CELLS) + " |",
             "| --- | --- | --- |" + " --- |" * len(CELLS)]
    by_client = [(client, results_of(client)) for client in clients]
    lines += ["| " + " | ".join(row(client, results)) + " |" for client, results in by_client]
    remarks = [notes(client, results) for client, results in by_client]
    return "\n".join([*lines, "", *filter(None, remarks)])


def write_page():
    """Writes the part; returns the clients without a full run on both brokers."""
    clients = all_clients()
    compatibility_page.write_part("matrix", page_part(clients))
    return [client.name for client in clients if not {"barnabas", client.oracle} <= results_of(client).keys()]
