#!/usr/bin/env python3
"""kafka-metadata-quorum add-controller and remove-controller: Apache Kafka's tool and ours, on quorums of either kind.

What both refuse, and what both would do, is told alike, with the same exit code. Then each of them adds an observer to
the voters and takes voters away, the leader among them, which goes on as an observer; what is a voter counts: one of
three may be killed. In the end two Apache Kafka voters are replaced by a Barnabas controller on another directory, and
the other way round.
"""

import re

from cluster_quorum import set_quota
from harness import case
from harness.cluster import Cluster, Node
from harness.native_tools import NativeTools, lines_of
from harness.outcome import check, check_contains, check_equal, step
from harness.waiting import wait_until

# BS and CTRL are addresses of the cluster, NEW the properties of the observer, DIR its directory id, FILE:x files below.
REFUSED = """
--bootstrap-server BS add-controller
--bootstrap-server BS --command-config nowhere.properties add-controller
--bootstrap-server BS --command-config no-id.properties add-controller
--bootstrap-server BS --command-config negative-id.properties add-controller
--bootstrap-server BS --command-config broker.properties add-controller
--bootstrap-server BS --command-config no-directory.properties add-controller
--bootstrap-server BS --command-config empty-directory.properties add-controller
--bootstrap-server BS --command-config no-names.properties add-controller
--bootstrap-server BS --command-config other-names.properties add-controller
--bootstrap-server BS --command-config NEW add-controller --bogus
--command-config NEW add-controller
--bootstrap-server BS remove-controller --controller-directory-id DIR
--bootstrap-server BS remove-controller --controller-id 3
--bootstrap-server BS remove-controller --controller-id x --controller-directory-id DIR
--bootstrap-server BS remove-controller --controller-id -1 --controller-directory-id DIR
--bootstrap-server BS remove-controller --controller-id 3 --controller-directory-id tooshort
--bootstrap-server BS remove-controller --controller-id 3 --controller-directory-id DIR
--bootstrap-server BS --bootstrap-controller CTRL remove-controller --controller-id 3 --controller-directory-id DIR
""".strip().splitlines()
DONE = """
--bootstrap-server BS --command-config NEW add-controller --dry-run
--bootstrap-controller CTRL --command-config NEW add-controller --dry-run
--bootstrap-server BS remove-controller --controller-id 3 --controller-directory-id DIR --dry-run
--bootstrap-server BS remove-controller -i 77 -d DIR --dry-run
""".strip().splitlines()
FILES = {
    "no-id.properties": "process.roles=controller\n",
    "negative-id.properties": "node.id=-3\nprocess.roles=controller\n",
    "broker.properties": "node.id=3\nprocess.roles=broker\n",
    "no-directory.properties": "node.id=3\nprocess.roles=controller\n",
    "empty-directory.properties": "node.id=3\nprocess.roles=controller\nlog.dirs=/nowhere\n",
    "no-names.properties": "node.id=3\nprocess.roles=controller\nlog.dirs=DATA\nlisteners=CONTROLLER://:9093\n",
    "other-names.properties": "node.id=3\nprocess.roles=controller\nlog.dirs=DATA\nlisteners=CONTROLLER://:9093\n"
                              "controller.listener.names=OTHER\n",
}


class Quorum:
    """A cluster, and the tools on it."""

    def __init__(self, case, both, cluster):
        self.case, self.both, self.cluster = case, both, cluster

    def state(self):
        """(leader, voters, observers)"""
        leader = self.cluster.wait_for_leader()
        told = self.cluster.describe_quorum(leader)
        if told is None or told["ErrorCode"] != 0:
            return None, set(), set()
        return leader, {voter["ReplicaId"] for voter in told["CurrentVoters"]}, \
            {observer["ReplicaId"] for observer in told["Observers"]}

    def wait_for_voters(self, *voters):
        wait_until(lambda: self.state()[1] == set(voters), f"the voters to be {voters}", 30)
        self.cluster.wait_until_caught_up()

    def directory(self, node_id):
        text = (self.cluster[node_id].data_directory / "meta.properties").read_text()
        return re.search("directory.id=(.*)", text).group(1)

    def run(self, tool, *arguments, where=None):
        """With 'theirs' or 'ours'; must succeed."""
        where = where or ["--bootstrap-controller", self.cluster.bootstrap_controllers]
        code, out, err = getattr(self.both, tool)("kafka-metadata-quorum", [*where, *map(str, arguments)])
        check_equal(code, 0, f"kafka-metadata-quorum {arguments}, {tool}: {out}{err[-800:]}; exit code")
        return out

    def add(self, tool, node_id, where=None):
        properties = str(self.cluster[node_id].properties_file)
        out = self.run(tool, "--command-config", properties, "add-controller", where=where)
        check_equal(out.strip(), f"Added controller {node_id} with directory id {self.directory(node_id)} and endpoints: "
                    f"CONTROLLER://{self.cluster.controller_address(node_id)}", "what add-controller says")

    def remove(self, tool, node_id, where=None):
        out = self.run(tool, "remove-controller", "--controller-id", node_id, "--controller-directory-id",
                       self.directory(node_id), where=where)
        check_equal(out.strip(), f"Removed  KRaft controller {node_id} with directory id {self.directory(node_id)}",
                    "what remove-controller says")

    def write(self, user):
        def written():
            leader = self.cluster.leader()
            return leader is not None and set_quota(self.cluster, leader, user) == 0
        wait_until(written, f"the quorum to take a change ({user})", 30)


def compare(quorum, lines, succeeds):
    names = {"BS": quorum.cluster.bootstrap, "CTRL": quorum.cluster.bootstrap_controllers,
             "NEW": str(quorum.cluster[3].properties_file), "DIR": quorum.directory(3)}
    for line in lines:
        words = [names.get(word, word) for word in line.split()]
        theirs = quorum.both.theirs("kafka-metadata-quorum", words)
        ours = quorum.both.ours("kafka-metadata-quorum", words)
        check_equal(theirs[0] == 0, succeeds, f"{line}: whether Kafka's tool succeeds ({theirs[2][-300:]})")
        check_equal(ours[0], theirs[0], f"{line}: the exit code ({ours[2][-300:]})")
        check_equal(ours[1], theirs[1], f"{line}: the output")
        expected = [text for text in lines_of(theirs[2]) if not re.match(r"\[\d{4}-|usage:|  ", text)]
        is_wrapped = expected and expected[0].startswith("kafka-metadata-quorum: error")
        said = "".join(expected if is_wrapped else expected[:1])
        check_contains(without_blanks(ours[2]), without_blanks(said), f"{line}: what it says of the mistake")


def without_blanks(text):
    """Kafka's parser breaks its lines and fills them up."""
    return re.sub(r"\s", "", text)


def refusals(quorum):
    for name, content in FILES.items():
        (quorum.case.scratch / name).write_text(content.replace("DATA", str(quorum.cluster[3].data_directory)))
    compare(quorum, REFUSED, succeeds=False)
    compare(quorum, DONE, succeeds=True)
    step(f"{len(REFUSED) + len(DONE)} command lines are told alike by both tools")


def same_kind(case, both):
    cluster = Cluster(case, [Node(1), Node(2), Node(3, "controller", is_voter=False)], dynamic=True)
    cluster.start()
    quorum = Quorum(case, both, cluster)
    by_brokers = ["--bootstrap-server", cluster.bootstrap]
    wait_until(lambda: 3 in quorum.state()[2], "the observer", 30)
    quorum.wait_for_voters(1, 2)
    refusals(quorum)

    quorum.add("theirs", 3, by_brokers)
    quorum.wait_for_voters(1, 2, 3)
    compare(quorum, ["--bootstrap-server BS --command-config NEW add-controller"], succeeds=False)
    quorum.remove("ours", 3, by_brokers)
    quorum.wait_for_voters(1, 2)
    compare(quorum, ["--bootstrap-controller CTRL remove-controller -i 3 -d DIR"], succeeds=False)
    quorum.add("ours", 3)
    quorum.wait_for_voters(1, 2, 3)
    step("both tools add and remove an observer, and are refused alike what is done already")

    for tool in ("theirs", "ours"):
        leader = quorum.state()[0]
        quorum.remove(tool, leader)
        left = {1, 2, 3} - {leader}
        quorum.wait_for_voters(*left)
        check(quorum.state()[0] in left, f"node {leader} still leads")
        wait_until(lambda: leader in quorum.state()[2], "the one that led to observe", 30)
        quorum.write(f"without-{leader}")
        quorum.add(tool, leader)
        quorum.wait_for_voters(1, 2, 3)
    step("a leader that is removed is followed by another, observes, and is added again")

    killed = next(node_id for node_id in (3, 2, 1) if node_id != quorum.state()[0])
    cluster[killed].kill()
    quorum.write("two-of-three")
    step("one of three voters may die")
    for node in cluster.nodes.values():
        node.kill()


def replaced(case, both):
    """The way to other machines."""
    cluster = Cluster(case, [Node(1, kind="kafka"), Node(2, "controller", "kafka"),
                             Node(3, "controller", is_voter=False)], dynamic=True, name="replaced")
    cluster.start()
    quorum = Quorum(case, both, cluster)
    wait_until(lambda: 3 in quorum.state()[2], "the observer", 30)
    quorum.write("by-kafka")
    quorum.add("theirs", 3)
    quorum.wait_for_voters(1, 2, 3)
    for node_id in (2, 1):
        quorum.remove("ours", node_id)
        quorum.wait_for_voters(*({1, 3} if node_id == 2 else {3}))
    quorum.write("by-barnabas")
    step("a Barnabas controller joined the quorum of two of Apache Kafka, and is its only voter now")
    for tool, node_id in (("ours", 1), ("theirs", 2)):
        quorum.add(tool, node_id)
    quorum.wait_for_voters(1, 2, 3)
    quorum.remove("theirs", 3)
    quorum.wait_for_voters(1, 2)
    quorum.write("again")
    step("and the other way round")
    for node in cluster.nodes.values():
        node.kill()


def run(case):
    with NativeTools(case.scratch, None) as both:
        same_kind(case, both)
        if case.is_barnabas:
            replaced(case, both)


if __name__ == "__main__":
    case.main(run)
