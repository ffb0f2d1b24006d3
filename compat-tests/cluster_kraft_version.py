#!/usr/bin/env python3
"""A quorum with static voters gets dynamic ones (KIP-853): kraft.version is raised to 1, and voters come and go after it.

Three controllers named by controller.quorum.voters. What the active one refuses, and the words for it, at kraft.version
0 and 1: other levels and kinds of change, a controller that is not registered, voters that have not told the leader who
they are (one is dead), a registered broker that does not know the feature. Then Apache Kafka's tool raises it: both control records stand in one batch, every
controller knows the directories of the voters, all of them come back from kill -9 with it, and a fourth one joins and
another leaves.
Then quorums of one Apache Kafka controller and two of Barnabas are raised by our tool, by a leader of either kind; the
other kind leads after that.
"""

import re
import time

from cluster_quorum import make_leader
from cluster_voter_changes import Quorum
from harness import case
from harness.cluster import Cluster, Node
from harness.native_tools import NativeTools
from harness.outcome import check, check_contains, check_equal, step
from harness.waiting import wait_until
from harness.wire import NO_UUID, Connection

API_VERSIONS, UPDATE_FEATURES, REGISTER_BROKER, UNREGISTER_BROKER, ADD_VOTER, REMOVE_VOTER, UPDATE_VOTER = \
    18, 57, 62, 64, 80, 81, 82
UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3
REFUSED = 95
FAILED = "The update failed for all features since the following feature had an error: "
OLD_FEATURES = {"eligible.leader.replicas.version": 1, "group.version": 1, "metadata.version": 30, "share.version": 1,
                "streams.version": 1, "transaction.version": 2}
OLD_BROKER = 50
A_DIRECTORY = "00000000-0000-4000-8000-000000000077"


def invalid(level, why):
    return f"{FAILED}Invalid update version {level} for feature kraft.version. {why}"


DOWNGRADE_TO_NEWER = invalid(1, "Can't downgrade to a newer version.")
NOT_ALL = FAILED + "Invalid upgrade of kraft.version to KRAFT_VERSION_1 because not all of the voters support it"
NO_KIND = invalid(1, "The controller does not support the given upgrade type.")
NEGATIVE = invalid(-1, "A feature version cannot be less than 0.")
OF_QUORUM = invalid(0, "Can't downgrade the version of this feature.")
UNTYPED = invalid(0, "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
                     "downgrade.")
# At kraft.version 0 and 1: (level, kind of change, what is said; None: nothing is wrong).
AT_0 = [(0, UPGRADE, None), (0, SAFE_DOWNGRADE, None), (1, SAFE_DOWNGRADE, DOWNGRADE_TO_NEWER),
        (1, UNSAFE_DOWNGRADE, DOWNGRADE_TO_NEWER), (1, 0, NO_KIND), (-1, UPGRADE, NEGATIVE)]
AT_1 = [(1, UPGRADE, None), (1, SAFE_DOWNGRADE, None), (1, UNSAFE_DOWNGRADE, None), (0, UPGRADE, UNTYPED),
        (0, SAFE_DOWNGRADE, OF_QUORUM), (0, UNSAFE_DOWNGRADE, OF_QUORUM), (-1, UPGRADE, NEGATIVE)]


def call(cluster, node_id, key, version, values):
    with Connection(cluster[node_id].controller_port, 20) as connection:
        return connection.call(key, version, values)


def update(cluster, level, kind=UPGRADE, dry_run=False, others=()):
    """(error code, message) of the active controller."""
    def asked():
        features = [("kraft.version", level, kind), *others]
        answer = call(cluster, cluster.wait_for_leader(), UPDATE_FEATURES, 2, {
            "timeoutMs": 10000, "ValidateOnly": dry_run,
            "FeatureUpdates": [{"Feature": name, "MaxVersionLevel": asked_level, "UpgradeType": asked_kind}
                               for name, asked_level, asked_kind in features]})
        # Not yet: who was elected a moment ago says so.
        return None if answer["ErrorCode"] == 41 else (answer["ErrorCode"], answer["ErrorMessage"])
    return wait_until(asked, "an active controller", 30)


def check_answers(cluster, questions, level):
    leader = cluster.wait_for_leader()
    too_high = (2, UPGRADE, invalid(2, f"Local controller {leader} only supports versions 0-1"))
    for asked, kind, message in [*questions, too_high]:
        for dry_run in (True, False):
            check_equal(update(cluster, asked, kind, dry_run), (REFUSED if message else 0, message),
                        f"kraft.version {asked}, kind {kind}, dry run {dry_run}, at {level}")


def finalized(cluster, node_id):
    answer = call(cluster, node_id, API_VERSIONS, 4, {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1"})
    return {feature["Name"]: feature["MaxVersionLevel"] for feature in answer["FinalizedFeatures"]}


def wait_until_raised(cluster):
    for node_id in cluster.controllers:
        if cluster[node_id].process is not None:
            wait_until(lambda: finalized(cluster, node_id) == {**OLD_FEATURES, "kraft.version": 1},
                       f"kraft.version 1 at node {node_id}", 20)


def wait_until_all_have_told(cluster):
    wait_until(lambda: update(cluster, 1, dry_run=True) == (0, None), "all voters to have told who they are", 40)


def voter_answers(cluster):
    """What voters may ask for at kraft.version 0."""
    leader = cluster.wait_for_leader()
    follower = next(node_id for node_id in cluster.controllers if node_id != leader)
    epoch = cluster.describe_quorum(leader)["LeaderEpoch"]
    listeners = [{"Name": "CONTROLLER", "Host": "127.0.0.1", "Port": 9}]
    add = {"ClusterId": cluster.id, "TimeoutMs": 1000, "VoterId": 9, "VoterDirectoryId": A_DIRECTORY,
           "Listeners": listeners, "AckWhenCommitted": True}
    remove = {"ClusterId": cluster.id, "VoterId": follower, "VoterDirectoryId": A_DIRECTORY}
    for doing, key, version, values in (("adding", ADD_VOTER, 1, add), ("removing", REMOVE_VOTER, 0, remove)):
        answer = call(cluster, leader, key, version, values)
        check_equal((answer["ErrorCode"], answer["ErrorMessage"]),
                    (35, f"Cluster doesn't support {doing} voter because the kraft.version feature is 0"), doing)

    def tell(**changed):
        versions = {"MinSupportedVersion": changed.pop("least", 0), "MaxSupportedVersion": 1}
        return call(cluster, leader, UPDATE_VOTER, 0, {
            "ClusterId": cluster.id, "CurrentLeaderEpoch": epoch, "VoterId": follower, "VoterDirectoryId": A_DIRECTORY,
            "Listeners": listeners, "KRaftVersionFeature": versions, **changed})["ErrorCode"]
    check_equal(tell(VoterId=9), 127, "UpdateRaftVoter of no voter")
    check_equal(tell(CurrentLeaderEpoch=epoch - 1), 74, "UpdateRaftVoter in an old epoch")
    check_equal(tell(least=1), 42, "UpdateRaftVoter of one that does not know kraft.version 0")
    check_equal(tell(Listeners=[{"Name": "OTHER", "Host": "h", "Port": 9}]), 42, "UpdateRaftVoter of another listener")


def a_voter_is_missing(cluster):
    killed = cluster.wait_for_leader()
    cluster[killed].kill()
    cluster.wait_for_leader(other_than=killed)
    for dry_run in (True, False):
        check_equal(update(cluster, 1, dry_run=dry_run), (REFUSED, NOT_ALL), "kraft.version 1 with a voter that is dead")
    cluster.start([killed])
    wait_until_all_have_told(cluster)


def an_old_broker_is_there(cluster):
    known = [{"Name": name, "MinSupportedVersion": 7 if name == "metadata.version" else 0, "MaxSupportedVersion": level}
             for name, level in OLD_FEATURES.items()]
    leader = cluster.wait_for_leader()
    told = call(cluster, leader, REGISTER_BROKER, 4, {
        "BrokerId": OLD_BROKER, "ClusterId": cluster.id, "IncarnationId": A_DIRECTORY, "Rack": None, "Features": known,
        "Listeners": [{"Name": "PLAINTEXT", "Host": "127.0.0.1", "Port": 9, "SecurityProtocol": 0}],
        "LogDirs": [A_DIRECTORY]})
    check_equal(told["ErrorCode"], 0, "the registration of a broker that does not know kraft.version")
    check_equal(update(cluster, 1), (REFUSED, invalid(1, f"Broker {OLD_BROKER} does not support this feature.")),
                "kraft.version 1 with such a broker")
    told = call(cluster, leader, UNREGISTER_BROKER, 0, {"BrokerId": OLD_BROKER})
    check_equal(told["ErrorCode"], 0, "its end")


def control_records(case, cluster, node_id):
    """The offsets of the batches with kraft.version and the voters, and the lines of both, as kafka-dump-log tells them."""
    log = cluster[node_id].data_directory / "__cluster_metadata-0" / f"{0:020}.log"
    out = case.kafka_tools().call("kafka-dump-log", "--cluster-metadata-decoder", "--files", log)
    found, batch = [], None
    for line in out.splitlines():
        if line.startswith("baseOffset"):
            batch = re.search(r"baseOffset: (\d+)", line).group(1)
        elif "KRaftVersion {" in line or "KRaftVoters {" in line:
            found.append((batch, line))
    return found


def check_raised(case, cluster, voters):
    wait_until_raised(cluster)
    leader = cluster.wait_until_caught_up()
    told = cluster.describe_quorum(leader)["CurrentVoters"]
    check_equal({voter["ReplicaId"] for voter in told}, set(voters), "the voters")
    check(all(voter["ReplicaDirectoryId"] != NO_UUID for voter in told), f"every voter has a directory: {told}")
    for node_id in voters:
        found = control_records(case, cluster, node_id)
        check_equal(len(found), 2, f"the control records of node {node_id}: {found}")
        check_equal(found[0][0], found[1][0], "the batches of the two")
        check_contains(found[0][1], '"kRaftVersion":1', "the first")
        for voter in voters:
            check_contains(found[1][1], f'"voterId":{voter},"voterDirectoryId":', "the second")


def raise_version(quorum, tool):
    where = ["--bootstrap-controller", quorum.cluster.bootstrap_controllers]
    for more, says in ((["--dry-run"], "can be"), ([], "was")):
        code, out, err = getattr(quorum.both, tool)("kafka-features", [*where, "upgrade", "--feature", "kraft.version=1",
                                                                       *more])
        check_equal((code, out.strip()), (0, f"kraft.version {says} upgraded to 1."), f"{tool} kafka-features: {err[-500:]}")


def same_kind(case, both):
    cluster = Cluster(case, [Node(1), Node(2, "controller"), Node(3, "controller"),
                             Node(4, "controller", is_voter=False)])
    cluster.start([1, 2])
    quorum = Quorum(case, both, cluster)
    missing = "controller 3 has not registered, and may not support this feature"
    check_equal(update(cluster, 1), (REFUSED, invalid(1, missing)), "kraft.version 1 without one of the controllers")
    cluster.start([3])
    wait_until_all_have_told(cluster)
    check_answers(cluster, AT_0, 0)
    voter_answers(cluster)
    a_voter_is_missing(cluster)
    an_old_broker_is_there(cluster)
    unknown = [("made.up", 1, UPGRADE)]
    if case.is_barnabas:  # Apache Kafka refuses this too, and raises kraft.version all the same.
        leader = cluster.wait_for_leader()
        check_equal(update(cluster, 1, others=unknown), (
            REFUSED, f"{FAILED}Invalid update version 1 for feature made.up. Local controller {leader} does not support "
                     "this feature."), "kraft.version 1 with a feature that nobody knows")
        time.sleep(1)
    check_equal(finalized(cluster, cluster.wait_for_leader()), OLD_FEATURES, "the features after all refusals and dry runs")
    step("at kraft.version 0 the active controller says what stands in the way")

    raise_version(quorum, "theirs")
    check_raised(case, cluster, [1, 2, 3])
    check_answers(cluster, AT_1, 1)
    step("kafka-features raised it, and it does not go down again")
    for node_id in (1, 2, 3):
        cluster[node_id].kill()
    cluster.start([1, 2, 3])
    check_raised(case, cluster, [1, 2, 3])
    quorum.write("after-all-died")
    step("all controllers were killed, and have it still")

    cluster.start([4])
    wait_until(lambda: 4 in quorum.state()[2], "the observer", 30)
    quorum.add("theirs", 4)
    quorum.wait_for_voters(1, 2, 3, 4)
    leaving = next(node_id for node_id in (3, 2) if node_id != quorum.state()[0])
    quorum.remove("theirs", leaving)
    quorum.wait_for_voters(*({1, 2, 3, 4} - {leaving}))
    quorum.write("after-changes")
    step(f"node 4 is a voter, node {leaving} is none any more")
    for node in cluster.nodes.values():
        node.kill()


def add_once_connected(quorum, node_id):
    """A leader of Apache Kafka that lost a node when it was killed answers REQUEST_TIMED_OUT until it has connected to
    its next life (measured on 4.3.1: "Aborting add voter operation ... since API_VERSIONS returned an error")."""
    def added():
        code, out, err = quorum.both.ours("kafka-metadata-quorum", [
            "--bootstrap-controller", quorum.cluster.bootstrap_controllers, "--command-config",
            str(quorum.cluster[node_id].properties_file), "add-controller"])
        check(code == 0 or "TimeoutException" in out + err, f"add-controller: {out}{err}")
        return code == 0
    wait_until(added, f"node {node_id} to be added", 30)


def mixed(case, both, kind):
    """The leader that raises it is of this kind."""
    cluster = Cluster(case, [Node(1, "controller", "kafka"), Node(2, "controller"), Node(3, "controller")],
                      name=f"mixed-{kind}")
    cluster.start()
    quorum = Quorum(case, both, cluster)
    by_kafka, by_barnabas = {1}, {2, 3}
    first, then = (by_kafka, by_barnabas) if kind == "kafka" else (by_barnabas, by_kafka)
    make_leader(cluster, first)
    wait_until_all_have_told(cluster)
    check(cluster.wait_for_leader() in first, "another leader in the meantime")
    raise_version(quorum, "ours")
    check_raised(case, cluster, [1, 2, 3])
    quorum.write("raised")
    step(f"mixed: raised by a leader of {kind}")
    make_leader(cluster, then)
    quorum.write("led-by-the-other")
    leaving = 3 if quorum.state()[0] != 3 else 2
    quorum.remove("ours", leaving)
    quorum.wait_for_voters(*({1, 2, 3} - {leaving}))
    add_once_connected(quorum, leaving)
    quorum.wait_for_voters(1, 2, 3)
    make_leader(cluster, first)
    quorum.write("and-back")
    step("the other kind leads it, and voters go and come")
    for node in cluster.nodes.values():
        node.kill()


def run(case):
    with NativeTools(case.scratch, None) as both:
        same_kind(case, both)
        if case.is_barnabas:
            mixed(case, both, "kafka")
            mixed(case, both, "barnabas")


if __name__ == "__main__":
    case.main(run)
