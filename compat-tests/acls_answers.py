#!/usr/bin/env python3
"""ACLs on transactions and on groups: what each API tells clients that may do some things and not others.

Clients are told apart by their addresses, as in acls_obeyed.py. Each holds other rights: all that it takes, all but one,
none. Each asks every transactional API and every API of classic groups and of the consumer protocol, at each of the
versions that tell errors in another way. Expected answers: testdata/acls_answers.json, recorded from Apache Kafka 4.3.1 by
this script.
"""

import time

from acls_obeyed import BROKER, OPEN, Asking, acl, create_acls

from harness import case
from harness.outcome import check, check_equal, step
from harness.recorded import Probes, until
from harness.transactions import keyed_batch

probes = Probes("acls_answers")
TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID = 2, 3, 4, 5  # resource types
READ, WRITE, DESCRIBE, CLUSTER_ACTION = 3, 4, 8, 9  # operations
# What each client may do: with the topic, the group, the transactional id, the cluster.
RIGHTS = {
    "may": ((TOPIC, READ), (TOPIC, WRITE), (GROUP, READ), (TRANSACTIONAL_ID, WRITE), (CLUSTER, CLUSTER_ACTION)),
    "no topic": ((GROUP, READ), (TRANSACTIONAL_ID, WRITE)),
    "describes the topic": ((TOPIC, DESCRIBE), (GROUP, READ), (TRANSACTIONAL_ID, WRITE)),
    "no group": ((TOPIC, READ), (TOPIC, WRITE), (TRANSACTIONAL_ID, WRITE)),
    "describes the group": ((TOPIC, READ), (TOPIC, WRITE), (GROUP, DESCRIBE), (TRANSACTIONAL_ID, WRITE)),
    "no id": ((TOPIC, READ), (TOPIC, WRITE), (GROUP, READ)),
    "describes the id": ((TOPIC, READ), (TOPIC, WRITE), (GROUP, READ), (TRANSACTIONAL_ID, DESCRIBE)),
    "nothing": (),
}
NAMES = {TOPIC: "closed", GROUP: "closed-group", TRANSACTIONAL_ID: "closed-id", CLUSTER: "kafka-cluster"}
HOSTS = {name: f"127.0.0.{number}" for number, name in enumerate(RIGHTS, 2)}


class Clients:
    """All of them, and the id and epoch of the producer whose transactional id is closed."""

    def __init__(self, broker):
        port = int(broker.bootstrap.split(":")[-1])
        self.by_name = {name: Asking(port, host) for name, host in HOSTS.items()}
        self.may = self.by_name["may"]
        self.id = self.epoch = -1

    def each(self, question):
        """{client: what it is told}; the one that may comes last, for what changes something."""
        names = [name for name in RIGHTS if name != "may"] + ["may"]
        return {name: question(self.by_name[name]) for name in names}


clients = None


def patient(ask, code_of):
    return until(ask, lambda answer: code_of(answer) not in (14, 15, 16, 51))


def set_up(broker):
    """The topic, a producer, groups of both kinds; then the ACLs. There are none before, so everybody may."""
    global clients
    clients = Clients(broker)
    may = clients.may
    for name in ("closed", "open"):
        answer = may(19, 5, {"Topics": [{"Name": name, "NumPartitions": 1, "ReplicationFactor": 1}], "timeoutMs": 10000})
        check_equal(answer["Topics"][0]["ErrorCode"], 0, f"creating {name}")
    for kind, key in ((0, "closed-group"), (0, "closed-classic"), (1, "closed-id")):
        patient(lambda kind=kind, key=key: may(10, 4, {"KeyType": kind, "CoordinatorKeys": [key]})["Coordinators"][0],
                lambda told: told["ErrorCode"])
    patient(lambda: heartbeat(may, "closed-group", "m", 7), lambda told: told["ErrorCode"])
    answer = patient(lambda: init(may), lambda told: told["ErrorCode"])
    check_equal(answer["ErrorCode"], 0, "a producer id")
    clients.id, clients.epoch = answer["ProducerId"], answer["ProducerEpoch"]
    check_equal(init(may, "open-id")["ErrorCode"], 0, "another producer id")
    acls = [acl(CLUSTER, "kafka-cluster", 2, BROKER)]
    for name, rights in RIGHTS.items():
        acls += [acl(kind, NAMES[kind], operation, HOSTS[name]) for kind, operation in rights]
    create_acls(may, *acls)
    time.sleep(0.5)


# --- requests

def init(ask, name="closed-id", version=4, **more):
    return ask(22, version, {"TransactionalId": name, "TransactionTimeoutMs": 60000, "ProducerId": -1, "ProducerEpoch": -1, **more})


def add(ask, version, *topics):
    answer = ask(24, version, {"V3AndBelowTransactionalId": "closed-id", "V3AndBelowProducerId": clients.id,
                               "V3AndBelowProducerEpoch": clients.epoch,
                               "V3AndBelowTopics": [{"Name": name, "Partitions": [0]} for name in topics]})
    return sorted([topic["Name"], topic["ResultsByPartition"][0]["PartitionErrorCode"]]
                  for topic in answer["ResultsByTopicV3AndBelow"])


def add_as_broker(ask, version, verify):
    answer = ask(24, version, {"Transactions": [
        {"TransactionalId": "closed-id", "ProducerId": clients.id, "ProducerEpoch": clients.epoch, "VerifyOnly": verify,
         "Topics": [{"Name": "closed", "Partitions": [0]}]}]})
    return [answer["ErrorCode"], [topic["ResultsByPartition"] for result in answer["ResultsByTransaction"]
                                  for topic in result["TopicResults"]]]


def add_offsets(ask, version, group="closed-group"):
    return ask(25, version, {"TransactionalId": "closed-id", "ProducerId": clients.id, "ProducerEpoch": clients.epoch,
                             "GroupId": group})["ErrorCode"]


def end(ask, version, commit=True):
    """By a producer that there is not, so that nothing is ended."""
    return ask(26, version, {"TransactionalId": "closed-id", "ProducerId": clients.id + 1000, "ProducerEpoch": 0,
                             "Committed": commit})["ErrorCode"]


def commit_in_transaction(ask, version, *topics, group="closed-group"):
    answer = ask(28, version, {"TransactionalId": "closed-id", "GroupId": group, "ProducerId": clients.id,
                               "ProducerEpoch": clients.epoch, "GenerationId": -1, "MemberId": "", "Topics": [
                                   {"Name": name, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1,
                                                                  "CommittedMetadata": ""}]} for name in topics]})
    return sorted([topic["Name"], topic["Partitions"][0]["ErrorCode"]] for topic in answer["Topics"])


def produce(ask, version, transactional_id="closed-id", topics=("closed",)):
    sent = keyed_batch([(b"k", b"v")], int(time.time() * 1000), attributes=0x10, producer=(clients.id, clients.epoch, 0))
    answer = ask(0, version, {"TransactionalId": transactional_id, "Acks": -1, "TimeoutMs": 10000, "TopicData": [
        {"Name": name, "PartitionData": [{"Index": 0, "Records": sent}]} for name in topics]})
    return sorted([topic["Name"], topic["PartitionResponses"][0]["ErrorCode"]] for topic in answer["Responses"])


def markers(ask, version, topic="closed"):
    answer = ask(27, version, {"Markers": [
        {"ProducerId": clients.id + 1000, "ProducerEpoch": 0, "TransactionResult": False, "CoordinatorEpoch": 0,
         "TransactionVersion": 0, "Topics": [{"Name": topic, "PartitionIndexes": [0]}]}]})
    return [partition["ErrorCode"] for marker in answer["Markers"] for one in marker["Topics"] for partition in one["Partitions"]]


def described(ask, *names):
    answer = ask(65, 0, {"TransactionalIds": list(names)})["TransactionStates"]
    return sorted([told["TransactionalId"], told["ErrorCode"], told["TransactionState"],
                   [topic["Topic"] for topic in told["Topics"]]] for told in answer)


def listed(ask, version):
    answer = ask(66, version, {"StateFilters": [], "ProducerIdFilters": []})
    return [answer["ErrorCode"], sorted(told["TransactionalId"] for told in answer["TransactionStates"])]


def heartbeat(ask, group, member, epoch, version=1, **more):
    joining = {"RebalanceTimeoutMs": 60000, "SubscribedTopicNames": ["closed"], "TopicPartitions": []} if epoch == 0 else {}
    answer = ask(68, version, {"GroupId": group, "MemberId": member, "MemberEpoch": epoch, **joining, **more})
    if answer["Assignment"]:
        answer["Assignment"] = [len(topic["Partitions"]) for topic in answer["Assignment"]["TopicPartitions"]]
    return answer


def described_groups(ask, *groups, version=1):
    answer = ask(69, version, {"GroupIds": list(groups), "IncludeAuthorizedOperations": True})["Groups"]
    for group in answer:
        for member in group["Members"]:
            member.pop("ClientHost")
            for kind in ("Assignment", "TargetAssignment"):
                for topic in member[kind]["TopicPartitions"]:
                    topic.pop("TopicId")
    return sorted(answer, key=lambda group: group["GroupId"])


def join(ask, group, member="", version=9):
    answer = ask(11, version, {"GroupId": group, "SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 30000, "MemberId": member,
                               "ProtocolType": "consumer", "Protocols": [{"Name": "range", "Metadata": b"x"}]})
    return [answer["ErrorCode"], answer["GenerationId"], answer["ProtocolName"], answer["Leader"], len(answer["Members"]),
            bool(answer["MemberId"])]


# --- what is told

@probes.probe("InitProducerId")
def _(_):
    return [clients.each(lambda ask, version=version: [init(ask, version=version)["ErrorCode"], init(ask, None, version)["ErrorCode"]])
            for version in (0, 3)] + [clients.each(lambda ask: init(ask, "open-id")["ErrorCode"])]


@probes.probe("the producer begins anew")
def _(_):
    answer = init(clients.may)
    clients.id, clients.epoch = answer["ProducerId"], answer["ProducerEpoch"]
    return answer["ErrorCode"]


@probes.probe("FindCoordinator of an id")
def _(_):
    return clients.each(lambda ask: [ask(10, 4, {"KeyType": 1, "CoordinatorKeys": ["closed-id", "open-id"]})["Coordinators"][index][
        "ErrorCode"] for index in (0, 1)])


@probes.probe("AddPartitionsToTxn")
def _(_):
    return [clients.each(lambda ask, version=version: [add(ask, version, "closed"), add(ask, version, "closed", "open", "nope")])
            for version in (0, 3)]


@probes.probe("AddPartitionsToTxn as by brokers")
def _(_):
    return [clients.each(lambda ask, version=version: [add_as_broker(ask, version, True), add_as_broker(ask, version, False)])
            for version in (4, 5)]


@probes.probe("AddOffsetsToTxn")
def _(_):
    return [clients.each(lambda ask, version=version: [add_offsets(ask, version), add_offsets(ask, version, "open-group")])
            for version in (0, 4)]


@probes.probe("TxnOffsetCommit")
def _(_):
    return [clients.each(lambda ask, version=version: [
        commit_in_transaction(ask, version, "closed", "open", "nope"), commit_in_transaction(ask, version, "open"),
        commit_in_transaction(ask, version, "closed", group="open-group")]) for version in (0, 2, 3, 5)]


@probes.probe("Produce in a transaction")
def _(_):
    return [clients.each(lambda ask, version=version: [produce(ask, version), produce(ask, version, None),
                                                       produce(ask, version, topics=("closed", "open"))]) for version in (9, 12)]


@probes.probe("EndTxn")
def _(_):
    return [clients.each(lambda ask, version=version: end(ask, version)) for version in range(6)]


@probes.probe("WriteTxnMarkers")
def _(_):
    return [clients.each(lambda ask, version=version: [markers(ask, version), markers(ask, version, "nope")]) for version in (1, 2)]


@probes.probe("transactions are described and listed")
def _(_):
    answers = [clients.each(lambda ask: described(ask, "closed-id", "open-id", "nobody"))]
    return answers + [clients.each(lambda ask, version=version: listed(ask, version)) for version in (0, 2)]


@probes.probe("ConsumerGroupHeartbeat")
def _(_):
    answers = [clients.each(lambda ask: [
        heartbeat(ask, "closed-group", f"m {RIGHTS_OF[ask.host]}", 0), heartbeat(ask, "closed-group", "x", 7),
        heartbeat(ask, "closed-group", "x", -1), heartbeat(ask, "closed-group", "v0", 7, 0)])]
    # Of topics that it may not describe a member learns nothing, be they named or found.
    answers.append(clients.each(lambda ask: [
        heartbeat(ask, f"open-{RIGHTS_OF[ask.host]}", "m", 0, SubscribedTopicNames=names) for names in
        (["closed"], ["open"], ["closed", "open"], ["nope"])]))
    return answers


@probes.probe("a pattern finds topics that may be described")
def _(_):
    def ask_twice(ask):
        group = f"pattern {RIGHTS_OF[ask.host]}"
        first = heartbeat(ask, group, "m", 0, SubscribedTopicNames=None, SubscribedTopicRegex="closed|open")
        if first["ErrorCode"]:
            return [first]
        found = until(lambda: heartbeat(ask, group, "m", first["MemberEpoch"]), lambda told: told["MemberEpoch"] > 1, 5)
        return [first, found]
    return clients.each(ask_twice)


@probes.probe("ConsumerGroupDescribe")
def _(_):
    heartbeat(clients.may, "closed-group", "m", 0)
    return [clients.each(lambda ask, version=version: described_groups(ask, "closed-group", "nobody", version=version))
            for version in (0, 1)]


@probes.probe("the group is emptied")
def _(_):
    answers = [heartbeat(clients.may, "closed-group", member, -1)["ErrorCode"] for member in ("m", "m may")]
    for name, client in clients.by_name.items():
        answers.append(heartbeat(client, "closed-group", f"m {name}", -1)["ErrorCode"])
    return answers


@probes.probe("JoinGroup, SyncGroup, Heartbeat, LeaveGroup")
def _(_):
    answers = [clients.each(lambda ask, version=version: join(ask, "closed-group", version=version)) for version in (5, 9)]
    answers += [clients.each(lambda ask, version=version: join(ask, "closed-group", "nobody", version)) for version in (4, 9)]
    for version in (0, 3, 5):
        answers.append(clients.each(lambda ask, version=version: ask(14, version, {
            "GroupId": "closed-group", "GenerationId": 1, "MemberId": "nobody", "ProtocolType": "consumer",
            "ProtocolName": "range", "Assignments": []})["ErrorCode"]))
    answers += [clients.each(lambda ask, version=version: ask(12, version, {
        "GroupId": "closed-group", "GenerationId": 1, "MemberId": "nobody"})["ErrorCode"]) for version in (0, 4)]
    answers.append(clients.each(lambda ask: ask(13, 0, {"GroupId": "closed-group", "MemberId": "nobody"})["ErrorCode"]))
    answers.append(clients.each(lambda ask: ask(13, 5, {"GroupId": "closed-group", "Members": [{"MemberId": "nobody"}]})))
    return answers


@probes.probe("OffsetFetch, OffsetCommit, OffsetDelete, DescribeGroups, ListGroups, DeleteGroups")
def _(_):
    def offsets(version, name, code_of):
        return clients.each(lambda ask: code_of(ask(9, version, name)))
    one = {"GroupId": "closed-group", "Topics": [{"Name": name, "PartitionIndexes": [0]} for name in ("closed", "open", "nope")]}
    answers = [offsets(7, one, lambda told: [told["ErrorCode"], sorted(
        [topic["Name"], topic["Partitions"][0]["ErrorCode"]] for topic in told["Topics"])])]
    answers.append(offsets(8, {"Groups": [one, {"GroupId": "nobody", "Topics": None}]}, lambda told: sorted(
        [group["GroupId"], group["ErrorCode"], sorted([topic["Name"], topic["Partitions"][0]["ErrorCode"]]
                                                      for topic in group["Topics"])] for group in told["Groups"])))
    commits = {"GroupId": "closed-group", "GenerationIdOrMemberEpoch": -1, "Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1}]} for name in ("closed", "open", "nope")]}
    answers.append(clients.each(lambda ask: sorted([topic["Name"], topic["Partitions"][0]["ErrorCode"]]
                                                   for topic in ask(8, 8, commits)["Topics"])))
    deletes = {"GroupId": "closed-group", "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": 0}]}
                                                     for name in ("closed", "open", "nope")]}
    answers.append(clients.each(lambda ask: [(told := ask(47, 0, deletes))["ErrorCode"], sorted(
        [topic["Name"], topic["Partitions"][0]["ErrorCode"]] for topic in told["Topics"])]))
    answers.append(clients.each(lambda ask: [(told := ask(15, 6, {"Groups": ["closed-group"], "IncludeAuthorizedOperations": True})[
        "Groups"][0])["ErrorCode"], told["GroupState"], told["AuthorizedOperations"]]))
    answers.append(clients.each(lambda ask: "closed-group" in {
        group["GroupId"] for group in ask(16, 5, {"StatesFilter": [], "TypesFilter": []})["Groups"]}))
    answers.append(clients.each(lambda ask: ask(42, 2, {"GroupsNames": ["closed-group"]})["Results"][0]["ErrorCode"]))
    return answers


RIGHTS_OF = {host: name for name, host in HOSTS.items()}


def run(case):
    broker = case.broker(OPEN).start()
    set_up(broker)
    count = probes.compare(broker)
    broker.stop()
    check(count > 10, "there are probes")
    step(f"{len(RIGHTS)} clients with {count} groups of questions were answered as by Apache Kafka")


if __name__ == "__main__":
    case.main(run)
