#!/usr/bin/env python3
"""A word count in Quix Streams: `word_count.py BOOTSTRAP STATE_FOLDER`, until SIGTERM.

It reads lines of chapters (topic `chapters`, the key is the chapter), counts each word of a chapter in a state that a
changelog topic backs, and writes each new count to the topic `counts`.
"""

import sys

from quixstreams import Application
from quixstreams.models import TopicConfig


def count(line, chapter, timestamp, headers, state):
    """Every word of the line with its number so far in the chapter."""
    counted = []
    for word in line.split():
        number = state.get(word, 0) + 1
        state.set(word, number)
        counted.append({"chapter": chapter, "word": word, "count": number})
    return counted


def main():
    bootstrap, state_folder = sys.argv[1:]
    app = Application(broker_address=bootstrap, consumer_group="word-count", auto_offset_reset="earliest",
                      commit_interval=0.3, state_dir=state_folder, consumer_poll_timeout=0.2,
                      consumer_extra_config={"session.timeout.ms": 6000})
    config = TopicConfig(num_partitions=3, replication_factor=1)
    chapters = app.topic("chapters", key_deserializer="str", value_deserializer="str", config=config)
    counts = app.topic("counts", key_serializer="str", value_serializer="json", config=config)
    stream = app.dataframe(chapters).apply(count, stateful=True, metadata=True, expand=True)
    stream.to_topic(counts, key=lambda counted: counted["chapter"] + " " + counted["word"])
    app.run()


if __name__ == "__main__":
    main()
