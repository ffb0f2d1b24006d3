#!/usr/bin/env python3
"""Client quotas, SCRAM credentials and ACLs are administered, and refused, field by field as Apache Kafka does it.

Expected answers: testdata/user_admin_answers.json, recorded from Apache Kafka 4.3.1 by this script. After a restart
everything that was stored is still there.
"""

from harness import case
from harness.outcome import step
from harness.recorded import Probes
from harness.wire import Connection

probes = Probes("user_admin_answers")


def call(broker, key, version, values):
    with Connection(broker.port) as connection:
        return connection.call(key, version, values)


def ask(name, key, version, values):
    probes.probe(name)(lambda broker: call(broker, key, version, values))


# --- client quotas

def entity(entries):
    return [{"EntityType": kind, "EntityName": name} for kind, name in entries]


def alter(entries, operations, version=1, validate=False):
    """A request of one entry: what to set (None: to remove) for an entity."""
    return {"Entries": [{"Entity": entity(entries), "Ops": [
        {"Key": key, "Value": value or 0, "Remove": value is None} for key, value in operations]}],
        "ValidateOnly": validate}


USER, CLIENT, IP = ("user", "alice"), ("client-id", "app"), ("ip", "127.0.0.9")
SET = {
    "of a user": ([USER], [("producer_byte_rate", 1000000.0), ("consumer_byte_rate", 2000000.0)]),
    "of a client": ([CLIENT], [("request_percentage", 50.5)]),
    "of a user's client": ([("user", "bob"), CLIENT], [("producer_byte_rate", 1024.0)]),
    "of the default user": ([("user", None)], [("request_percentage", 200.0)]),
    "of the default client": ([("client-id", None)], [("controller_mutation_rate", 10.0)]),
    "of a user and the default client": ([USER, ("client-id", None)], [("consumer_byte_rate", 7.0)]),
    "of an address": ([IP], [("connection_creation_rate", 50.0)]),
    "of the default address": ([("ip", None)], [("connection_creation_rate", 500.0)]),
    "again, changed": ([USER], [("producer_byte_rate", 1000001.0)]),
    "and removed": ([USER], [("consumer_byte_rate", None)]),
    "that is not there, removed": ([("user", "nobody")], [("consumer_byte_rate", None)]),
    "of a user with a strange name": ([("user", "a b/ü=%")], [("consumer_byte_rate", 5.0)]),
}
WRONG = {
    "of nothing": ([], [("producer_byte_rate", 1.0)]),
    "of a kind nobody knows": ([("group", "g")], [("producer_byte_rate", 1.0)]),
    "of a user and an address": ([USER, IP], [("producer_byte_rate", 1.0)]),
    "of an empty name": ([("user", "")], [("producer_byte_rate", 1.0)]),
    "of an empty kind": ([("", "x")], [("producer_byte_rate", 1.0)]),
    "twice the same kind": ([USER, ("user", "bob")], [("producer_byte_rate", 1.0)]),
    "with a key nobody knows": ([USER], [("no_such_rate", 1.0)]),
    "with an address' key": ([USER], [("connection_creation_rate", 1.0)]),
    "with a user's key": ([IP], [("producer_byte_rate", 1.0)]),
    "of 0": ([USER], [("producer_byte_rate", 0.0)]),
    "below 0": ([USER], [("producer_byte_rate", -1.0)]),
    "of a fraction": ([USER], [("producer_byte_rate", 1.5)]),
    "of an almost whole number": ([USER], [("producer_byte_rate", 3.0000001)]),
    "of infinity": ([USER], [("producer_byte_rate", float("inf"))]),
    "of a percentage of 0": ([USER], [("request_percentage", 0.0)]),
    "of a huge rate": ([USER], [("producer_byte_rate", 1e300)]),
    "of an address that is none": ([("ip", "no.such.address.invalid.")], [("connection_creation_rate", 1.0)]),
    "of a fraction for an address": ([IP], [("connection_creation_rate", 1.5)]),
    "of nothing for an address": ([IP], [("connection_creation_rate", 0.0)]),
    "of too many for an address": ([IP], [("connection_creation_rate", 3e9)]),
    "that removes a key nobody knows": ([USER], [("no_such_rate", None)]),
    "without operations": ([USER], []),
    "the same key twice": ([USER], [("producer_byte_rate", 1.0), ("producer_byte_rate", 2.0)]),
}
for version in (0, 1):
    for what, (who, operations) in SET.items():
        ask(f"AlterClientQuotas version {version}, a quota {what}", 49, version, alter(who, operations))
    for what, (who, operations) in WRONG.items():
        ask(f"AlterClientQuotas version {version}, a quota {what}", 49, version, alter(who, operations))
ask("AlterClientQuotas, validation only", 49, 1, alter([("user", "seen")], [("producer_byte_rate", 1.0)], validate=True))
ask("AlterClientQuotas of nothing", 49, 1, {"Entries": []})
ask("AlterClientQuotas, one right and one wrong", 49, 1, {"Entries": [
    alter([("user", "half")], [("producer_byte_rate", 1.0)])["Entries"][0],
    alter([("user", "half2")], [("no_such_rate", 1.0)])["Entries"][0]]})
ask("AlterClientQuotas of one entity twice", 49, 1, {"Entries": [
    alter([("user", "twice")], [("producer_byte_rate", 1.0)])["Entries"][0],
    alter([("user", "twice")], [("producer_byte_rate", 2.0)])["Entries"][0]]})
# Kafka refuses the entity that is named twice and sets its first quota all the same; Barnabas sets none.
ask("AlterClientQuotas that removes it", 49, 1, alter([("user", "twice")], [("producer_byte_rate", None)]))

EXACT, DEFAULT, ANY = 0, 1, 2
FILTERS = {
    "of everybody": ([], False), "of nobody": ([], True),
    "of alice": ([("user", EXACT, "alice")], False), "of alice alone": ([("user", EXACT, "alice")], True),
    "of users": ([("user", ANY, None)], False), "of users alone": ([("user", ANY, None)], True),
    "of the default user": ([("user", DEFAULT, None)], False),
    "of clients": ([("client-id", ANY, None)], False), "of clients alone": ([("client-id", ANY, None)], True),
    "of users and clients": ([("user", ANY, None), ("client-id", ANY, None)], True),
    "of addresses": ([("ip", ANY, None)], False), "of one address": ([("ip", EXACT, "127.0.0.9")], True),
    "of the default address": ([("ip", DEFAULT, None)], True),
    "of addresses and users": ([("ip", ANY, None), ("user", ANY, None)], False),
    "of a kind nobody knows": ([("group", ANY, None)], False), "of an empty kind": ([("", ANY, None)], False),
    "of a kind twice": ([("user", ANY, None), ("user", EXACT, "alice")], False),
    "of a match nobody knows": ([("user", 7, None)], False), "of no name": ([("user", EXACT, None)], False),
    "of any with a name": ([("user", ANY, "alice")], False), "of the default with a name": ([("user", DEFAULT, "x")], False),
}


def describe_quotas(prefix=""):
    for version in (0, 1):
        for what, (components, strict) in FILTERS.items():
            @probes.probe(f"{prefix}DescribeClientQuotas version {version} {what}")
            def _(broker, version=version, components=components, strict=strict):
                answer = call(broker, 48, version, {"Components": [
                    {"EntityType": kind, "MatchType": match, "Match": name} for kind, match, name in components],
                    "Strict": strict})
                for entry in (answer.get("Entries") or []) if isinstance(answer, dict) else []:
                    entry["Entity"] = sorted([part["EntityType"], part["EntityName"]] for part in entry["Entity"])
                return answer


describe_quotas()

# --- SCRAM credentials

SHA_256, SHA_512 = 1, 2


def upsertion(name, mechanism=SHA_256, iterations=4096, salt=b"salt", password=b"p" * 32):
    return {"Name": name, "Mechanism": mechanism, "Iterations": iterations, "Salt": salt, "SaltedPassword": password}


def deletion(name, mechanism=SHA_256):
    return {"Name": name, "Mechanism": mechanism}


SCRAM = {
    "a credential": ([], [upsertion("alice")]),
    "another mechanism of the user": ([], [upsertion("alice", SHA_512, 8192)]),
    "two users": ([], [upsertion("bob"), upsertion("carol")]),
    "a change": ([], [upsertion("alice", iterations=5000)]),
    "two mechanisms of a user at once": ([], [upsertion("dave"), upsertion("dave", SHA_512)]),
    "a deletion": ([deletion("bob")], []),
    "a deletion of what is not there": ([deletion("nobody")], []),
    "a deletion of a mechanism that is not there": ([deletion("carol", SHA_512)], []),
    "a deletion and an insertion of one user": ([deletion("carol")], [upsertion("carol")]),
    "an empty name": ([], [upsertion("")]),
    "a deletion of an empty name": ([deletion("")], []),
    "a mechanism nobody knows": ([], [upsertion("erin", 7)]),
    "a deletion of a mechanism nobody knows": ([deletion("alice", 0)], []),
    "too few iterations": ([], [upsertion("erin", iterations=4095)]),
    "too many iterations": ([], [upsertion("erin", iterations=16385)]),
    "the most iterations": ([], [upsertion("max", iterations=16384)]),
    "an empty salt": ([], [upsertion("erin", salt=b"")]),
    "an empty password": ([], [upsertion("erin", password=b"")]),
    "a short password": ([], [upsertion("short", password=b"x")]),
    "nothing": ([], []),
    "one right and one wrong": ([], [upsertion("frank"), upsertion("", SHA_256)]),
}
for what, (deletions, upsertions) in SCRAM.items():
    ask(f"AlterUserScramCredentials: {what}", 51, 0, {"Deletions": deletions, "Upsertions": upsertions})


def describe_scram(prefix=""):
    for what, users in {"all": None, "none": [], "alice": ["alice"], "two": ["alice", "max"], "nobody": ["nobody"],
                        "one twice": ["alice", "alice"], "some and nobody": ["alice", "nobody"], "no name": [""]}.items():
        ask(f"{prefix}DescribeUserScramCredentials of {what}", 50, 0,
            {"Users": None if users is None else [{"Name": name} for name in users]})


describe_scram()


# --- ACLs, which need an authorizer; there is none

ANY_ACL = {"ResourceTypeFilter": 1, "ResourceNameFilter": None, "PatternTypeFilter": 1, "PrincipalFilter": None,
           "HostFilter": None, "Operation": 1, "PermissionType": 1}
ACL = {"ResourceType": 2, "ResourceName": "t", "ResourcePatternType": 3, "Principal": "User:alice", "Host": "*",
       "Operation": 3, "PermissionType": 3}
for version in (1, 2, 3):
    ask(f"DescribeAcls version {version}", 29, version, ANY_ACL)
    ask(f"CreateAcls version {version}", 30, version, {"Creations": [ACL, ACL]})
    ask(f"DeleteAcls version {version}", 31, version, {"Filters": [ANY_ACL, ANY_ACL]})
ask("CreateAcls of none", 30, 3, {"Creations": []})
ask("DeleteAcls of none", 31, 3, {"Filters": []})
for field in ("ResourceTypeFilter", "PatternTypeFilter", "Operation", "PermissionType"):
    for value in (0, 77):
        wrong = {**ANY_ACL, field: value}
        ask(f"DescribeAcls with {field} {value}", 29, 3, wrong)
        ask(f"DeleteAcls with {field} {value}", 31, 3, {"Filters": [ANY_ACL, wrong]})
for field in ("ResourceType", "ResourcePatternType", "Operation", "PermissionType"):
    for value in (0, 1, 77):
        ask(f"CreateAcls with {field} {value}", 30, 3, {"Creations": [ACL, {**ACL, field: value}]})


@probes.probe("a restart")
def _(broker):
    broker.stop()
    broker.start()
    return "restarted"


describe_quotas("after a restart: ")
describe_scram("after a restart: ")


def run(case):
    broker = case.broker().start()
    step(f"{probes.compare(broker)} answers on quotas, credentials and ACLs are those of Apache Kafka")
    broker.stop()


if __name__ == "__main__":
    case.main(run)
