#!/usr/bin/env python3
"""Brokers of both kinds live under a controller of either: they join, are told apart, leave, and are fenced.

Under an Apache Kafka controller and under a Barnabas one there are a broker of each kind (against Apache Kafka: two of
its own). Topics are created through either broker and known to both, with the configurations that either was given;
Apache Kafka's tools see both brokers, and the features, through each. SIGTERM of a broker hands its partitions to the
other before it ends; it comes back; kill -9 fences it when its session is over, and it comes back from that too.
"""

import functools
import time

from harness import case
from harness.cluster import Cluster, Node
from harness.outcome import check, check_contains, check_equal, step
from harness.waiting import wait_until
from harness.wire_client import WireClient

SESSION_MS = 4000
METADATA, FIND_COORDINATOR, CREATE_TOPICS, INIT_PRODUCER_ID = 3, 10, 19, 22
INCREMENTAL_ALTER_CONFIGS, DESCRIBE_CONFIGS = 44, 32


def brokers_of(node):
    """The ids of the unfenced brokers, as this broker knows them; None when it does not answer."""
    try:
        with WireClient(node.port) as client:
            return {broker["NodeId"] for broker in client.call(METADATA, 9, {"Topics": []})["Brokers"]}
    except OSError:
        return None


def partitions_of(node, topic):
    """{partition: (leader, replicas, in sync)} as this broker knows them; empty when it does not know the topic."""
    with WireClient(node.port) as client:
        told, = client.call(METADATA, 9, {"Topics": [{"Name": topic}], "AllowAutoTopicCreation": False})["Topics"]
    return {partition["PartitionIndex"]: (partition["LeaderId"], partition["ReplicaNodes"], partition["IsrNodes"])
            for partition in told["Partitions"]}


def create_topic(node, name, partitions=4):
    with WireClient(node.port) as client:
        answer = client.call(CREATE_TOPICS, 7, {"Topics": [
            {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 2, "Assignments": [], "Configs": []}],
            "timeoutMs": 15000, "validateOnly": False})
    told, = answer["Topics"]
    check_equal((told["ErrorCode"], told["NumPartitions"]), (0, partitions), f"CreateTopics of {name}")


def set_config(node, topic, key, value):
    with WireClient(node.port) as client:
        answer = client.call(INCREMENTAL_ALTER_CONFIGS, 1, {"Resources": [
            {"ResourceType": 2, "ResourceName": topic, "Configs": [
                {"Name": key, "ConfigOperation": 0, "Value": value}]}], "ValidateOnly": False})
    check_equal([told["ErrorCode"] for told in answer["Responses"]], [0], f"{key} of {topic}")


def config(node, topic, key):
    with WireClient(node.port) as client:
        answer = client.call(DESCRIBE_CONFIGS, 4, {"Resources": [
            {"ResourceType": 2, "ResourceName": topic, "ConfigurationKeys": [key]}]})
    told, = answer["Results"]
    return told["Configs"][0]["Value"] if told["ErrorCode"] == 0 and told["Configs"] else None


def admin(cluster, one, other):
    """What is done through one broker is known to both."""
    for node, topic in ((cluster[one], "through-one"), (cluster[other], "through-other")):
        create_topic(node, topic)
        for asked in (one, other):
            wait_until(lambda: len(partitions_of(cluster[asked], topic)) == 4, f"{topic} at node {asked}", 10)
        set_config(node, topic, "retention.ms", "123456")
        for asked in (one, other):
            wait_until(lambda: config(cluster[asked], topic, "retention.ms") == "123456",
                       f"the configuration of {topic} at node {asked}", 10)
    leaders = {leader for topic in ("through-one", "through-other")
               for leader, _, _ in partitions_of(cluster[one], topic).values()}
    check_equal(leaders, {one, other}, "who leads the partitions")
    step("topics and configurations made through either broker are known to both")


def clients(cluster, *nodes):
    """What brokers ask the controller for on behalf of clients: the topic of committed offsets, topics that clients
    name, blocks of producer ids."""
    made = set()
    for node in nodes:
        with WireClient(cluster[node].port) as client:
            def coordinator():
                told = client.call(FIND_COORDINATOR, 3, {"Key": f"group-{node}", "KeyType": 0})
                return told["ErrorCode"], told["NodeId"]
            check(client.patiently("a coordinator", coordinator) in nodes, "the coordinator is one of the brokers")

            def producer_id():
                told = client.call(INIT_PRODUCER_ID, 4, {"TransactionalId": None, "TransactionTimeoutMs": 60000})
                return told["ErrorCode"], told["ProducerId"]
            made.add(client.patiently("a producer id", producer_id))

            def automatic():
                told, = client.call(METADATA, 9, {"Topics": [{"Name": f"automatic-{node}"}],
                                                  "AllowAutoTopicCreation": True})["Topics"]
                return told["ErrorCode"], len(told["Partitions"])
            client.patiently("a topic that a client names", automatic)
    check_equal(len(made), len(nodes), "different producer ids")
    step("coordinators, producer ids and topics that clients name are there through each")


def tools(case, cluster, *nodes):
    for node in nodes:
        kafka = case.kafka_tools(cluster[node].bootstrap)
        out = kafka.call("kafka-broker-api-versions")
        for broker in nodes:
            check_contains(out, f"{cluster[broker].bootstrap} (id: {broker} ", "kafka-broker-api-versions")
        check_contains(kafka.call("kafka-features", "describe"), "metadata.version", "kafka-features")
        out = kafka.call("kafka-metadata-quorum", "describe", "--status")
        check_contains(out, "LeaderId:", "kafka-metadata-quorum")
    step("Apache Kafka's tools see both brokers through each of them")


def leave_and_return(cluster, leaving, staying):
    """With a topic that both have whole, as it is new: replication is not what is tested here."""
    kind, topic = cluster[leaving].kind, f"left-by-{leaving}"
    create_topic(cluster[staying], topic)
    wait_until(lambda: len(partitions_of(cluster[leaving], topic)) == 4, f"{topic} at node {leaving}", 10)
    took = cluster[leaving].stop()
    leaders = {leader for leader, _, _ in partitions_of(cluster[staying], topic).values()}
    check_equal(leaders, {staying}, f"who leads {topic} after a controlled shutdown")
    check_equal(brokers_of(cluster[staying]), {staying}, "the brokers after a controlled shutdown")
    step(f"SIGTERM of the {kind} broker handed its partitions over; it took {took:.2f} s")
    cluster[leaving].start()
    wait_until(lambda: brokers_of(cluster[staying]) == {leaving, staying}, "the broker to be back", 20)


def die_and_return(cluster, dying, staying):
    kind, topic = cluster[dying].kind, f"lost-by-{dying}"
    create_topic(cluster[staying], topic)
    begun = time.monotonic()
    cluster[dying].kill()
    wait_until(lambda: brokers_of(cluster[staying]) == {staying}, "the killed broker's fence", 3 * SESSION_MS / 1000)
    leaders = {leader for leader, _, _ in partitions_of(cluster[staying], topic).values()}
    check_equal(leaders, {staying}, f"who leads {topic} after a kill -9")
    step(f"kill -9 of the {kind} broker: fenced after {time.monotonic() - begun:.2f} s")
    cluster[dying].start()
    wait_until(lambda: brokers_of(cluster[staying]) == {dying, staying}, "the broker to be back", 30)
    step(f"the {kind} broker came back")


def run_under(case, controller, one, other):
    settings = {"broker.session.timeout.ms": str(SESSION_MS), "broker.heartbeat.interval.ms": "500"}
    cluster = Cluster(case, [Node(1, "controller", controller), Node(2, "broker", one), Node(3, "broker", other)],
                      settings=settings, name=f"under-{controller}")
    cluster.start()
    for node in (2, 3):
        wait_until(lambda: brokers_of(cluster[node]) == {2, 3}, f"both brokers to be known to node {node}", 20)
    step(f"a {one} and a {other} broker joined a {controller} controller")
    admin(cluster, 2, 3)
    clients(cluster, 2, 3)
    tools(case, cluster, 2, 3)
    leave_and_return(cluster, 3, 2)
    die_and_return(cluster, 3, 2)
    leave_and_return(cluster, 2, 3)
    for node in cluster.nodes.values():
        node.check_alive()
        node.kill()


def run(case):
    controllers = ("kafka", "barnabas") if case.is_barnabas else ("kafka",)
    case.at_once(*(functools.partial(run_under, case, controller, "kafka", case.kind) for controller in controllers))


if __name__ == "__main__":
    case.main(run)
