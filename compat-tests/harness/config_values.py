"""Values to try for each configuration name, from the tables that the broker is built with, and combinations of
values that are right one by one."""

import csv
import re

from .places import ROOT

RANGE = re.compile(r"^\[(-?[0-9.]+),\.\.\.(?:,(-?[0-9.]+))?\]( or -1)?$")
NUMBERS = ("int", "short", "long", "double")
TRIED = {
    "boolean": ["yes", " TRUE ", "", "false", "1"],
    "number": ["abc", "7.5", "", " 7 ", "-1", "0", "1", "1e3", "+7", "0x10", "99999999999999999999", "2147483648",
               "32768"],
    "list": ["a,,b", "", "a,b", "*", "0:1,1:2", "0:x", ",", " , ", "a,a", "delete", "delete,compact", "none,delete", "a=b"],
    "text": ["x", "", " x ", "gzip", "GZIP", "earliest", "by_duration:PT1H", "by_duration:-PT1H", "by_duration:P1Y",
             "CreateTime", "none", "true", "3.0-IV1", "a.b.C"],
}
QUICK_VALUES = 3


def table(name):
    """The rows of a table of definitions: name, type, default, valid, ..."""
    path = ROOT / "broker/config/definitions" / f"{name}.tsv"
    return list(csv.DictReader(path.open(), delimiter="\t", quoting=csv.QUOTE_NONE))


def values(row, everything):
    """What is tried for a name: its default, what is just inside and outside of what is allowed, and the wrong."""
    kind = "number" if row["type"] in NUMBERS else row["type"] if row["type"] in TRIED else "text"
    edges = [row["default"]] if row["default"] not in ("null", "<required>", '""') else []
    if bounds := RANGE.match(row["valid"]):
        low = int(float(bounds[1]))
        edges += [bounds[1], str(low - 1)] + ([str(low - 2)] if everything else [])
        if bounds[2]:
            edges += [bounds[2], str(int(float(bounds[2])) + 1)]
    tried = TRIED[kind] if everything else TRIED[kind][:QUICK_VALUES]
    return list(dict.fromkeys(edges + tried))


def listeners(text, **more):
    return {"listeners": text, **more}


MAP = "listener.security.protocol.map"
ALONE = {"process.roles": "controller", "listeners": "CONTROLLER://127.0.0.1:1", "inter.broker.listener.name": None}
BROKER = {"process.roles": "broker", "listeners": "PLAINTEXT://127.0.0.1:1"}
VOTERS = "controller.quorum.voters"
BOOTSTRAP = "controller.quorum.bootstrap.servers"
NAMES = "controller.listener.names"
THREE = {MAP: "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,EXTRA:PLAINTEXT"}


def of_groups(kind):
    """The bounds that every newer kind of group has."""
    def name(rest):
        return f"group.{kind}.{rest}"
    return [{name("heartbeat.interval.ms"): "60000", name("max.heartbeat.interval.ms"): "60000"},
            {name("heartbeat.interval.ms"): "45000", name("max.heartbeat.interval.ms"): "60000"},
            {name("min.heartbeat.interval.ms"): "16000"}, {name("max.heartbeat.interval.ms"): "4999"},
            {name("session.timeout.ms"): "70000"}, {name("session.timeout.ms"): "44000"},
            {name("session.timeout.ms"): "46000"}, {name("min.session.timeout.ms"): "61000"},
            {name("min.assignment.interval.ms"): "2000"}, {name("assignment.interval.ms"): "16000"}]


# Properties that a start is tried with beside the usual ones (None: without that one).
COMBINATIONS = [
    *of_groups("consumer"), *of_groups("share"), *of_groups("streams"),
    {"group.share.delivery.count.limit": "3", "group.share.min.delivery.count.limit": "4"},
    {"group.share.delivery.count.limit": "10", "group.share.max.delivery.count.limit": "5"},
    {"group.share.partition.max.record.locks": "150", "group.share.min.partition.max.record.locks": "200"},
    {"group.share.partition.max.record.locks": "5000", "group.share.max.partition.max.record.locks": "4500"},
    {"group.share.min.record.lock.duration.ms": "30000", "group.share.record.lock.duration.ms": "20000"},
    {"group.share.max.record.lock.duration.ms": "30000", "group.share.record.lock.duration.ms": "40000"},
    {"group.share.max.size": "300", "group.share.max.share.sessions": "200"},
    {"group.streams.num.standby.replicas": "3"}, {"group.coordinator.rebalance.protocols": "consumer"},
    {"group.coordinator.rebalance.protocols": "classic"}, {"group.consumer.assignors": "range"},
    {"group.consumer.assignors": "mine"}, {"group.share.assignors": "mine"},
    {"offsets.topic.compression.codec": "5"}, {"share.coordinator.state.topic.compression.codec": "-1"},
    {"replica.fetch.wait.max.ms": "31000"}, {"replica.fetch.wait.max.ms": "31000", "replica.socket.timeout.ms": "40000"},
    {"log.cleaner.dedupe.buffer.size": "1048576"}, {"log.cleaner.dedupe.buffer.size": "1048577"},
    {"log.cleaner.dedupe.buffer.size": "7", "log.cleaner.enable": "false"}, {"log.cleaner.threads": "128"},
    {"log.retention.hours": "0"}, {"log.retention.minutes": "0"}, {"log.retention.ms": "0"}, {"log.retention.ms": "-5"},
    {"log.roll.ms": "0"}, {"log.roll.hours": "0"}, {"log.roll.jitter.ms": "-1"}, {"log.roll.jitter.hours": "-1"},
    {"max.connections.per.ip": "0"}, {"max.connections.per.ip": "0", "max.connections.per.ip.overrides": "127.0.0.1:5"},
    {"max.connections.per.ip.overrides": "127.0.0.1:5,10.0.0.1:7"}, {"max.connections.per.ip.overrides": "127.0.0.1"},
    {"connections.max.idle.ms": "100"}, {"connections.max.idle.ms": "0"}, {"connections.max.idle.ms": "-1"},
    {"queued.max.request.bytes": "5"}, {"socket.request.max.bytes": "200", "queued.max.request.bytes": "100"},
    {"log.dirs": None}, {"log.dirs": ""}, {"log.dirs": ","}, {"log.dirs": None, "log.dir": ""},
    {"log.dirs": "/a,/b", "cordoned.log.dirs": "/a"}, {"log.dirs": "/a,/b", "cordoned.log.dirs": "/c,/a,/d"},
    {"cordoned.log.dirs": "*"}, {"cordoned.log.dirs": "*,/a"},
    {"early.start.listeners": "PLAINTEXT"}, {"early.start.listeners": "CONTROLLER"},
    {"early.start.listeners": "plaintext"}, {"early.start.listeners": "X"},
    {"process.roles": ""}, {"process.roles": "x"}, {"process.roles": "broker,broker"}, {"process.roles": None},
    {"process.roles": "controller"}, {"process.roles": "broker"}, BROKER, ALONE,
    {**BROKER, BOOTSTRAP: None, VOTERS: "1@127.0.0.1:5"}, {**BROKER, NAMES: None},
    {"node.id": None}, {"node.id": None, "broker.id": "3"}, {"broker.id": "2"}, {"broker.id": "1"}, {"broker.id": "-1"},
    {"node.id": "-1"}, {"node.id": "01", "broker.id": " 1 "}, {"node.id": None, "process.roles": None},
    {BOOTSTRAP: None}, {BOOTSTRAP: ""}, {BOOTSTRAP: "h"}, {BOOTSTRAP: "h:x"}, {BOOTSTRAP: "h:70000"}, {BOOTSTRAP: "h:1,g:2"},
    {VOTERS: "1@h:1"}, {VOTERS: "2@h:1"}, {VOTERS: "2@h:1,3@g:1"}, {VOTERS: "1@h"}, {VOTERS: "1@h:x"}, {VOTERS: "1@h:-1"},
    {VOTERS: "x@h:1"}, {VOTERS: "-1@h:1"}, {VOTERS: "1@h:70000"}, {VOTERS: "1"}, {VOTERS: "1@[::1]:9"}, {VOTERS: "1@0.0.0.0:1"},
    {NAMES: None}, {NAMES: ""}, {NAMES: "PLAINTEXT"}, {NAMES: "CONTROLLER,OTHER"}, {NAMES: "controller"}, {NAMES: "X"},
    listeners("PLAINTEXT://127.0.0.1:1"), listeners("CONTROLLER://127.0.0.1:1"), listeners(""), listeners(None), listeners("x"),
    listeners(None, **{NAMES: "PLAINTEXT"}), listeners("PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:1"),
    listeners("PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"), listeners("PLAINTEXT://a:1,CONTROLLER://127.0.0.1:1"),
    listeners("PLAINTEXT://a:1,CONTROLLER://b:1"), listeners("PLAINTEXT://:1,CONTROLLER://:1"),
    listeners("PLAINTEXT://[::1]:1,CONTROLLER://[::2]:1"), listeners("PLAINTEXT://127.0.0.1:1,CONTROLLER://[::1]:1"),
    listeners("PLAINTEXT://a:1,PLAINTEXT://b:2,CONTROLLER://c:3"), listeners("PLAINTEXT://:1,CONTROLLER://:2"),
    listeners("PLAINTEXT://0.0.0.0:1,CONTROLLER://:2"),
    listeners("PLAINTEXT://0.0.0.0:1,CONTROLLER://:2", **{"advertised.listeners": "PLAINTEXT://h:1"}),
    listeners("PLAINTEXT://127.0.0.1:99999,CONTROLLER://:2"), listeners("PLAINTEXT://127.0.0.1:x,CONTROLLER://:2"),
    listeners("PLAINTEXT://127.0.0.1,CONTROLLER://:2"), listeners("PLAINTEXT://127.0.0.1:1,EXTRA://:3,CONTROLLER://:2"),
    listeners("PLAINTEXT://127.0.0.1:1,,CONTROLLER://127.0.0.1:2"), listeners("plaintext://127.0.0.1:1,controller://:2"),
    listeners("PLAINTEXT://127.0.0.1:1,EXTRA://[::1]:1,CONTROLLER://127.0.0.1:2", **THREE),
    {"advertised.listeners": ""}, {"advertised.listeners": "x"}, {"advertised.listeners": "PLAINTEXT://0.0.0.0:1"},
    {"advertised.listeners": "EXTRA://h:1"}, {"advertised.listeners": "PLAINTEXT://h:1,CONTROLLER://h:2"},
    {"advertised.listeners": "CONTROLLER://h:2"}, {"advertised.listeners": "PLAINTEXT://h:1,PLAINTEXT://g:1"},
    listeners("PLAINTEXT://:1,EXTRA://:3,CONTROLLER://:2", **THREE, **{
        "advertised.listeners": "PLAINTEXT://h:1", "inter.broker.listener.name": "EXTRA"}),
    {"advertised.listeners": "PLAINTEXT://h:1,EXTRA://h:1", **THREE}, {"advertised.listeners": "PLAINTEXT://h:0"},
    {MAP: "PLAINTEXT:PLAINTEXT"}, {MAP: "CONTROLLER:X,PLAINTEXT:PLAINTEXT"}, {MAP: "x"}, {MAP: ""}, {MAP: None},
    {MAP: "controller:plaintext,plaintext:plaintext"}, {MAP: "CONTROLLER:PLAINTEXT,PLAINTEXT:SSL"},
    {"inter.broker.listener.name": "CONTROLLER"}, {"inter.broker.listener.name": "EXTRA", **THREE},
    {"inter.broker.listener.name": "plaintext"}, {"inter.broker.listener.name": ""}, {"inter.broker.listener.name": "x"},
    {"inter.broker.listener.name": None}, {"security.inter.broker.protocol": "PLAINTEXT"},
    {"inter.broker.listener.name": None, "security.inter.broker.protocol": "SSL"},
    {"inter.broker.listener.name": None, "security.inter.broker.protocol": "X"},
    {"zookeeper.connect": "x"}, {"super.users": "x"}, {"listener.name.plaintext.max.connections": "x"},
]

LISTENER = "listener.name.plaintext."
# Updates of a running broker: kind of resource and what is set at once.
UPDATES = [
    ("topic", {"min.compaction.lag.ms": "5", "max.compaction.lag.ms": "4"}),
    ("topic", {"local.retention.ms": "200", "retention.ms": "100"}),
    ("topic", {"cleanup.policy": "compact", "remote.storage.enable": "true"}),
    ("topic", {"remote.storage.enable": "false", "remote.log.copy.disable": "true"}),
    ("topic", {"min.insync.replicas": "5"}), ("topic", {"retention.ms": "5", "zz": "1"}),
    ("topic", {"message.format.version": "3.0"}), ("topic", {"message.downconversion.enable": "true"}),
    ("topic", {"internal.segment.bytes": "100"}), ("topic", {"leader.replication.throttled.replicas": " , "}),
    ("broker", {LISTENER + "max.connections": "0"}), ("broker", {LISTENER + "max.connections": "5"}),
    ("broker", {LISTENER + "max.connections": "x"}), ("broker", {"listener.name.foo.max.connections": "5"}),
    ("cluster", {LISTENER + "max.connections": "5"}), ("cluster", {"max.connections": "5"}),
    ("broker", {"max.connections": "0"}), ("broker", {"max.connection.creation.rate": "0"}),
    ("broker", {"max.connections.per.ip": "0"}),
    ("broker", {LISTENER + "ssl.keystore.location": "/x"}), ("cluster", {LISTENER + "ssl.keystore.location": "/x"}),
    ("broker", {"ssl.keystore.location": "/x"}), ("cluster", {LISTENER + "ssl.truststore.location": "/x"}),
    ("broker", {LISTENER + "num.network.threads": "x"}), ("broker", {LISTENER + "num.network.threads": "0"}),
    ("broker", {LISTENER + "num.network.threads": "50"}), ("broker", {LISTENER + "node.id": "5"}),
    ("broker", {LISTENER + "zz": "5"}), ("broker", {"listener.name.": "5"}), ("broker", {"listener.name.plaintext": "5"}),
    ("broker", {"zz": "5"}), ("cluster", {"zz": "5"}), ("broker", {"node.id": "1", "process.roles": "x"}),
    ("broker", {"log.retention.hours": "1"}), ("broker", {"num.partitions": "2"}),
    ("broker", {"num.network.threads": "1"}), ("broker", {"num.network.threads": "7"}), ("broker", {"num.io.threads": "3"}),
    ("broker", {"num.io.threads": "4"}), ("broker", {"num.io.threads": "17"}), ("broker", {"num.replica.fetchers": "3"}),
    ("broker", {"num.recovery.threads.per.data.dir": "5"}), ("cluster", {"background.threads": "4"}),
    ("broker", {"remote.log.reader.threads": "100"}), ("broker", {"remote.log.manager.copier.thread.pool.size": "4"}),
    ("broker", {"log.cleaner.threads": "2"}), ("broker", {"log.cleaner.threads": "3"}),
    ("broker", {"log.local.retention.ms": "100", "log.retention.ms": "50"}), ("broker", {"log.local.retention.ms": "-1"}),
    ("broker", {"log.local.retention.bytes": "100", "log.retention.bytes": "50"}),
    ("broker", {"log.local.retention.bytes": "-1", "log.retention.bytes": "50"}),
    ("broker", {"log.retention.ms": "-1", "log.local.retention.ms": "-1"}),
    ("broker", {"advertised.listeners": "X://localhost:5"}), ("broker", {"advertised.listeners": "PLAINTEXT://localhost:5"}),
    ("broker", {MAP: "CONTROLLER:PLAINTEXT,PLAINTEXT:SSL"}), ("broker", {"min.insync.replicas": "1"}),
    ("cluster", {"min.insync.replicas": "1"}), ("broker", {"leader.replication.throttled.rate": "-5"}),
    ("broker", {"follower.replication.throttled.rate": "5"}), ("cluster", {"unclean.leader.election.enable": "true"}),
    ("group", {"consumer.session.timeout.ms": "60000", "consumer.heartbeat.interval.ms": "60000"}),
    ("group", {"consumer.session.timeout.ms": "45000", "consumer.heartbeat.interval.ms": "15000"}), ("group", {"zz": "1"}),
    ("group", {"share.heartbeat.interval.ms": "15001"}), ("group", {"share.record.lock.duration.ms": "1"}),
    ("group", {"streams.num.standby.replicas": "3"}),
    ("client-metrics", {"interval.ms": "99"}), ("client-metrics", {"match": "a=b,client_id=x"}),
    ("client-metrics", {"match": "client_id=("}), ("client-metrics", {"match": "client_id="}),
    ("client-metrics", {"match": "client_id=a=b"}), ("client-metrics", {"metrics": "*,a"}), ("client-metrics", {"zz": "1"}),
]
