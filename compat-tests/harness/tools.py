"""Apache Kafka's own command line tools, called as their kafka-*.sh scripts call them."""

import subprocess

from . import jvm, places
from .outcome import check

CLASSES = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-share-consumer": "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-delegation-tokens": "org.apache.kafka.tools.DelegationTokenCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-replica-verification": "org.apache.kafka.tools.ReplicaVerificationTool",
    "kafka-share-consumer-perf-test": "org.apache.kafka.tools.ShareConsumerPerformance",
    "kafka-share-groups": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-streams-application-reset": "org.apache.kafka.tools.StreamsResetter",
    "kafka-streams-groups": "org.apache.kafka.tools.streams.StreamsGroupCommand",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "kafka-verifiable-share-consumer": "org.apache.kafka.tools.VerifiableShareConsumer",
}


class Done:
    """What a tool did."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


class KafkaTools:
    """Calls tools against one bootstrap address: in the JVM that runner() gives, a ToolRunner, unless they are given
    files for their input or output, or are left running."""

    def __init__(self, bootstrap, directory, runner=None, java_options=None):
        """Without a runner only what is started apart can be."""
        self.bootstrap, self.directory, self.runner = bootstrap, directory, runner
        self.java = places.command("java")
        self.libs = places.kafka_libs()
        self.java_options = java_options or jvm.options(self.libs)

    @property
    def where(self):
        return [] if self.bootstrap is None else ["--bootstrap-server", self.bootstrap]

    def command(self, tool, *arguments):
        return [self.java, "-Xmx256m", *self.java_options, jvm.log4j("tools_log4j2.yaml"), "-cp", f"{self.libs}/*",
                CLASSES[tool], *self.where, *map(str, arguments)]

    def start(self, tool, *arguments, **options):
        """Starts a tool and leaves it running: a Popen."""
        return subprocess.Popen(self.command(tool, *arguments), cwd=self.directory, **options)

    def try_call(self, tool, *arguments, timeout=120, input_file=None, output_file=None):
        """Runs a tool to its end, whatever its end."""
        if input_file is None and output_file is None:
            done = self.runner().call(tool, [*self.where, *map(str, arguments)], limit_seconds=timeout)
            check(done.code != "timeout", f"{tool} {' '.join(map(str, arguments))}: no end in {timeout} s\n"
                  f"{done.out[-2000:]}{done.err[-2000:]}")
            return done
        return self.try_call_apart(tool, *arguments, timeout=timeout, input_file=input_file, output_file=output_file)

    def try_call_apart(self, tool, *arguments, timeout=120, input_file=None, output_file=None):
        """The same in a JVM of its own."""
        stdin = open(input_file, "rb") if input_file else subprocess.DEVNULL
        stdout = open(output_file, "wb") if output_file else subprocess.PIPE
        process = self.start(tool, *arguments, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{tool} {' '.join(map(str, arguments))}: no end in {timeout} s\n"
                                 f"{(out or b'').decode(errors='replace')[-2000:]}{err.decode()[-2000:]}") from None
        finally:
            if input_file:
                stdin.close()
            if output_file:
                stdout.close()
        return Done(process.returncode, (out or b"").decode(errors="replace"), err.decode(errors="replace"))

    def call(self, tool, *arguments, **options):
        """Runs a tool that must succeed; returns what it printed to standard output."""
        done = self.try_call(tool, *arguments, **options)
        check(done.code == 0, f"{tool} {' '.join(map(str, arguments))}: exit code {done.code}\n{done.out}{done.err}")
        return done.out

    def call_plain(self, tool, *arguments):
        """The same for a tool that wants its address somewhere else among its arguments, or none."""
        return KafkaTools(None, self.directory, self.runner).call(tool, *arguments)
