"""wirebench and other load programs, run on the client's core against a server."""

import subprocess

from servers import CLIENT_CORE, pinned, places

BATCHES = ["--records", "100", "--size", "1000", "--depth", "5", "--acks", "1"]
SINGLE_RECORDS = ["--records", "1", "--size", "100", "--depth", "5", "--acks", "1"]
ONE_AT_A_TIME = ["--size", "100", "--acks", "-1"]


def output_of(command):
    """What a program printed, which must end well."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n"
                             f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def figures_of(output, mode):
    """{key: number} of the one line `mode=... key=value ...`."""
    lines = [line for line in output.splitlines() if line.startswith(f"mode={mode} ")]
    if len(lines) != 1:
        raise AssertionError(f"no line of figures of the mode {mode}:\n{output}")
    found = {}
    for pair in lines[0].split():
        key, value = pair.split("=", 1)
        try:
            found[key] = float(value)
        except ValueError:
            pass  # mode and codec
    return found


def wirebench(mode, server, *options):
    command = [places.built_program("wirebench"), mode, server.bootstrap, *map(str, options)]
    return figures_of(output_of(pinned(CLIENT_CORE, command)), mode)


def loaded(mode, server, topic, seconds, *options):
    return wirebench(mode, server, "--topic", topic, "--pid", server.pid, "--seconds", seconds, *options)


class Topic:
    """A topic for one measurement; what was produced leaves the disk when it goes."""

    def __init__(self, server, name, partitions=1, settings=""):
        self.server, self.name = server, name
        self.options = ["--partitions", partitions, "--settings", settings]

    def __enter__(self):
        if self.server.name != "floor":
            wirebench("create", self.server, "--topic", self.name, *self.options)
        return self.name

    def __exit__(self, *_):
        if self.server.name == "floor":
            self.server.forget()
        else:
            wirebench("delete", self.server, "--topic", self.name)
