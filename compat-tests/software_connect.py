#!/usr/bin/env python3
"""Kafka Connect (4.3.1) copies a file through a topic into another file, across kill -9 of the worker and of the broker.

A distributed worker with the file connectors of its distribution, driven through its REST API. While a feeder appends
lines to the input all the time, the worker is killed (kill -9), the broker is stopped, and the broker is killed.
Nothing may be missing or out of order; a line may come again only where a worker or a sink went back to offsets that it
had committed, and those places are counted. When everything stands still, a clean stop of both repeats nothing. The
connectors, their offsets and their status live in three compacted topics and are the same after every restart.
The full tier adds a second worker that takes over the tasks of a killed one, and the standalone mode.
"""

import json
import threading
import urllib.error
import urllib.request

from harness import case, places
from harness.broker import free_ports
from harness.kcat import Kcat
from harness.lines import line
from harness.outcome import check, check_equal, step
from harness.program import java
from harness.state import topic_configs
from harness.waiting import wait_until

FIRST_LINES = 20_000
LINES_A_BEAT = 200      # a beat is 50 ms
TOPICS = {"connect-configs": 1, "connect-offsets": 25, "connect-status": 5}


class Feeder(threading.Thread):
    """Appends lines to a file all the time, until it is told to stop."""

    def __init__(self, path, first):
        super().__init__(daemon=True)
        self.path, self.count, self.stopped = path, first, threading.Event()

    def run(self):
        while not self.stopped.wait(0.05):
            self.count = append_lines(self.path, self.count, self.count + LINES_A_BEAT)

    def stop(self):
        self.stopped.set()
        self.join()
        return self.count


class Worker:
    """A worker of Connect and its REST API."""

    def __init__(self, case, broker, libs, name):
        self.port = free_ports(1)[0]
        settings = {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "connect",
            "listeners": f"http://127.0.0.1:{self.port}",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "config.storage.topic": "connect-configs", "config.storage.replication.factor": 1,
            "offset.storage.topic": "connect-offsets", "offset.storage.replication.factor": 1,
            "status.storage.topic": "connect-status", "status.storage.replication.factor": 1,
            "offset.flush.interval.ms": 1000,
            "plugin.discovery": "service_load",
            # A worker that is killed is missed after its session; its tasks are handed on at once.
            "session.timeout.ms": 6000, "heartbeat.interval.ms": 2000, "consumer.session.timeout.ms": 6000,
            "scheduled.rebalance.max.delay.ms": 0,
        }
        path = write_properties(case.scratch / f"{name}.properties", settings)
        self.program = case.program(name, java(f"{libs}/*", "org.apache.kafka.connect.cli.ConnectDistributed", path,
                                               level="info"))

    def start(self):
        """Starts it and waits until it is a member of the group and has resources to ask for."""
        self.program.start()
        self.program.wait_for("REST resources initialized", 90)
        self.program.wait_for("Finished starting connectors and tasks", 90)

    def call(self, method, path, body=None, again=(409,)):
        """The answer of the REST API. It is asked again while it answers 409: the workers rebalance."""
        def ask():
            self.program.check_alive()
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                             data=None if body is None else json.dumps(body).encode(),
                                             headers={"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return [json.loads(answer.read() or b"null")]
            except urllib.error.HTTPError as error:
                text = error.read().decode()
                check(error.code in again, f"{method} {path}: {error.code} {text}")
            except urllib.error.URLError:
                pass  # It does not listen yet.
            return None
        return wait_until(ask, f"{method} {path}", 90)[0]

    def status(self, name):
        """The status of a connector; at first there is none."""
        return self.call("GET", f"/connectors/{name}/status", again=(404, 409))

    def states(self, name):
        """The states of a connector and of its tasks."""
        status = self.status(name)
        return [status["connector"]["state"], *(task["state"] for task in status["tasks"])]

    def wait_for_states(self, name, states):
        wait_until(lambda: self.states(name) == states, f"{name} is {states}")


def write_properties(path, settings):
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


def append_lines(path, first, end):
    with open(path, "a") as file:
        file.write("".join(line(number) + "\n" for number in range(first, end)))
    return end


def source_config(path, topic):
    return {"connector.class": "FileStreamSource", "tasks.max": "1", "file": str(path), "topic": topic}


def sink_config(path, topic):
    return {"connector.class": "FileStreamSink", "tasks.max": "1", "file": str(path), "topics": topic}


def numbers_in(rows):
    """The number of each line, all of which must be whole."""
    numbers = []
    for row in rows:
        number = int(row[:9])
        check(row.rstrip("\n") == line(number), f"not a line of ours: {row!r}")
        numbers.append(number)
    return numbers


def check_at_least_once(rows, count, most_steps_back, what):
    """Every line is there, the first time in order; a repetition starts with a step back. Says how many there were."""
    next_number, previous, steps_back = 0, -1, 0
    for number in numbers_in(rows):
        check(number <= next_number, f"{what}: line {number} comes before line {next_number}")
        steps_back += number != previous + 1
        next_number, previous = max(next_number, number + 1), number
    check_equal(next_number, count, f"{what}: lines")
    check(steps_back <= most_steps_back, f"{what}: {steps_back} steps back, at most {most_steps_back} can be explained")
    return f"{len(rows) - count} of {len(rows)} lines are repetitions, after {steps_back} steps back"


def wait_for_line(path, number):
    """Waits until a line has been written to the output."""
    wanted = line(number) + "\n"

    def there():
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 40_000_000))
            return wanted.encode() in file.read()
    wait_until(lambda: path.exists() and there(), f"line {number} comes out", 120)


def settled_offsets(worker):
    return [worker.call("GET", f"/connectors/{name}/offsets")["offsets"] for name in ("lines-source", "lines-sink")]


def check_disturbed(broker, worker, source, out):
    """The feeder feeds; worker and broker come and go."""
    feeder = Feeder(source, FIRST_LINES)
    feeder.start()
    wait_for_line(out, feeder.count + LINES_A_BEAT)
    worker.program.kill()
    worker.start()
    wait_for_line(out, feeder.count + LINES_A_BEAT)
    broker.stop()
    broker.start()
    wait_for_line(out, feeder.count + LINES_A_BEAT)
    broker.kill()
    broker.start()
    wait_for_line(out, feeder.count + LINES_A_BEAT)
    count = feeder.stop()
    wait_for_line(out, count - 1)
    worker.program.check_alive()
    # A killed worker begins where it had committed. Connect's producers send again what was under way when the broker
    # went, and a sink whose commit failed then goes back to the last that did not.
    topic = Kcat(broker.bootstrap)("-C", "-t", "lines", "-e", "-q").splitlines()
    said = check_at_least_once(topic, count, 3, "the topic")
    step(f"the worker killed, the broker stopped and killed, {count} lines: none is missing in the topic, and {said}")
    said = check_at_least_once(out.read_text().splitlines(), count, 6, "the output")
    step(f"in the output file nothing is missing or out of order, and {said}")
    return count


def check_topics(broker):
    topics = Kcat(broker.bootstrap).topics()
    check_equal({name: topics.get(name) for name in TOPICS}, TOPICS, "the topics of Connect")
    for name in TOPICS:
        check_equal(topic_configs(broker, name).get("cleanup.policy"), "compact", f"cleanup.policy of {name}")


def check_clean_restart(broker, worker, source, out, count):
    """Both stop cleanly and start: everything is known, and nothing comes twice."""
    wait_until(lambda: settled_offsets(worker)[1] and settled_offsets(worker)[1][0]["offset"]["kafka_offset"]
               >= count, "the sink has committed all it wrote")
    wait_until(lambda: settled_offsets(worker)[0][0]["offset"]["position"] == source.stat().st_size,
               "the source has committed all it read")
    before, size = settled_offsets(worker), out.stat().st_size
    worker.program.stop()
    broker.stop()
    broker.start()
    worker.start()
    check_equal(sorted(worker.call("GET", "/connectors")), ["lines-sink", "lines-source"], "connectors after a restart")
    for name in ("lines-source", "lines-sink"):
        worker.wait_for_states(name, ["RUNNING", "RUNNING"])
    check_equal(settled_offsets(worker), before, "the offsets after a restart")
    end = append_lines(source, count, count + 1000)
    wait_for_line(out, end - 1)
    with open(out) as file:
        file.seek(size)
        check_equal(numbers_in(file), list(range(count, end)), "what came after a clean restart")
    step("a clean stop of both: connectors, offsets and states are the same, and no line came twice")


def check_rest(worker, out):
    """A connector is stopped, its offsets are altered and reset, and it goes."""
    worker.call("PUT", "/connectors/lines-sink/stop")
    worker.wait_for_states("lines-sink", ["STOPPED"])
    place = {"partition": {"kafka_topic": "lines", "kafka_partition": 0}, "offset": {"kafka_offset": 500}}
    worker.call("PATCH", "/connectors/lines-sink/offsets", {"offsets": [place]})
    check_equal(settled_offsets(worker)[1], [place], "the offsets that were set")
    worker.call("PUT", "/connectors/lines-sink/config", sink_config(out.with_name("again.txt"), "lines"))
    worker.call("PUT", "/connectors/lines-sink/resume")
    again = out.with_name("again.txt")
    wait_for_line(again, 1000)
    with open(again) as file:
        check_equal(numbers_in([next(file)]), [500], "the first line after the offset that was set")
    worker.call("PUT", "/connectors/lines-sink/stop")
    worker.wait_for_states("lines-sink", ["STOPPED"])
    worker.call("DELETE", "/connectors/lines-sink/offsets")
    check_equal(settled_offsets(worker)[1], [], "the offsets that were reset")
    worker.call("DELETE", "/connectors/lines-sink")
    wait_until(lambda: worker.call("GET", "/connectors") == ["lines-source"], "the sink is gone")
    step("REST: stopped, offsets altered and reset (through the broker's groups), configuration changed, deleted")


def check_second_worker(case, broker, worker, libs, source, out):
    """Two workers share the tasks; one is killed, and the other takes over."""
    second = Worker(case, broker, libs, "worker-2")
    second.start()
    out = out.with_name("out-2.txt")
    worker.call("PUT", "/connectors/second-sink/config", sink_config(out, "lines"))

    def workers():
        return {task["worker_id"] for name in ("lines-source", "second-sink")
                for task in worker.status(name)["tasks"]}
    wait_until(lambda: len(workers()) == 2, "each worker has a task")
    second.program.kill()
    wait_until(lambda: workers() == {f"127.0.0.1:{worker.port}"}, "the first worker has all tasks")
    count = int(source.read_text().splitlines()[-1][:9]) + 1
    end = append_lines(source, count, count + 1000)
    wait_for_line(out, end - 1)
    said = check_at_least_once(out.read_text().splitlines(), end, 4, "the output of two workers")
    step(f"a second worker took a task, was killed, and the first took over: nothing is missing, and {said}")


def check_standalone(case, broker, libs):
    source, out = case.scratch / "standalone-in.txt", case.scratch / "standalone-out.txt"
    append_lines(source, 0, 1000)
    worker = write_properties(case.scratch / "standalone.properties", {
        "bootstrap.servers": broker.bootstrap, "listeners": f"http://127.0.0.1:{free_ports(1)[0]}",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "offset.storage.file.filename": case.scratch / "standalone.offsets", "offset.flush.interval.ms": 1000,
        "plugin.discovery": "service_load"})
    connectors = [write_properties(case.scratch / f"standalone-{name}.properties", {"name": name, **config})
                  for name, config in (("in", source_config(source, "standalone")),
                                       ("out", sink_config(out, "standalone")))]
    program = case.program("standalone", java(f"{libs}/*", "org.apache.kafka.connect.cli.ConnectStandalone", worker,
                                              *connectors, level="info"))
    program.start()
    wait_for_line(out, 999)
    program.stop()
    program.start()
    append_lines(source, 1000, 2000)
    wait_for_line(out, 1999)
    program.stop()
    check_equal(numbers_in(out.read_text().splitlines()), list(range(2000)), "the output of the standalone worker")
    step("standalone, JSON with schemas: the output is the input, across a clean restart")


def run(case):
    places.command("kcat")
    libs = places.maven_jars(places.COMPAT_TESTS / "connect")
    source, out = case.scratch / "in.txt", case.scratch / "out.txt"
    broker = case.broker().start()
    worker = Worker(case, broker, libs, "worker")
    worker.start()
    append_lines(source, 0, FIRST_LINES)
    worker.call("POST", "/connectors", {"name": "lines-source", "config": source_config(source, "lines")})
    worker.call("PUT", "/connectors/lines-sink/config", sink_config(out, "lines"))
    wait_for_line(out, FIRST_LINES - 1)
    check_equal(out.read_bytes(), source.read_bytes(), "the file after its way through the topic")
    step(f"created through REST; {FIRST_LINES} lines came out as they went in")

    count = check_disturbed(broker, worker, source, out)
    check_topics(broker)
    check_clean_restart(broker, worker, source, out, count)
    check_rest(worker, out)
    if case.full:
        check_second_worker(case, broker, worker, libs, source, out)
    worker.program.stop()
    if case.full:
        check_standalone(case, broker, libs)


if __name__ == "__main__":
    case.main(run)
