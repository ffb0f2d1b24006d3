"""Brokers that a test plays before an active controller: what they say, and what the metadata log has of it."""

import itertools
import uuid

from .metadata_log import MetadataLog
from .wire import Connection

HEARTBEAT = 63
FAR_AHEAD = 1 << 40  # a metadata offset that every broker could wish to have reached
FEATURES = {"eligible.leader.replicas.version": (0, 1), "group.version": (0, 1), "kraft.version": (0, 1),
            "metadata.version": (7, 30), "share.version": (0, 1), "streams.version": (0, 1),
            "transaction.version": (0, 2)}
UNORDERED = ("PartitionRecord", "PartitionChangeRecord", "ConfigRecord")


def directory(broker, number=1):
    return str(uuid.UUID(int=broker * 1000 + number))


class Controller:
    """A controller and what the brokers before it know. One request at a time."""

    def __init__(self, broker):
        self.broker, self.log = broker, MetadataLog(broker)
        self.connection = Connection(broker.controller_port)
        self.epochs = {}      # id: broker epoch
        self.alive = set()    # ids that beat
        self.fenced = set()   # and those of them that are fenced
        self.topics = {}      # name: id
        self.partitions = {}  # (topic id, index): leader, leader epoch, partition epoch
        self.names = {}       # a value that is another each time: its name
        self.lives = itertools.count(1)
        self.cluster = None
        self.log.read()

    def beat(self):
        """Keeps the sessions of all living brokers."""
        for broker in sorted(self.alive):
            self.connection.call(HEARTBEAT, 1, self.heartbeat(broker, WantFence=broker in self.fenced))

    def heartbeat(self, broker, **more):
        return {"BrokerId": broker, "BrokerEpoch": self.epochs.get(broker, -1), "CurrentMetadataOffset": FAR_AHEAD,
                **more}

    def ask(self, key, version, values):
        """The answer and the records that it took."""
        answer = self.connection.call(key, version, values)
        records = self.records()
        return {"answer": self.named(answer), "records": records}

    def records(self):
        found = []
        for _, name, version, fields in self.log.read():
            if name == "NoOpRecord" or fields.get("BrokerId") == 1:
                continue
            self.replay(name, fields)
            found.append([name, version, self.named(fields)])
        # Partitions and configurations of one request come in the order of a hash map there.
        runs = [list(run) for _, run in itertools.groupby(found, lambda record: record[0])]
        return [record for run in runs for record in (sorted(run, key=str) if run[0][0] in UNORDERED else run)]

    def replay(self, name, fields):
        if name == "TopicRecord":
            self.topics[fields["Name"]] = fields["TopicId"]
            self.names[fields["TopicId"]] = f"the id of {fields['Name']}"
        elif name == "RegisterBrokerRecord":
            self.names[fields["BrokerEpoch"]] = f"the epoch of {fields['BrokerId']}"
            self.epochs[fields["BrokerId"]] = fields["BrokerEpoch"]
            self.fenced.add(fields["BrokerId"])
        elif name == "BrokerRegistrationChangeRecord" and fields.get("Fenced"):
            (self.fenced.add if fields["Fenced"] > 0 else self.fenced.discard)(fields["BrokerId"])
        elif name in ("PartitionRecord", "PartitionChangeRecord"):
            now = self.partitions.setdefault((fields["TopicId"], fields["PartitionId"]),
                                             {"leader": -1, "leader epoch": -1, "epoch": -1})
            now["epoch"] += 1
            if fields.get("Leader", -2) != -2 or name == "PartitionRecord":
                now.update({"leader": fields["Leader"], "leader epoch": now["leader epoch"] + 1})

    def named(self, value, key=None):
        if isinstance(value, dict):
            return {name: self.named(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.named(item, key) for item in value]
        return self.names.get(value, value) if key == "BrokerEpoch" or isinstance(value, str) else value

    def registration(self, broker, **more):
        life = str(uuid.UUID(int=0x4000 << 64 | 0x8000 << 48 | next(self.lives)))
        return {"BrokerId": broker, "ClusterId": self.cluster_id(), "IncarnationId": life,
                "Listeners": [{"Name": "PLAINTEXT", "Host": "localhost", "Port": 9000 + broker, "SecurityProtocol": 0}],
                "Features": features(), "Rack": None, "LogDirs": [directory(broker)], **more}

    def cluster_id(self):
        if self.cluster is None:
            text = (self.broker.data_directory / "meta.properties").read_text()
            self.cluster = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)["cluster.id"]
        return self.cluster

    def isr(self, topic, isr, index=0, version=3, **more):
        """A leader's AlterPartition for one partition. `more` replaces fields of any level."""
        now = self.partitions[self.topics[topic], index]
        leader = more.get("BrokerId", now["leader"])
        asked = {"PartitionIndex": index, "LeaderEpoch": now["leader epoch"], "PartitionEpoch": now["epoch"]}
        if version < 3:
            asked["NewIsr"] = isr
        else:
            asked["NewIsrWithEpochs"] = [{"BrokerId": broker, "BrokerEpoch": self.epochs.get(broker, -1)}
                                         for broker in isr]
        asked.update({key: value for key, value in more.items() if key in ("LeaderRecoveryState", "NewIsrWithEpochs")})
        for epoch in ("LeaderEpoch", "PartitionEpoch"):
            asked[epoch] += more.get(epoch, 0)
        asked["PartitionIndex"] = more.get("PartitionIndex", index)
        return {"BrokerId": leader, "BrokerEpoch": more.get("BrokerEpoch", self.epochs.get(leader, -1)),
                "Topics": [{"TopicId": more.get("TopicId", self.topics[topic]), "Partitions": [asked]}]}


def features(**changed):
    ranges = {**FEATURES, **{name.replace("_", "."): versions for name, versions in changed.items()}}
    return [{"Name": name, "MinSupportedVersion": versions[0], "MaxSupportedVersion": versions[1]}
            for name, versions in ranges.items() if versions]
