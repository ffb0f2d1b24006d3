#!/usr/bin/env python3
"""An active controller answers brokers as Apache Kafka's does, and writes the same metadata records: field by field.

The test is the brokers: it registers some, beats for them, lets them lead partitions, fall silent, restart, lose
directories, be reassigned and shut down, all with requests by hand to the controller's listener. After each request it
reads what was appended to the metadata log on disk. Answers and records are those in testdata/controller_answers.json,
recorded from Apache Kafka 4.3.1 by this script; ids that are random and epochs that are offsets have names there.
"""

import time
import uuid

from harness import case
from harness.outcome import step
from harness.played_brokers import HEARTBEAT, Controller, directory, features
from harness.recorded import Probes
from harness.wire import NO_UUID

SESSION_MS = 6000
CREATE_TOPICS, CREATE_PARTITIONS, ALTER_CONFIGS, DELETE_TOPICS = 19, 37, 44, 20
ELECT_LEADERS, REASSIGN, LIST_REASSIGNMENTS, ALTER_PARTITION, UPDATE_FEATURES = 43, 45, 46, 56, 57
REGISTER, UNREGISTER, PRODUCER_IDS, REGISTER_CONTROLLER, ASSIGN_DIRECTORIES = 62, 64, 67, 70, 73
probes = Probes("controller_answers")


def ask(name, key, version, values, pick=None):
    """A probe: `values` is the request, or makes it from the controller."""
    @probes.probe(name)
    def question(controller):
        controller.beat()
        controller.records()
        told = controller.ask(key, version, values(controller) if callable(values) else values)
        return pick(told) if pick else told


def do(name):
    """A probe by its own function."""
    def add(question):
        @probes.probe(name)
        def asked(controller):
            controller.beat()
            controller.records()
            return question(controller)
        return asked
    return add


def register(name, broker, version=4, **more):
    ask(name, REGISTER, version, lambda controller: controller.registration(broker, **more))


def heartbeat(name, broker, version=1, **more):
    ask(name, HEARTBEAT, version, lambda controller: controller.heartbeat(broker, **more))


def start(*brokers, **more):
    for broker in brokers:
        register(f"broker {broker} registers, {len(probes.questions)}", broker, **more)

        @do(f"broker {broker} is unfenced, {len(probes.questions)}")
        def unfence(controller, broker=broker):
            controller.alive.add(broker)
            return controller.ask(HEARTBEAT, 1, controller.heartbeat(broker))


def falls_silent(broker):
    @do(f"the session of {broker} ends, {len(probes.questions)}")
    def wait(controller):
        controller.alive.discard(broker)
        deadline = time.monotonic() + 3 * SESSION_MS / 1000
        while time.monotonic() < deadline:
            time.sleep(0.5)
            controller.beat()
            if records := controller.records():
                return records
        return "nothing"


def create(name, *assignments, configs=()):
    return {"Topics": [{"Name": name, "NumPartitions": -1, "ReplicationFactor": -1,
                        "Assignments": [{"PartitionIndex": index, "BrokerIds": brokers}
                                        for index, brokers in enumerate(assignments)],
                        "Configs": [{"Name": key, "Value": value} for key, value in configs]}], "timeoutMs": 10000}


def without_configs(told):
    for topic in told["answer"]["Topics"]:
        topic.pop("Configs", None)
    return told


def create_topic(name, *assignments, configs=()):
    ask(f"create {name}, {len(probes.questions)}", CREATE_TOPICS, 7, create(name, *assignments, configs=configs),
        without_configs)


def alter(name, topic, isr, **more):
    version = more.get("version", 3)
    ask(name, ALTER_PARTITION, version, lambda controller: controller.isr(topic, isr, **more))


def reassign(name, topic, replicas, index=0, version=1, **more):
    ask(name, REASSIGN, version, {"TimeoutMs": 10000, "Topics": [{"Name": topic, "Partitions": [
        {"PartitionIndex": index, "Replicas": replicas}]}], **more})


def elect(name, topic, kind, index=0):
    ask(name, ELECT_LEADERS, 2, {"ElectionType": kind, "TopicPartitions": [{"Topic": topic, "Partitions": [index]}],
                                 "TimeoutMs": 10000})


def configure(name, kind, resource, key, value):
    ask(name, ALTER_CONFIGS, 1, {"Resources": [{"ResourceType": kind, "ResourceName": resource, "Configs": [
        {"Name": key, "ConfigOperation": 0 if value is not None else 1, "Value": value}]}], "ValidateOnly": False})


# --- registration

for version in (0, 1):
    register(f"a registration of version {version}, which has no directories", 201, version=version)
register("another cluster", 201, ClusterId="AAAAAAAAAAAAAAAAAAAAAA")
register("from ZooKeeper", 201, IsMigratingZkBroker=True)
register("no directories", 201, LogDirs=[])
register("a reserved directory", 201, LogDirs=[str(uuid.UUID(int=99))])
register("a directory twice", 201, LogDirs=[directory(201), directory(201)])
register("no metadata.version", 201, Features=features(metadata_version=None))
register("a metadata.version that is too low", 201, Features=features(metadata_version=(7, 29)))
register("a finalized feature is not supported", 201, Features=features(transaction_version=None))
register("a feature that nobody knows, from 0", 201, version=4, Features=features(made_up=(0, 3)))
register("a feature that nobody knows, from 1", 202, Features=features(made_up=(1, 3)))
register("before it has beaten another life may come", 201)
heartbeat("the beat of nobody", 299)
ask("the beat of an older life", HEARTBEAT, 1,
    lambda controller: controller.heartbeat(201, BrokerEpoch=controller.epochs[201] - 1))
heartbeat("a beat before it has seen its registration", 201, CurrentMetadataOffset=0)
register("after it has beaten another life must wait", 201)
heartbeat("it wants to stay fenced", 201, WantFence=True)
heartbeat("it is unfenced", 201)
heartbeat("it wants to be fenced again", 201, WantFence=True)
heartbeat("it is unfenced again", 201, version=0)
register("another one has the directory", 202, LogDirs=[directory(201)])


@do("the same life tells another rack and address")
def amend(controller):
    request = controller.registration(203, Rack="r1")
    first = controller.ask(REGISTER, 4, request)
    request.update(Rack="r2", Listeners=[{"Name": "PLAINTEXT", "Host": "elsewhere", "Port": 1, "SecurityProtocol": 0}])
    beat = controller.ask(HEARTBEAT, 1, controller.heartbeat(203))
    return [first, beat, controller.ask(REGISTER, 4, request), controller.ask(REGISTER, 3, request)]


heartbeat("a fenced shutdown", 203, WantFence=True, WantShutDown=True)
ask("unregister", UNREGISTER, 0, {"BrokerId": 203})
ask("unregister again", UNREGISTER, 0, {"BrokerId": 203})
heartbeat("shutdown of one that leads nothing", 201, WantShutDown=True)
ask("unregister the one that has shut down", UNREGISTER, 0, {"BrokerId": 201})

# --- topics

start(101, 102, 103)
register("104 registers and stays fenced", 104)
create_topic("unknown", [101, 199])
create_topic("twice", [101, 101])
create_topic("none", [])
create_topic("fenced", [104])
create_topic("uneven", [101, 102], [101])
create_topic("t", [101, 102, 103], [102, 103, 101], [103, 101, 102])
create_topic("partly", [104, 102])
ask("more replicas than brokers", CREATE_TOPICS, 7, {"Topics": [
    {"Name": "many", "NumPartitions": 1, "ReplicationFactor": 9}], "timeoutMs": 10000}, without_configs)
ask("partitions that are not in order", CREATE_TOPICS, 7, {"Topics": [
    {"Name": "gap", "NumPartitions": -1, "ReplicationFactor": -1,
     "Assignments": [{"PartitionIndex": 1, "BrokerIds": [101]}]}], "timeoutMs": 10000}, without_configs)
for name, assignments in (("too few", [[101, 102, 103]]), ("uneven", [[101], [102]]), ("fenced", [[104, 104, 104], [101]]),
                          ("as asked", [[103, 102, 101], [101, 104, 102]])):
    ask(f"more partitions: {name}", CREATE_PARTITIONS, 3, {"Topics": [
        {"Name": "t", "Count": 5, "Assignments": [{"BrokerIds": brokers} for brokers in assignments]}],
        "TimeoutMs": 10000, "ValidateOnly": False})

# --- AlterPartition

alter("shrink", "t", [101, 102])
alter("an older partition epoch", "t", [101, 102, 103], PartitionEpoch=-1)
alter("a newer partition epoch", "t", [101, 102, 103], PartitionEpoch=1)
alter("an older leader epoch", "t", [101, 102, 103], LeaderEpoch=-1)
alter("a newer leader epoch", "t", [101, 102, 103], LeaderEpoch=1)
alter("not the leader", "t", [101, 102], BrokerId=102)
alter("another life of the leader", "t", [101, 102], BrokerEpoch=5)
alter("an unknown partition", "t", [101], PartitionIndex=77)
alter("an unknown topic", "t", [101], TopicId=str(uuid.UUID(int=0x4000 << 64 | 9 << 63 | 77)))
alter("no topic id", "t", [101], TopicId=NO_UUID)
alter("an empty ISR", "t", [])
alter("an ISR without the leader", "t", [102])
alter("an ISR with a replica twice", "t", [101, 101])
alter("an ISR beyond the replicas", "t", [101, 104])
alter("a replica that is fenced", "partly", [102, 104])
ask("a replica of another life", ALTER_PARTITION, 3, lambda controller: controller.isr(
    "t", [], NewIsrWithEpochs=[{"BrokerId": 101, "BrokerEpoch": -1}, {"BrokerId": 102, "BrokerEpoch": 3}]))
ask("epochs that are not checked", ALTER_PARTITION, 3, lambda controller: controller.isr(
    "t", [], NewIsrWithEpochs=[{"BrokerId": broker, "BrokerEpoch": -1} for broker in (101, 102, 103)]))
alter("recovering, from recovered", "t", [101], LeaderRecoveryState=1)
alter("the same ISR again", "t", [101, 102, 103])
alter("version 2", "t", [101, 103], version=2)
alter("version 2, back", "t", [103, 101, 102], version=2)

# --- elections

heartbeat("102 is fenced", 102, WantFence=True)
heartbeat("102 is back", 102)
alter("102 is in sync again, partition 1", "t", [103, 101, 102], index=1)
for kind in (0, 1):
    elect(f"election {kind} that is not needed", "t", kind)
    elect(f"election {kind} of an unknown partition", "t", kind, 88)
elect("a preferred leader that may lead", "t", 0, 1)
elect("a preferred leader that may lead, again", "t", 0, 1)
elect("a preferred leader that is not in sync", "partly", 0)
heartbeat("103 is fenced", 103, WantFence=True)
elect("a preferred leader that is fenced", "t", 0, 2)
ask("election of all", ELECT_LEADERS, 2, {"ElectionType": 0, "TopicPartitions": None, "TimeoutMs": 10000})
heartbeat("103 is back", 103)

# --- ELR

create_topic("elr", [101, 102, 103], configs=[("min.insync.replicas", "2")])
alter("elr: one leaves", "elr", [101, 102])
alter("elr: below min.insync.replicas", "elr", [101])
alter("elr: back", "elr", [101, 103])
heartbeat("elr: 103 is fenced", 103, WantFence=True)
heartbeat("elr: 101 is fenced", 101, WantFence=True)
elect("elr: unclean election without anybody", "elr", 1)
heartbeat("elr: 103 is back", 103)
heartbeat("elr: 101 is back", 101)
alter("elr: all are back", "elr", [103, 101, 102])
configure("elr: another min.insync.replicas", 2, "elr", "min.insync.replicas", "3")
heartbeat("elr: 102 is fenced", 102, WantFence=True)
heartbeat("elr: 102 is back", 102)
alter("elr: min.insync.replicas met again", "elr", [101, 102, 103])
alter("elr: below three", "elr", [103])
configure("elr: cleared by a configuration", 2, "elr", "min.insync.replicas", "2")

# --- lives that end

create_topic("life", [101, 102], configs=[("min.insync.replicas", "2")])
falls_silent(102)
register("102 comes back after an unclean end", 102, PreviousBrokerEpoch=3)
heartbeat("102 is unfenced", 102)


@do("102 is alive again")
def alive_again(controller):
    controller.alive.add(102)
    return controller.ask(ALTER_PARTITION, 3, controller.isr("life", [101, 102]))


falls_silent(102)
falls_silent(101)
ask("102 comes back after a clean end", REGISTER, 4,
    lambda controller: controller.registration(102, PreviousBrokerEpoch=controller.epochs[102]))
heartbeat("102 leads from the ELR", 102)
heartbeat("102 is fenced again", 102, WantFence=True)
register("101 comes back after an unclean end", 101)
heartbeat("101 is not eligible", 101)
ask("102 unclean as well", UNREGISTER, 0, {"BrokerId": 102})
register("a new 102", 102)
heartbeat("a new 102 is unfenced", 102)
heartbeat("101 beats on", 101)


@do("both live")
def both_live(controller):
    controller.alive |= {101, 102}
    return controller.ask(ELECT_LEADERS, 2, {"ElectionType": 1, "TopicPartitions": None, "TimeoutMs": 10000})


# --- unclean elections

create_topic("unclean", [101, 102], configs=[("unclean.leader.election.enable", "true"), ("min.insync.replicas", "1")])
alter("unclean: 101 alone", "unclean", [101])
heartbeat("unclean: 101 is fenced", 101, WantFence=True)
alter("unclean: recovering with two", "unclean", [102, 101], LeaderRecoveryState=1)
heartbeat("unclean: 101 is back", 101)
alter("unclean: still recovering", "unclean", [102], LeaderRecoveryState=1)
alter("unclean: recovered", "unclean", [102], LeaderRecoveryState=0)
alter("unclean: both", "unclean", [102, 101])

# --- controlled shutdown

create_topic("shutdown", [101, 102, 103], [102, 101, 103])


@do("101 shuts down: moved, told to wait, then let go")
def shutdown(controller):
    told = [controller.ask(HEARTBEAT, 1, controller.heartbeat(101, WantShutDown=True))]
    controller.alive.discard(101)
    for broker in sorted(controller.alive):
        controller.connection.call(HEARTBEAT, 1, controller.heartbeat(broker, CurrentMetadataOffset=1))
    told.append(controller.ask(HEARTBEAT, 1, controller.heartbeat(101, WantShutDown=True)))
    told.append(controller.ask(ALTER_PARTITION, 3, controller.isr("shutdown", [102, 101, 103], index=0)))
    told.append(controller.ask(CREATE_TOPICS, 7, create("leaving", [101])))
    return told


# --- reassignment: 101 is gone from service, 102, 103 and 104 are there

start(105)
ask("104 is unfenced", HEARTBEAT, 1, lambda controller: controller.alive.add(104) or controller.heartbeat(104))
create_topic("moved", [102, 103], [102, 103], [103, 104], [105, 102])
for name, replicas in (("to nobody", [102, 199]), ("to an empty list", []), ("twice to one", [104, 104])):
    reassign(f"reassign {name}", "moved", replicas)
reassign("reassign an unknown partition", "moved", [102], index=50)
reassign("reassign an unknown topic", "absent", [102])
reassign("cancel nothing", "moved", None)
reassign("to where it is", "moved", [102, 103])
reassign("another order", "moved", [103, 102])
reassign("to one more", "moved", [103, 102, 104], AllowReplicationFactorChange=False)
reassign("begin", "moved", [104, 105])
ask("list all", LIST_REASSIGNMENTS, 0, {"TimeoutMs": 1000, "Topics": None})
ask("list some", LIST_REASSIGNMENTS, 0, {"TimeoutMs": 1000, "Topics": [{"Name": "moved", "PartitionIndexes": [1, 0]}]})
ask("list others", LIST_REASSIGNMENTS, 0, {"TimeoutMs": 1000, "Topics": [{"Name": "moved", "PartitionIndexes": [2]}]})
reassign("another number of replicas under way", "moved", [104], AllowReplicationFactorChange=False)
alter("one new replica is in sync", "moved", [102, 103, 104])
alter("all are: the leader goes", "moved", [102, 103, 104, 105])
reassign("begin another", "moved", [103, 105], index=1)
alter("a new one in sync", "moved", [102, 103, 105], index=1)
reassign("change of mind", "moved", [103, 104], index=2)
reassign("begin the third", "moved", [103, 105, 102], index=2)
reassign("the third goes elsewhere", "moved", [102], index=2)
reassign("cancel the third", "moved", None, index=2)
reassign("begin the fourth", "moved", [103, 104], index=3)
alter("the old ones fall behind", "moved", [105], index=3)
reassign("cancel the fourth", "moved", None, index=3)
reassign("fewer replicas", "moved", [105], index=3)
reassign("version 0", "moved", [105, 104], index=3, version=0)
ask("list at the end", LIST_REASSIGNMENTS, 0, {"TimeoutMs": 1000, "Topics": None})

# --- directories

register("106 registers with two directories", 106, LogDirs=[directory(106, 1), directory(106, 2)])
ask("106 is unfenced", HEARTBEAT, 1, lambda controller: controller.alive.add(106) or controller.heartbeat(106))
create_topic("dirs", [106, 102], [106, 102], [102, 106])


def assign(name, broker, chosen, topic="dirs", partitions=(0,), **more):
    ask(name, ASSIGN_DIRECTORIES, 0, lambda controller: {
        "BrokerId": broker, "BrokerEpoch": controller.epochs.get(broker, -1), "Directories": [
            {"Id": chosen, "Topics": [{"TopicId": controller.topics.get(topic, str(uuid.UUID(int=7 << 70))),
                                       "Partitions": [{"PartitionIndex": index} for index in partitions]}]}], **more})


assign("directories: an older life", 106, directory(106, 1), BrokerEpoch=1)
assign("directories: nobody", 199, directory(106, 1))
assign("directories: an unknown topic", 106, directory(106, 1), topic="absent")
assign("directories: partitions and none", 106, directory(106, 1), partitions=(0, 2, 9))
assign("directories: again", 106, directory(106, 1))
assign("directories: no replica of its own", 105, directory(105))
assign("directories: the second directory", 106, directory(106, 2), partitions=(1,))
assign("directories: a directory that it does not have", 106, directory(106, 3), partitions=(1,))
assign("directories: a lost one", 106, str(uuid.UUID(int=2)), partitions=(2,))
heartbeat("a directory goes offline", 106, OfflineLogDirs=[directory(106, 1)])
heartbeat("it is still offline", 106, OfflineLogDirs=[directory(106, 1)])
for number, cordoned in enumerate(([], [], [directory(106, 2)], None)):
    heartbeat(f"cordoned directories, {number}", 106, version=2, CordonedLogDirs=cordoned)
ask("nothing is placed on cordoned brokers", CREATE_TOPICS, 7, {"Topics": [
    {"Name": "cordoned", "NumPartitions": 1, "ReplicationFactor": 7}], "timeoutMs": 10000}, without_configs)

# --- the rest



def from_first(controller, told):
    """Numbered from the first block that this test got: the node may have had some itself."""
    answer = told["answer"]
    if answer["ErrorCode"] == 0:
        first = controller.names.setdefault("first producer id", answer["ProducerIdStart"])
        answer["ProducerIdStart"] -= first
        told["records"][0][2]["NextProducerId"] -= first
    return told


for broker, epoch in ((102, None), (103, None), (102, 1), (199, None)):
    @do(f"producer ids for {broker}, {len(probes.questions)}")
    def block(controller, broker=broker, epoch=epoch):
        epoch = controller.epochs.get(broker, -1) if epoch is None else epoch
        return from_first(controller, controller.ask(PRODUCER_IDS, 0, {"BrokerId": broker, "BrokerEpoch": epoch}))


ask("a controller registers", REGISTER_CONTROLLER, 0, {
    "ControllerId": 3000, "IncarnationId": str(uuid.UUID(int=0x4000 << 64 | 5)), "ZkMigrationReady": True,
    "Listeners": [{"Name": "CONTROLLER", "Host": "localhost", "Port": 1, "SecurityProtocol": 0}],
    "Features": features(group_version=(0, 0))})
register("107 registers without share groups", 107, Features=features(share_version=(0, 1)))


def update(name, level, feature, kind=1, dry_run=False, version=2):
    ask(name, UPDATE_FEATURES, version, {"timeoutMs": 1000, "FeatureUpdates": [
        {"Feature": feature, "MaxVersionLevel": level, "UpgradeType": kind}], "ValidateOnly": dry_run})


update("a level that a controller does not have", 1, "group.version")
update("a level that nobody has", 9, "group.version")
update("a downgrade that is not asked for", 0, "streams.version")
update("a safe downgrade, not carried out", 0, "streams.version", kind=2, dry_run=True)
update("a safe downgrade", 0, "streams.version", kind=2)
update("an upgrade", 1, "streams.version")
update("ELR is switched off", 0, "eligible.leader.replicas.version", kind=2)
ask("delete", DELETE_TOPICS, 6, {"Topics": [{"Name": "moved", "TopicId": NO_UUID}], "TimeoutMs": 10000})
heartbeat("without ELR: 102 is fenced", 102, WantFence=True)
heartbeat("without ELR: 103 is fenced", 103, WantFence=True)


def run(case):
    broker = case.broker({"broker.session.timeout.ms": str(SESSION_MS), "auto.leader.rebalance.enable": "false",
                          "unclean.leader.election.interval.ms": "3600000"})
    broker.start()
    controller = Controller(broker)
    controller.port, controller.controller_port = broker.port, broker.controller_port
    controller.kind, controller.check_alive = broker.kind, broker.check_alive
    count = probes.compare(controller)
    step(f"{count} requests of brokers, each answered and recorded as Apache Kafka does")


if __name__ == "__main__":
    case.main(run)
