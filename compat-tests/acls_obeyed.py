#!/usr/bin/env python3
"""ACLs are obeyed: a denied and an allowed client, told apart by their addresses.

Both clients are User:ANONYMOUS and come from addresses of their own, which the ACLs name; so does the broker itself. Of what no ACL
speaks everybody may, so that the broker's own traffic goes on. Each API is asked by both, then kcat and Apache Kafka's
tools as the denied one; then the broker is killed and started again, and the ACLs still hold. On a second broker the
client is a super user. The same expectations hold for Apache Kafka.
"""

import socket
import subprocess
import time

from harness import case, record_batches, wire
from harness.kcat import Kcat
from harness.outcome import check, check_contains, check_equal, step

CLASS = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
OPEN = {"authorizer.class.name": CLASS, "allow.everyone.if.no.acl.found": "true", "early.start.listeners": "CONTROLLER"}
BROKER, ALLOWED, DENIED = "127.0.0.1", "127.0.0.2", "127.0.0.3"
TOPIC, GROUP, CLUSTER = 29, 30, 31  # the errors of their authorization
WAIT_SECONDS = 20


class Asking:
    """One client, by the address that it comes from. Every call has a connection of its own."""

    def __init__(self, port, host):
        self.port, self.host = port, host

    def __call__(self, key, version, values):
        made = socket.create_connection(("127.0.0.1", self.port), 20, source_address=(self.host, 0))
        with wire.Connection.accepted(made) as connection:
            return connection.call(key, version, values)


def metadata(ask, name, create=False):
    return ask(3, 12, {"Topics": [{"TopicId": wire.NO_UUID, "Name": name}],
                       "AllowAutoTopicCreation": create})["Topics"][0]


def metadata_by_id(ask, topic_id):
    topic = ask(3, 12, {"Topics": [{"TopicId": topic_id, "Name": None}]})["Topics"][0]
    return topic["ErrorCode"], topic["Name"]


def produce(ask, name):
    batch = record_batches.encode([record_batches.Record(0, 1700000000000, None, b"value", [])])
    answer = ask(0, 9, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 10000, "TopicData": [
        {"Name": name, "PartitionData": [{"Index": 0, "Records": batch}]}]})
    return answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]


def fetch(ask, name, replica=-1):
    answer = ask(1, 11, {"ReplicaId": replica, "MaxWaitMs": 10, "MinBytes": 0, "MaxBytes": 1000, "Topics": [
        {"Topic": name, "Partitions": [{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1000}]}]})
    return answer["Responses"][0]["Partitions"][0]["ErrorCode"]


def list_offsets(ask, name):
    answer = ask(2, 7, {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": [
        {"PartitionIndex": 0, "Timestamp": -1}]}]})
    return answer["Topics"][0]["Partitions"][0]["ErrorCode"]


def epoch_end(ask, name):
    answer = ask(23, 3, {"ReplicaId": -1, "Topics": [{"Topic": name, "Partitions": [
        {"Partition": 0, "CurrentLeaderEpoch": -1, "LeaderEpoch": 0}]}]})
    return answer["Topics"][0]["Partitions"][0]["ErrorCode"]


def describe_partitions(ask, *names):
    answer = ask(75, 0, {"Topics": [{"Name": name} for name in names], "ResponsePartitionLimit": 100})
    return [(topic["Name"], topic["ErrorCode"]) for topic in answer["Topics"]]


def describe_producers(ask, name):
    answer = ask(61, 0, {"Topics": [{"Name": name, "PartitionIndexes": [0]}]})["Topics"][0]["Partitions"][0]
    return answer["ErrorCode"], answer["ErrorMessage"]


def delete_records(ask, name):
    answer = ask(21, 2, {"TimeoutMs": 10000, "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": 0, "Offset": 0}]}]})
    return answer["Topics"][0]["Partitions"][0]["ErrorCode"]


def topic_config(ask, name):
    return ask(32, 4, {"Resources": [{"ResourceType": 2, "ResourceName": name, "ConfigurationKeys": ["retention.ms"]}]})[
        "Results"][0]["ErrorCode"]


def alter_topic_config(ask, name):
    return ask(44, 1, {"Resources": [{"ResourceType": 2, "ResourceName": name, "Configs": [
        {"Name": "retention.ms", "ConfigOperation": 0, "Value": "5000"}]}], "ValidateOnly": True})["Responses"][0]["ErrorCode"]


def more_partitions(ask, name):
    return ask(37, 3, {"Topics": [{"Name": name, "Count": 2, "Assignments": None}], "TimeoutMs": 10000, "ValidateOnly": True})[
        "Results"][0]["ErrorCode"]


def coordinator(ask, group):
    return ask(10, 4, {"KeyType": 0, "CoordinatorKeys": [group]})["Coordinators"][0]["ErrorCode"]


def committed(ask, group):
    return ask(9, 8, {"Groups": [{"GroupId": group, "Topics": None}], "RequireStable": False})["Groups"][0]["ErrorCode"]


def commit(ask, group, name="open"):
    return ask(8, 8, {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 0, "CommittedLeaderEpoch": -1,
                                       "CommittedMetadata": ""}]}]})["Topics"][0]["Partitions"][0]["ErrorCode"]


def describe_group(ask, group):
    return ask(15, 5, {"Groups": [group]})["Groups"][0]["ErrorCode"]


def groups(ask):
    return {group["GroupId"] for group in ask(16, 4, {"StatesFilter": []})["Groups"]}


def delete_group(ask, group):
    return ask(42, 2, {"GroupsNames": [group]})["Results"][0]["ErrorCode"]


def delete_topic(ask, name):
    return ask(20, 5, {"TopicNames": [name], "TimeoutMs": 10000})["Responses"][0]["ErrorCode"]


def producer_id(ask):
    return ask(22, 4, {"TransactionalId": None, "TransactionTimeoutMs": 1000, "ProducerId": -1, "ProducerEpoch": -1})["ErrorCode"]


def acl(kind, name, operation, host=ALLOWED, permission=3, pattern=3, principal="User:*"):
    return {"ResourceType": kind, "ResourceName": name, "ResourcePatternType": pattern, "Principal": principal, "Host": host,
            "Operation": operation, "PermissionType": permission}


def create_acls(ask, *acls):
    for result in ask(30, 3, {"Creations": list(acls)})["Results"]:
        check_equal(result["ErrorCode"], 0, "CreateAcls")


def eventually(what, ask, wanted):
    """Apache Kafka's coordinator and its first producer ids come a moment after the start."""
    end = time.monotonic() + WAIT_SECONDS
    while (got := ask()) != wanted:
        check(time.monotonic() < end, f"{what}: {got}, not {wanted}")
        time.sleep(0.1)


def set_up(ask):
    for name in ("open", "closed", "half"):
        answer = ask(19, 5, {"Topics": [{"Name": name, "NumPartitions": 1, "ReplicationFactor": 1}], "timeoutMs": 10000})
        check_equal(answer["Topics"][0]["ErrorCode"], 0, f"creating {name}")
    for group in ("open-group", "closed-group"):
        eventually("the coordinator", lambda group=group: coordinator(ask, group), 0)
        eventually("a commit", lambda group=group: commit(ask, group), 0)
    create_acls(ask, acl(2, "closed", 2), acl(2, "new-", 2, pattern=4), acl(3, "closed-group", 2),
                acl(2, "half", 3, "*"), acl(2, "half", 8, DENIED, 2), acl(2, "half", 2))


def check_topics(denied, allowed):
    topic = metadata(allowed, "closed")
    check_equal(topic["ErrorCode"], 0, "Metadata of the allowed client")
    hidden = metadata(denied, "closed")
    check_equal((hidden["ErrorCode"], hidden["TopicId"], hidden["IsInternal"]), (TOPIC, wire.NO_UUID, False), "Metadata")
    check_equal(metadata(denied, "new-1", True)["ErrorCode"], TOPIC, "Metadata of a topic that there is not")
    check_equal(metadata_by_id(denied, topic["TopicId"]), (TOPIC, None), "Metadata by id")
    names = {topic["Name"] for topic in denied(3, 12, {"Topics": None})["Topics"]}
    check("open" in names and "closed" not in names, f"Metadata of all topics: {names}")
    for what, call in (("Produce", produce), ("Fetch", fetch), ("ListOffsets", list_offsets), ("DeleteRecords", delete_records),
                       ("DescribeConfigs", topic_config), ("IncrementalAlterConfigs", alter_topic_config),
                       ("CreatePartitions", more_partitions)):
        check_equal([call(ask, name) for name, ask in (("closed", allowed), ("open", denied), ("closed", denied))],
                    [0, 0, TOPIC], what)
    check_equal(describe_producers(denied, "closed"), (TOPIC, "Topic authorization failed."), "DescribeProducers")
    described = describe_partitions(denied, "closed", "new-1", "open")
    check_equal(described[0], ("open", 0), "DescribeTopicPartitions: what may be seen comes first")
    check_equal(sorted(described[1:]), [("closed", TOPIC), ("new-1", TOPIC)], "DescribeTopicPartitions: what may not")
    # READ is allowed, DESCRIBE is denied: a denial wins over what is implied.
    check_equal((fetch(denied, "half"), list_offsets(denied, "half"), list_offsets(allowed, "half")), (0, TOPIC, 0),
                "a topic that may be read and not described")
    step("topics: each API answers the denied client as Apache Kafka does, and serves the allowed one")


def check_groups(denied, allowed):
    for what, call in (("FindCoordinator", coordinator), ("OffsetFetch", committed), ("OffsetCommit", commit),
                       ("DescribeGroups", describe_group)):
        check_equal([call(ask, name) for name, ask in (("closed-group", allowed), ("open-group", denied),
                                                       ("closed-group", denied))], [0, 0, GROUP], what)
    check_equal(commit(denied, "open-group", "closed"), TOPIC, "OffsetCommit of a closed topic")
    check_equal(delete_group(denied, "closed-group"), GROUP, "DeleteGroups")
    step("groups: the same")


def check_cluster(denied, allowed):
    create_acls(allowed, acl(4, "kafka-cluster", 2), acl(4, "kafka-cluster", 2, BROKER))
    check_equal(groups(denied), {"open-group"}, "ListGroups")
    check_equal(groups(allowed), {"open-group", "closed-group"}, "ListGroups of the allowed client")
    eventually("who may write to some topic gets a producer id", lambda: producer_id(denied), 0)
    check_equal(metadata(denied, "wanted", True)["ErrorCode"], 3, "Metadata that creates a topic")
    for what, key, version, values, path in (
            ("DescribeAcls", 29, 3, {"ResourceTypeFilter": 1, "PatternTypeFilter": 1, "Operation": 1, "PermissionType": 1,
                                     "ResourceNameFilter": None, "PrincipalFilter": None, "HostFilter": None}, None),
            ("CreateAcls", 30, 3, {"Creations": [acl(2, "x", 3)]}, "Results"),
            ("DeleteAcls", 31, 3, {"Filters": [{"ResourceTypeFilter": 2, "ResourceNameFilter": "x", "PatternTypeFilter": 3,
                                                "PrincipalFilter": None, "HostFilter": None, "Operation": 1,
                                                "PermissionType": 1}]}, "FilterResults"),
            ("DescribeLogDirs", 35, 3, {"Topics": None}, None),
            ("DescribeClientQuotas", 48, 1, {"Components": [], "Strict": False}, None),
            ("ListPartitionReassignments", 46, 0, {"TimeoutMs": 3000, "Topics": None}, None),
            ("ListConfigResources", 74, 1, {"ResourceTypes": []}, None),
            ("ElectLeaders", 43, 2, {"ElectionType": 0, "TopicPartitions": None, "TimeoutMs": 3000}, None)):
        for ask, wanted in ((denied, CLUSTER), (allowed, 0)):
            answer = ask(key, version, values)
            check_equal((answer[path][0] if path else answer)["ErrorCode"], wanted, f"{what} from {ask.host}")
    bits = [ask(60, 1, {"EndpointType": 1, "IncludeClusterAuthorizedOperations": True})["ClusterAuthorizedOperations"]
            for ask in (denied, allowed)]
    check_equal(bits, [0, 0b1111110100000], "what DescribeCluster says that each may do")
    check_equal(epoch_end(denied, "closed"), TOPIC, "OffsetForLeaderEpoch")
    check_equal(fetch(denied, "open", 7), TOPIC, "a fetch as if by another broker")
    for name in ("closed", "new-1"):
        check_equal(delete_topic(denied, name), TOPIC, f"DeleteTopics {name}")
    step("the cluster: the same")


def check_programs(case, bootstrap):
    done = subprocess.run([Kcat(bootstrap).program, "-b", bootstrap, "-P", "-t", "closed"], input="x\n", capture_output=True,
                          text=True, timeout=60)
    check(done.returncode != 0, "kcat cannot produce")
    check_contains(done.stderr, "uthorization failed", "what kcat says")
    tools = case.kafka_tools(bootstrap)
    check("closed" not in tools.call("kafka-topics", "--list").split(), "kafka-topics --list hides the topic")
    for tool, arguments in (("kafka-console-consumer", ("--topic", "closed", "--from-beginning", "--timeout-ms", "10000")),
                            ("kafka-consumer-groups", ("--describe", "--group", "closed-group"))):
        done = tools.try_call(tool, *arguments)
        check_contains(done.out + done.err, "AuthorizationException", f"what {tool} says")
    step("kcat and Apache Kafka's tools are told that they are not authorized")


def check_super_users(case):
    broker = case.broker({"authorizer.class.name": CLASS, "super.users": "User:nobody; User:ANONYMOUS",
                          "early.start.listeners": "CONTROLLER"}, name="super").start()
    ask = Asking(int(broker.bootstrap.split(":")[-1]), DENIED)
    create_acls(ask, acl(2, "t", 2, "*", 2))
    answer = ask(19, 5, {"Topics": [{"Name": "t", "NumPartitions": 1, "ReplicationFactor": 1}], "timeoutMs": 10000})
    check_equal(answer["Topics"][0]["ErrorCode"], 0, "creating a topic")
    check_equal(produce(ask, "t"), 0, "a super user produces in spite of a denial")
    broker.stop()
    step("a super user may do everything")


def run(case):
    broker = case.broker(OPEN).start()
    port = int(broker.bootstrap.split(":")[-1])
    denied, allowed = Asking(port, DENIED), Asking(port, ALLOWED)
    set_up(allowed)
    check_topics(denied, allowed)
    check_groups(denied, allowed)
    check_cluster(denied, allowed)
    check_programs(case, broker.bootstrap)
    broker.kill()
    broker.start()
    eventually("the allowed client after the restart", lambda: produce(allowed, "closed"), 0)
    check_equal((produce(denied, "closed"), produce(denied, "open")), (TOPIC, 0), "the denied client after the restart")
    step("after kill -9 and a start the ACLs still hold")
    check_super_users(case)


if __name__ == "__main__":
    case.main(run)
