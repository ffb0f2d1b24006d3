#!/usr/bin/env python3
"""A broker that is not let into its cluster says why in one line and ends; one that is told to stop ends at once.

A second broker with the node.id of one that is alive; a broker whose controllers nobody runs. Both wait for
initial.broker.registration.timeout.ms, since either may pass. Only the lines of Barnabas are looked at, so Apache Kafka
is not run.
"""

import signal
import time

from harness import case
from harness.cluster import Cluster, Node
from harness.outcome import NotRun, check, check_contains, step
from harness.waiting import wait_until


def ends(node, *words):
    """Waits for the node's end; the last line that it says has all of `words`."""
    code = node.process.wait(30)
    node.process = None
    check(code not in (0, None), f"exit code {code}:\n{node.output_tail()}")
    last = node.output_tail(1)
    for word in words:
        check_contains(last, word, "the last line")


def start(cluster, node_id):
    cluster[node_id].format(cluster.id)
    cluster[node_id].launch()


def run(case):
    if not case.is_barnabas:
        raise NotRun("only the lines of Barnabas are looked at")
    patience = {"initial.broker.registration.timeout.ms": "2000"}
    cluster = Cluster(case, [Node(1, "controller"), Node(2, "broker"), Node(3, "broker", settings=patience)])
    cluster.start([1, 2])
    cluster[3].settings["node.id"] = "2"
    start(cluster, 3)
    ends(cluster[3], "initial.broker.registration.timeout.ms", "node.id")
    cluster[2].check_alive()
    step("a broker with the node.id of another that is alive says so")

    cluster[2].kill()
    cluster[1].kill()
    cluster[2].settings.update(patience)
    begun = time.monotonic()
    cluster[2].launch()
    ends(cluster[2], "initial.broker.registration.timeout.ms", "no active controller was found")
    check(time.monotonic() - begun < 10, "it took too long")
    step("a broker without a controller says so")

    del cluster[2].settings["initial.broker.registration.timeout.ms"]
    cluster[2].launch()
    wait_until(lambda: "cannot be asked about the metadata quorum" in cluster[2].output(), "a broker that waits", 10)
    begun = time.monotonic()
    cluster[2].process.send_signal(signal.SIGTERM)
    cluster[2].process.wait(30)
    took, cluster[2].process = time.monotonic() - begun, None
    check(took < 2, f"it took {took:.1f} s")
    step(f"one that is told to stop while it waits ends in {took:.2f} s")


if __name__ == "__main__":
    case.main(run)
