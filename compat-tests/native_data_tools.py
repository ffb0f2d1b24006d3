#!/usr/bin/env python3
"""Our tools that move records do what Apache Kafka's do: output, exit code, and the records that they write.

Each command line runs with Kafka's tool and with ours against one broker, each on topics of its own. Compared are
standard output, the exit code, the lines of standard error that people look for, and every record that was written,
as Kafka's console consumer prints it and as ours does. What differs from run to run (times, rates, ids) is replaced
by a word. Then members of both kinds share a group, and a signal ends a consumer.
"""

import re
import signal
import subprocess
import time

from harness import case, jvm, places
from harness.outcome import check, check_equal, step
from harness.tool_runner import ToolRunner
from harness.tools import KafkaTools

# A static member that has left is still looked for when both kinds of tools have been, and members hear of each other soon.
SETTINGS = {"group.consumer.max.session.timeout.ms": "600000", "group.consumer.session.timeout.ms": "600000",
            "group.consumer.min.heartbeat.interval.ms": "500", "group.consumer.heartbeat.interval.ms": "500"}
UNREACHABLE = "127.0.0.1:1"
CHANGING = [
    (r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]", "[TIME]"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}, [^\n]*", "TIME, NUMBERS"),
    (r'"timestamp":\d+', '"timestamp":0'),
    (r"CreateTime:\d+", "CreateTime:0"),
    (r'"avg_throughput":[\d.eE+-]+', '"avg_throughput":0'),
    (r"(?<!\d)[\d.]+ (records/sec|MB/sec|ms avg latency|ms max latency|ms \d)", r"N \1"),
    (r"(?m)^0\t[\d.eE-]+$", "0\tN"),
    (r"Avg latency: [\d.]+ ms", "Avg latency: N ms"),
    (r"Percentiles: [^\n]*", "Percentiles: N"),
]
# The lines of standard error that are compared: what a tool says before its usage text, how many records it saw,
# and what an error was.
TOLD = re.compile(r"^(Processed a total|org\.apache\.kafka\.|java\.util\.concurrent|java\.lang\.Class|java\.nio\.|"
                  r"\[TIME\] ERROR|Options? |Missing|Exactly one|The (partition|topic|provided|group ids)|Can't|"
                  r"Cannot parse|Found multiple|Please provide|Error while|Invalid value|[a-z.-]+ is not a recognized)")
NOT_TOLD = re.compile(r"Metadata response reported|^Option +Description|consumer\.internals|clients\.NetworkClient")
EVERYTHING = ["--formatter-property", "print.key=true", "--formatter-property", "print.headers=true",
              "--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true",
              "--formatter-property", "print.timestamp=true", "--formatter-property", "null.literal=<null>"]


class Tools:
    """Kafka's tools and ours against one broker."""

    def __init__(self, directory, bootstrap, runner):
        self.directory, self.bootstrap, self.runner = directory, bootstrap, runner
        self.program = places.built_program("barnabas-tools")
        self.count = 0

    def ours(self, tool, arguments, standard_input=""):
        done = subprocess.run([self.program, tool, *arguments], input=standard_input.encode(), capture_output=True,
                              cwd=self.directory, timeout=60)
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def theirs(self, tool, arguments, standard_input=""):
        if "verifiable" in tool:  # says the most in its shutdown hook, and writes objects by Jackson
            done = KafkaTools(None, self.directory, java_options=jvm.SMALL).try_call_apart(tool, *arguments)
        else:
            done = self.runner.call(tool, arguments, standard_input=standard_input)
        return done.code, done.out, done.err

    def compare(self, tool, *arguments, standard_input="", told=True, bootstrap=None):
        """{t} in the arguments is a topic: each kind has its own."""
        results = []
        for call, prefix in ((self.theirs, "theirs-"), (self.ours, "ours-")):
            filled = [argument.replace("{t}", prefix + "topic") for argument in arguments]
            if bootstrap != "":
                filled = ["--bootstrap-server", bootstrap or self.bootstrap, *filled]
            code, out, err = call(tool, filled, standard_input)
            results.append((code, plain(out, prefix), told_lines(plain(err, prefix)) if told else []))
        what = f"{tool} {' '.join(arguments)}"
        (their_code, their_out, their_err), (our_code, our_out, our_err) = results
        check_equal(our_code, their_code, f"{what}: the exit code ({our_err})")
        if not usage(their_out):
            check_equal(our_out, their_out, f"{what}: standard output")
        check_equal(our_err, their_err, f"{what}: standard error")
        self.count += 1

    def compare_records(self):
        """What both kinds have written so far, read by both kinds."""
        read = {}
        for call, name in ((self.theirs, "their"), (self.ours, "our")):
            for prefix in ("theirs-", "ours-"):
                _, out, _ = call("kafka-console-consumer", [
                    "--bootstrap-server", self.bootstrap, "--topic", prefix + "topic", "--partition", "0", "--offset",
                    "earliest", "--timeout-ms", "3000", *EVERYTHING])
                read[name, prefix] = plain(out, prefix)
        check(read["their", "theirs-"] != "", "nothing was written")
        check_equal(read["their", "ours-"], read["their", "theirs-"], "the records that our tools wrote")
        check_equal(read["our", "theirs-"], read["their", "theirs-"], "their records, read by our consumer")
        check_equal(read["our", "ours-"], read["their", "theirs-"], "our records, read by our consumer")
        return len(read["their", "theirs-"].splitlines())


def plain(text, prefix):
    for pattern, replacement in CHANGING:
        text = re.sub(pattern, replacement, text)
    return text.replace(prefix + "topic", "TOPIC").replace(prefix, "")


def told_lines(text):
    # The same line once: how often a client asks again is its own affair.
    return list(dict.fromkeys(re.sub(r": null$", "", line) for line in text.splitlines()
                              if TOLD.match(line) and not NOT_TOLD.search(line)))


def usage(text):
    return text.startswith("usage:")


def producing(tools):
    def produce(text, *arguments, **options):
        tools.compare("kafka-console-producer", "--topic", "{t}", *arguments, standard_input=text, **options)

    keyed = ["--reader-property", "parse.key=true"]
    headed = [*keyed, "--reader-property", "parse.headers=true"]
    marked = ["--reader-property", "null.marker=NULL"]
    produce("one\ntwo\r\nthree\rfour\n\nlast")
    produce("a:b::c\n", *keyed, "--reader-property", "key.separator=::")
    produce("h1:a,h2:\tk1\tv1\nNULL\tk2\tNULL\nh:NULL\tNULL\tv3\n", *headed, *marked)
    produce("nothing\nh1\tk\tv\nh1:x,bad\tk\tv\n", *headed, "--reader-property", "ignore.error=true")
    produce("k\tbefore\nbad\n", *keyed)
    for codec in ("gzip", "snappy", "lz4", "zstd", "none"):
        produce(f"with {codec}\nagain\n", "--compression-codec", codec)
    produce("synchronous\n", "--sync", "--request-required-acks", "1")
    produce("without answers\n", "--request-required-acks", "0")
    produce("old names\n", "--property", "parse.key=false", "--producer-property", "linger.ms=1")
    produce("x" * 2_000_000 + "\nsmall\n")
    step(f"{tools.compare_records()} records of the console producers are the same, for both consumers")


def refusals_of_the_producer(tools):
    def produce(*arguments, **options):
        tools.compare("kafka-console-producer", *arguments, **{"standard_input": "a\nb\n", **options})

    produce("--topic", "{t}", bootstrap="")
    produce()
    produce("--topic", "{t}", "--nope")
    produce("--topic", "{t}", "--topic", "other")
    produce("--topic", "{t}", "--batch-size", "many")
    produce("--topic", "{t}", "--compression-codec", "foo")
    produce("--topic", "{t}", "--request-required-acks", "7")
    produce("--topic", "{t}", "--command-property", "linger.ms=x")
    produce("--topic", "{t}", "--line-reader", "foo.Bar")
    produce("--topic", "{t}", "--reader-property", "parse.key=true")
    produce("--topic", "{t}", "--reader-property", "parse.headers=true", "--reader-property", "null.marker=:")
    produce("--topic", "{t}", "--property", "a=b", "--reader-property", "a=b")
    produce("--topic", "{t}", "--command-property", "acks=all", "--producer-property", "acks=all")
    produce("--topic", "{t}", bootstrap="nohost")
    produce("--topic", "bad/name", "--sync")
    produce("--topic", "{t}", "--max-block-ms", "1500", bootstrap=UNREACHABLE, standard_input="a\n")
    produce("--topic", "{t}", "--max-block-ms", "1500", "--sync", bootstrap=UNREACHABLE)
    produce("--version", bootstrap="")


def consuming(tools):
    def consume(*arguments, **options):
        tools.compare("kafka-console-consumer", *arguments, **options)

    start = ["--topic", "{t}", "--partition", "0", "--offset"]
    consume(*start, "2", "--max-messages", "3", *EVERYTHING)
    consume(*start, "earliest", "--max-messages", "4", "--formatter-property", "print.headers=true",
            "--formatter-property", "key.separator=|", "--formatter-property", "line.separator=$",
            "--formatter-property", "print.key=true", "--formatter-property", "print.value=false")
    consume(*start, "earliest", "--max-messages", "3", "--formatter",
            "org.apache.kafka.tools.consumer.NoOpMessageFormatter", "--enable-systest-events")
    consume(*start, "earliest", "--max-messages", "2", "--formatter",
            "org.apache.kafka.tools.consumer.LoggingMessageFormatter")
    consume(*start, "latest", "--timeout-ms", "500")
    consume("--topic", "{t}", "--group", "{t}-group", "--from-beginning", "--max-messages", "2")
    consume("--topic", "{t}", "--group", "{t}-group", "--from-beginning", "--max-messages", "3")
    consume("--include", "{t}|{t}-other", "--from-beginning", "--max-messages", "2", "--isolation-level",
            "read_committed")
    serde = "org.apache.kafka.common.serialization."
    consume(*start, "0", "--max-messages", "1", "--value-deserializer", serde + "LongDeserializer")
    consume(*start, "0", "--max-messages", "2", "--value-deserializer", serde + "LongDeserializer",
            "--skip-message-on-error")
    for name in ("Bytes", "ByteBuffer", "String"):
        consume(*start, "0", "--max-messages", "1", "--value-deserializer", f"{serde}{name}Deserializer")
    consume(*start, "0", "--max-messages", "1", "--property", "print.key=true", "--consumer-property", "client.id=me")


def refusals_of_the_consumer(tools):
    def consume(*arguments, **options):
        tools.compare("kafka-console-consumer", *arguments, **options)

    start = ["--topic", "{t}"]
    consume(*start, bootstrap="")
    consume()
    consume(*start, "--include", "x")
    consume(*start, "--nope")
    consume(*start, "--offset", "3")
    for offset in ("three", "-1"):
        consume(*start, "--partition", "0", "--offset", offset)
    consume("--include", "x", "--partition", "0")
    consume(*start, "--partition", "0", "--group", "g")
    consume(*start, "--partition", "0", "--from-beginning", "--offset", "1")
    consume(*start, "--group", "a", "--command-property", "group.id=b")
    consume(*start, "--from-beginning", "--command-property", "auto.offset.reset=latest")
    consume(*start, "--formatter", "foo.Bar")
    consume(*start, "--isolation-level", "foo")
    consume(*start, "--command-property", "auto.offset.reset=foo")
    consume(*start, "--group", "{t}-none", "--command-property", "auto.offset.reset=none", "--timeout-ms", "5000")
    consume(*start, "--partition", "9", "--timeout-ms", "500")
    consume("--topic", "{t}-unknown", "--timeout-ms", "500", "--command-property", "allow.auto.create.topics=false")
    consume(*start, "--timeout-ms", "500", bootstrap=UNREACHABLE)
    consume(*start, "--max-messages", "0", "--timeout-ms", "500")


def measuring(tools):
    tools.compare("kafka-producer-perf-test", "--topic", "{t}-perf", "--num-records", "600", "--record-size", "20",
                  "--throughput", "-1", "--warmup-records", "100")
    tools.compare("kafka-consumer-perf-test", "--topic", "{t}-perf", "--num-records", "500", "--timeout", "20000")
    tools.compare("kafka-producer-perf-test", "--topic", "{t}", "--num-records", "5", "--throughput", "-1", told=False)
    tools.compare("kafka-verifiable-producer", "--topic", "{t}-verifiable", "--max-messages", "3", "--value-prefix",
                  "7", "--repeating-keys", "2")
    tools.compare("kafka-verifiable-producer", "--topic", "{t}-verifiable", "--max-messages", "2", "--acks", "0",
                  "--message-create-time", "1000")
    tools.compare("kafka-verifiable-consumer", "--topic", "{t}-verifiable", "--group-id", "{t}-v", "--max-messages",
                  "5", "--verbose")
    tools.compare("kafka-e2e-latency", "--topic", "{t}-latency", "--num-records", "20", "--producer-acks", "all",
                  "--record-size", "20")
    tools.compare("kafka-e2e-latency", "--topic", "{t}-latency", "--num-records", "20", "--producer-acks", "2",
                  "--record-size", "20")


def new_group_protocol(tools, kafka):
    """group.protocol=consumer: the same records, events and errors, and the same group in the end."""
    protocol = ["--command-property", "group.protocol=consumer"]

    def consume(*arguments, **options):
        tools.compare("kafka-console-consumer", *arguments, *protocol, **options)

    def verify(group, *arguments, **options):
        tools.compare("kafka-verifiable-consumer", "--topic", "{t}-verifiable", "--group-id", group, "--group-protocol",
                      "consumer", *arguments, **options)

    consume("--topic", "{t}", "--group", "{t}-new", "--from-beginning", "--max-messages", "2")
    consume("--topic", "{t}", "--group", "{t}-new", "--from-beginning", "--max-messages", "3", *EVERYTHING)
    consume("--include", "{t}-verif.*", "--group", "{t}-pattern", "--from-beginning", "--max-messages", "4")
    consume("--topic", "{t}", "--group", "{t}-refused", "--command-property", "group.remote.assignor=nope")
    for key in ("session.timeout.ms=9000", "heartbeat.interval.ms=1000",
                "partition.assignment.strategy=org.apache.kafka.clients.consumer.RangeAssignor"):
        consume("--topic", "{t}", "--command-property", key)
    tools.compare("kafka-console-consumer", "--topic", "{t}", "--command-property", "group.remote.assignor=range")
    verify("{t}-v-new", "--max-messages", "5", "--verbose")
    verify("{t}-v-new", "--max-messages", "0")
    verify("{t}-v-static", "--max-messages", "5", "--group-instance-id", "one", "--group-remote-assignor", "range")
    verify("{t}-v-auto", "--max-messages", "5", "--enable-autocommit")
    verify("{t}-v-refused", "--group-remote-assignor", "nope")
    verify("{t}-v-session", "--session-timeout", "9000", told=False)
    for state in ("new", "v-new", "v-auto", "v-static"):
        told = [kafka.call("kafka-consumer-groups", "--describe", "--group", f"{kind}-topic-{state}", *what)
                for kind in ("theirs", "ours") for what in (["--state"], ["--offsets"])]
        told = [re.sub(r"(ours|theirs)-topic", "TOPIC", re.sub(r"\s+", " ", text)).strip() for text in told]
        told = [re.sub(r"(?<= )[\w-]{22}(?= )", "ID", text) for text in told]
        check_equal(told[2:], told[:2], f"what the group is in the end: {state}")
    step("with group.protocol=consumer our consumers do what Kafka's do")


def transactions(tools):
    """In transactions: what was committed is what is read."""
    tools.compare("kafka-producer-perf-test", "--topic", "{t}-transactions", "--num-records", "50", "--record-size", "20",
                  "--throughput", "100", "--transactional-id", "{t}", "--transaction-duration-ms", "100")
    tools.compare("kafka-console-consumer", "--topic", "{t}-transactions", "--from-beginning", "--max-messages", "50",
                  "--isolation-level", "read_committed", "--formatter",
                  "org.apache.kafka.tools.consumer.NoOpMessageFormatter")


def shared_group(tools, kafka, protocol):
    """A Java consumer and ours divide the partitions of a topic; each record goes to one of them."""
    topic = f"shared-{protocol}"
    kafka.call("kafka-topics", "--create", "--topic", topic, "--partitions", "6")
    arguments = ["--topic", topic, "--group", topic, "--from-beginning", "--timeout-ms", "20000", "--command-property",
                 f"group.protocol={protocol}"]
    java = kafka.start("kafka-console-consumer", *arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    ours = subprocess.Popen([tools.program, "kafka-console-consumer", "--bootstrap-server", tools.bootstrap,
                             *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            members = tools.theirs("kafka-consumer-groups", ["--bootstrap-server", tools.bootstrap, "--describe",
                                                             "--group", topic])[1]
            owners = {line.split()[6] for line in members.splitlines() if line.startswith(topic)}
            if len(owners) == 2 and "-" not in owners:
                break
            time.sleep(0.5)
        check(len(owners) == 2, f"the members did not share the topic: {members}")
        lines = "".join(f"{number}\t{number}\n" for number in range(300))
        tools.ours("kafka-console-producer", ["--bootstrap-server", tools.bootstrap, "--topic", topic,
                                              "--reader-property", "parse.key=true"], lines)
        read = [process.communicate(timeout=120)[0].decode().split() for process in (java, ours)]
    finally:
        java.kill()
        ours.kill()
    check(all(read), f"one member read nothing: {[len(part) for part in read]}")
    check_equal(sorted(map(int, read[0] + read[1])), list(range(300)), "what both members read")
    step(f"a Java consumer and ours shared a {protocol} group: {len(read[0])} and {len(read[1])} records")


def interrupted(tools):
    """Ctrl-C: the consumer says how much it saw and leaves its group."""
    out = tools.directory / "interrupted.out"
    with open(out, "wb") as file:
        process = subprocess.Popen([tools.program, "kafka-console-consumer", "--bootstrap-server", tools.bootstrap,
                                    "--topic", "theirs-topic", "--group", "interrupted", "--from-beginning"],
                                   stdout=file, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not out.read_bytes() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    check_equal(process.returncode, 130, "the exit code after Ctrl-C")
    check_equal(err, f"Processed a total of {len(out.read_bytes().splitlines())} messages\n", "what it says at the end")


def run(case):
    broker = case.broker(SETTINGS)
    broker.start()
    with ToolRunner(case.scratch) as runner:
        tools = Tools(case.scratch, broker.bootstrap, runner)
        for part in (producing, refusals_of_the_producer, consuming, refusals_of_the_consumer, measuring):
            part(tools)
            step(f"{part.__name__.replace('_', ' ')}: {tools.count} command lines so far")
        kafka = case.kafka_tools(broker.bootstrap)
        new_group_protocol(tools, kafka)
        transactions(tools)
        for protocol in ("classic", "consumer"):
            shared_group(tools, kafka, protocol)
        interrupted(tools)
        step("Ctrl-C ends a consumer as it ends Kafka's")


if __name__ == "__main__":
    case.main(run)
