"""What kafka-log-dirs prints, made comparable."""

import json

from .outcome import check


def without_sizes(text):
    """What kafka-log-dirs prints, but for what grows or shrinks between two calls, and in an order of its own: that of
    the partitions is one of chance."""
    head, _, told = text.rpartition("\n{")
    told = json.loads(f"{{{told}")
    for node in told["brokers"]:
        for directory in node["logDirs"]:
            for partition in directory["partitions"]:
                check(partition["size"] >= 0 and partition["offsetLag"] >= 0, f"{partition} of {directory['logDir']}")
                partition["size"] = partition["offsetLag"] = 0
            directory["partitions"].sort(key=lambda partition: (partition["partition"], partition["isFuture"]))
        node["logDirs"].sort(key=lambda directory: directory["logDir"])
    return head, json.dumps(told)
