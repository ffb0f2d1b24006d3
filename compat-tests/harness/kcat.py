"""kcat, called against one broker."""

import hashlib
import json
import subprocess

from . import places
from .outcome import check

# How long the broker holds the fetch by which a consumer learns that it is at the end; half a second is the default.
AT_THE_END = ("-X", "fetch.wait.max.ms=10")


class Kcat:
    def __init__(self, bootstrap):
        self.program, self.bootstrap = places.command("kcat"), bootstrap

    def __call__(self, *arguments, stdin=None):
        """Runs kcat with these arguments; it must succeed. Returns what it printed."""
        done = subprocess.run([self.program, "-b", self.bootstrap, *map(str, arguments)], input=stdin,
                              stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, text=True,
                              timeout=60)
        check(done.returncode == 0, f"kcat {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout

    def topics(self):
        """{topic: number of partitions}."""
        listed = json.loads(self("-L", "-J"))
        return {topic["topic"]: len(topic["partitions"]) for topic in listed["topics"]}

    def everything(self, topic, *arguments):
        """Every record of a topic as kcat sees it (offset, timestamp, key, value, headers), sorted by its place."""
        rows = [json.loads(row) for row in self("-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J",
                                                "-X", "check.crcs=true", *AT_THE_END, *arguments).splitlines()]
        rows.sort(key=lambda row: (row["partition"], row["offset"]))
        for row in rows:
            row.pop("broker", None)  # The address of whoever served it.
        return rows

    def digest(self, topic, *arguments):
        """How many records a topic has, and a hash of all that is in them."""
        rows = self.everything(topic, *arguments)
        text = "\n".join(json.dumps(row, sort_keys=True) for row in rows)
        return {"records": len(rows), "sha256": hashlib.sha256(text.encode()).hexdigest()}
