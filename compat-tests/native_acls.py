#!/usr/bin/env python3
"""kafka-acls of ours prints and does what Apache Kafka's does.

The same command lines go to both tools, each with a cluster's ACLs in the same state: every pair of tools works on
names of its own, so that what one adds the other does not find. Without an authorizer both tools must say so in the
same words. Sets that Kafka prints in the order of a hash are compared as sets.
"""

from harness import case
from harness.native_tools import NativeTools, lines_of
from harness.outcome import check_equal, step

AUTHORIZER = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
              "super.users": "User:ANONYMOUS", "early.start.listeners": "CONTROLLER"}

REMOVE_FROM_CLUSTER = "--remove --force --allow-principal User:bob --operation IdempotentWrite --cluster"
# NAME is another one for each tool.
WITH_AUTHORIZER = """
--list
--add --allow-principal User:bob --operation Read --operation Describe --topic NAME
--add --allow-principal User:bob --producer --topic NAME
--add --allow-principal User:bob --consumer --topic NAME --group NAME-group
--add --allow-principal User:bob --producer --idempotent --topic NAME --transactional-id NAME-id
--add --allow-principal User:bob --producer --consumer --topic NAME-both --group NAME-both
--add --allow-principal User:carol --operation All --topic NAME-pre --resource-pattern-type prefixed
--add --deny-principal User:dave --deny-host 10.0.0.1 --operation write --topic NAME
--add --allow-principal User:a --allow-principal User:b --allow-host h1 --allow-host h2 --topic NAME-many
--add --allow-principal User:bob --operation DescribeConfigs --operation Delete --group NAME-group
--add --allow-principal User:bob --operation Describe --delegation-token NAME-token
--add --allow-principal User:bob --operation CreateTokens --user-principal User:NAME
--list --topic NAME
--list --topic NAME --group NAME-group --transactional-id NAME-id
--list --topic NAME-pre-x --resource-pattern-type match
--list --topic NAME --resource-pattern-type any
--list --topic NAME --principal User:dave
--list --topic NAME --topic NAME-pre --principal User:bob --principal User:nobody
--list --topic NAME-nothing
--remove --force --allow-principal User:bob --operation Describe --topic NAME
--remove --force --topic NAME-pre --resource-pattern-type prefixed
--list --topic NAME
--remove --force --topic NAME-nothing
--remove --force --topic NAME --group NAME-group --transactional-id NAME-id
--remove --force --topic NAME-both --topic NAME-many --group NAME-both
--remove --force --delegation-token NAME-token
--remove --force --user-principal User:NAME
--remove --force --allow-principal User:bob --operation IdempotentWrite --cluster
--list
""".strip().splitlines()

MISTAKES = """
--list --add
--add --topic a
--add --allow-principal foo --topic a
--add --allow-principal User:a
--add --allow-principal User:a --topic a --operation Foo
--add --allow-principal User:a --group a --operation Write
--add --allow-principal User:a --topic a --consumer
--add --allow-principal User:a --producer
--add --allow-principal User:a --idempotent --topic a
--add --allow-principal User:a --topic a --producer --operation Read
--add --allow-principal User:a --topic a --resource-pattern-type any
--list --resource-pattern-type foo --topic a
--list --producer
--list --bogus
""".strip().splitlines()


class Pair(NativeTools):
    """kafka-acls, Kafka's and ours, each with names of its own."""

    def results(self, line):
        def with_name(tool, name):
            arguments = ["--bootstrap-server", self.bootstrap, *line.replace("NAME", name).split()]
            code, out, err = tool("kafka-acls", arguments)
            return code, out.replace(name, "NAME"), err.replace(name, "NAME")

        theirs = with_name(self.theirs, "theirs")
        if "--idempotent" in line:
            # The cluster is one for both: what was added to it goes before the other tool comes.
            self.theirs("kafka-acls", ["--bootstrap-server", self.bootstrap, *REMOVE_FROM_CLUSTER.split()])
        return theirs, with_name(self.ours, "ours")


def comparable(text):
    """The lines of a set in order, its first one freed of what stands before it."""
    return sorted(line.strip() for line in lines_of(text))


def first_line(text):
    """The sentence before a usage text, with the names of a set in order."""
    head, bracket, rest = (text.splitlines() or [""])[0].partition("operations [")
    return head, bracket, sorted(rest.rstrip("]").split(", "))


def compare_actions(pair):
    for line in WITH_AUTHORIZER:
        theirs, ours = pair.results(line)
        check_equal((ours[0], comparable(ours[1])), (theirs[0], comparable(theirs[1])), line)
    step(f"{len(WITH_AUTHORIZER)} command lines on a cluster with an authorizer")


def compare_mistakes(pair):
    for line in MISTAKES:
        theirs, ours = pair.results(line)
        check_equal(ours[0], theirs[0], f"{line}: the exit code")
        if theirs[1]:
            check_equal(comparable(ours[1]), comparable(theirs[1]), f"{line}: the output")
        elif not theirs[2].startswith("Exception"):
            check_equal(first_line(ours[2]), first_line(theirs[2]), f"{line}: what it says first")
    step(f"{len(MISTAKES)} mistakes end alike")


def run(case):
    broker = case.broker(AUTHORIZER).start()
    with Pair(case.scratch, broker.bootstrap) as pair:
        compare_actions(pair)
        compare_mistakes(pair)
    broker.stop()
    broker = case.broker(name="without-authorizer").start()
    with Pair(case.scratch, broker.bootstrap) as pair:
        for line in ("--list", "--add --allow-principal User:a --topic NAME", "--remove --force --topic NAME"):
            theirs, ours = pair.results(line)
            check_equal((ours[0], comparable(ours[1])), (theirs[0], comparable(theirs[1])), line)
    step("without an authorizer both say that security is disabled")


if __name__ == "__main__":
    case.main(run)
