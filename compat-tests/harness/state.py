"""What a broker knows, asked on the wire: quicker than a tool, and independent of it."""

from . import wire

TOPIC_CONFIG = 1  # ConfigSource of what was set for the topic itself
LOADING, NOT_AVAILABLE, NOT_COORDINATOR = 14, 15, 16


def topic_configs(broker, topic):
    """{name: value} of what was set for a topic."""
    with wire.Connection(broker.port) as connection:
        answer = connection.call(32, 4, {"Resources": [
            {"ResourceType": 2, "ResourceName": topic, "ConfigurationKeys": None}]})
    result = answer["Results"][0]
    assert result["ErrorCode"] == 0, result
    return {config["Name"]: config["Value"] for config in result["Configs"] if config["ConfigSource"] == TOPIC_CONFIG}


def committed_offsets(broker, group):
    """{(topic, partition): offset} of what a group has committed; none while its coordinator is loading."""
    with wire.Connection(broker.port) as connection:
        answer = connection.call(9, 5, {"GroupId": group, "Topics": None})
    assert answer["ErrorCode"] in (0, LOADING, NOT_AVAILABLE, NOT_COORDINATOR), answer
    return {(topic["Name"], partition["PartitionIndex"]): partition["CommittedOffset"]
            for topic in answer["Topics"] for partition in topic["Partitions"]}


def end_offsets(broker, topic, partitions):
    """The end offset of each partition; -1 while it is not there or not led."""
    return list_offsets(broker, topic, partitions, -1)


def start_offsets(broker, topic, partitions):
    """The first offset of each partition that is still there."""
    return list_offsets(broker, topic, partitions, -2)


def list_offsets(broker, topic, partitions, timestamp):
    with wire.Connection(broker.port) as connection:
        answer = connection.call(2, 5, {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [
            {"PartitionIndex": index, "Timestamp": timestamp} for index in range(partitions)]}]})
    found = {partition["PartitionIndex"]: partition["Offset"] if partition["ErrorCode"] == 0 else -1
             for partition in answer["Topics"][0]["Partitions"]}
    return [found[index] for index in range(partitions)]
