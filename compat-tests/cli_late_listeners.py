#!/usr/bin/env python3
"""Advertised listeners are learnt after the start, topics, users and ACLs are there from the start.

The node binds, waits until it is told which address leads to it, joins with that, and takes changes later; clients
are told the new address. A signal ends the waiting. Apache Kafka has none of this, so the test is Barnabas's alone.
"""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request

from harness import case, places, wire
from harness.broker import free_ports
from harness.kcat import Kcat
from harness.outcome import NotRun, check, check_contains, check_equal, step

USERS = "SCRAM-SHA-256=[name=alice,password=secret],SCRAM-SHA-512=[name=bob,password=secret,iterations=8192]"
TOPICS = "orders:3,events:1:1:cleanup.policy=compact:retention.ms=604800000"


class Node:
    def __init__(self, folder, **settings):
        self.port, self.http, controller = free_ports(3)
        folder.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / "output.txt"
        everything = {
            "process.roles": "broker,controller", "node.id": "1", "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}", "log.dirs": folder / "data",
            "barnabas.http.listener": f"127.0.0.1:{self.http}", **settings}
        properties = folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in everything.items()))
        with open(self.log_file, "wb") as output:
            self.process = subprocess.Popen([places.barnabas_program(), properties, "--format"],
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def output(self):
        return self.log_file.read_text(errors="replace")

    def wait_for(self, text, seconds=10):
        end = time.monotonic() + seconds
        while text not in self.output():
            check(self.process.poll() is None, f"it ended before {text!r}:\n{self.output()}")
            check(time.monotonic() < end, f"no {text!r}:\n{self.output()}")
            time.sleep(0.005)

    def call(self, method, path, body=None):
        """(status, text)"""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", method=method,
                                         data=None if body is None else body.encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode().strip()

    def users(self):
        """{name: (mechanism, iterations)}, as DescribeUserScramCredentials tells them."""
        with wire.Connection(self.port, 10) as connection:
            answer = connection.call(50, 0, {"Users": None})
        return {user["User"]: (user["CredentialInfos"][0]["Mechanism"], user["CredentialInfos"][0]["Iterations"])
                for user in answer["Results"]}

    def told(self):
        listed = json.loads(Kcat(f"127.0.0.1:{self.port}")("-L", "-J"))
        return [broker["name"] for broker in listed["brokers"]]


def by_call(folder):
    with Node(folder, **{"barnabas.advertised.listeners.wait": "true", "barnabas.create.topics": TOPICS,
                         "barnabas.create.users": USERS}) as node:
        node.wait_for("Waiting for advertised listeners")
        check_equal(node.call("GET", "/health")[0], 200, "/health while it waits")
        check_equal(node.call("GET", "/ready")[0], 503, "/ready while it waits")
        status, text = node.call("PUT", "/advertised-listeners", "OUTSIDE://h:1")
        check_equal(status, 400, "a listener that there is not")
        check_contains(text, "PLAINTEXT", "the refusal names those that there are")
        check("RUNNING" not in node.output(), "it waits on")
        told = f"localhost:{node.port}"
        check_equal(node.call("PUT", "/advertised-listeners", f"PLAINTEXT://{told}\n")[0], 200, "the call that it waits for")
        node.wait_for("Transitioning from RECOVERY to RUNNING")
        check_equal(node.call("GET", "/ready"), (200, "ready"), "/ready")
        check_equal(node.told(), [told], "what clients are told")
        check_equal(Kcat(told).topics(), {"orders": 3, "events": 1}, "the topics that were wanted")
        check_equal(node.users(), {"alice": (1, 4096), "bob": (2, 8192)}, "the users that were wanted")
        Kcat(told)("-P", "-t", "orders", stdin="one\ntwo\n")
        check_equal(sorted(Kcat(told)("-C", "-t", "orders", "-e", "-q").split()), ["one", "two"], "what came back")
        check_equal(node.call("PUT", "/advertised-listeners", f"PLAINTEXT://127.0.0.1:{node.port}")[0], 200, "a later change")
        check_equal(node.told(), [f"127.0.0.1:{node.port}"], "what clients are told after it")
        check_equal(node.call("GET", "/advertised-listeners"), (200, f"PLAINTEXT://127.0.0.1:{node.port}"), "the same by a call")
        check_equal(node.call("GET", "/nothing")[0], 404, "a path that there is not")
        node.process.terminate()
        check_equal(node.process.wait(10), 0, "the exit code")
    step("by a call: it waits, joins with what it is told, takes a change, and has topics and users from the start")


def by_file(folder):
    listeners = folder / "advertised"
    with Node(folder, **{"barnabas.advertised.listeners.wait": "true", "barnabas.advertised.listeners.file": listeners,
                         "advertised.listeners": "PLAINTEXT://never.told:1"}) as node:
        node.wait_for("Waiting for advertised listeners")
        listeners.write_text(f"PLAINTEXT://localhost:{node.port}\n")
        node.wait_for("Transitioning from RECOVERY to RUNNING")
        check_equal(node.told(), [f"localhost:{node.port}"], "what clients are told")
        listeners.write_text(f"PLAINTEXT://127.0.0.1:{node.port}\n")
        end = time.monotonic() + 10
        while node.told() != [f"127.0.0.1:{node.port}"]:
            check(time.monotonic() < end, f"the file's change is not taken:\n{node.output()}")
            time.sleep(0.05)
    with Node(folder / "again", **{"barnabas.advertised.listeners.wait": "true",
                                   "barnabas.advertised.listeners.file": listeners}) as node:
        node.wait_for("Transitioning from RECOVERY to RUNNING")
    step("by a file: written while it waits, changed later, and there from the start")


def acls(folder):
    """Twice from the same directory: what is there already is left alone."""
    authorizer = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                  "allow.everyone.if.no.acl.found": "true"}
    for settings, obeyed in (({}, False), (authorizer, True)):
        with Node(folder, **{"barnabas.create.acls": "--deny-principal User:* --operation Write --topic orders",
                             "barnabas.create.topics": "orders", **settings}) as node:
            node.wait_for("Transitioning from RECOVERY to RUNNING")
            check_equal("Created the ACL: deny User:* WRITE TOPIC orders" in node.output(), not obeyed, "the line of a new ACL")
            check_equal("nobody obeys them" in node.output(), not obeyed, "the warning where there is no authorizer")
            with wire.Connection(node.port, 10) as connection:
                described = connection.call(29, 3, {"ResourceTypeFilter": 1, "ResourceNameFilter": None, "PatternTypeFilter": 1,
                                                 "PrincipalFilter": None, "HostFilter": None, "Operation": 1,
                                                 "PermissionType": 1})
                produced = connection.call(0, 9, {"TransactionalId": None, "Acks": 1, "TimeoutMs": 1000, "TopicData": [
                    {"Name": "orders", "PartitionData": [{"Index": 0, "Records": b""}]}]})
            check_equal(len(described["Resources"]), 1 if obeyed else 0, "the resources with ACLs")
            error = produced["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
            check_equal(error == 29, obeyed, f"whether a producer is refused for its ACL: {error}")
    step("ACLs from the start are kept, and obeyed where there is an authorizer")


def refusals(folder):
    with Node(folder / "signal", **{"barnabas.advertised.listeners.wait": "true"}) as node:
        node.wait_for("Waiting for advertised listeners")
        begun = time.monotonic()
        node.process.send_signal(signal.SIGTERM)
        check_equal(node.process.wait(5), 0, "the exit code of a node that is stopped while it waits")
        check(time.monotonic() - begun < 1, "a stop while it waits takes a moment")
    for number, (key, value, part) in enumerate([
            ("barnabas.create.topics", "a:0", "at least 1"), ("barnabas.create.acls", "u", "is no option of kafka-acls"),
            ("barnabas.create.users", "u", "the mechanism must be SCRAM-SHA-256 or SCRAM-SHA-512"),
            ("barnabas.http", "x", "is not known"), ("barnabas.create.topics", "a:1:3", "barnabas.create.topics: a: ")]):
        with Node(folder / str(number), **{key: value}) as node:
            check_equal(node.process.wait(10), 1, f"{key}={value}: the exit code")
            check_contains(node.output(), part, f"{key}={value}")
    step("a signal ends the waiting; what makes no sense ends the start with a line that says why")


def run(case):
    if not case.is_barnabas:
        raise NotRun("Apache Kafka has no advertised listeners that are learnt late")
    by_call(case.scratch / "call")
    by_file(case.scratch / "file")
    acls(case.scratch / "acls")
    refusals(case.scratch / "refusals")


if __name__ == "__main__":
    case.main(run)
