"""Kafka's tools as commands for a shell, kafka-topics.sh and so on, all of which run in one JVM that is there already.

Each is a script that hands its arguments, and what the console producer is given to send, to a thread of the test over a
socket, and prints and ends as the tool did. Standard output comes before standard error, whatever the tool wrote first.
"""

import json
import shlex
import socketserver
import stat
import sys
import threading

from .tool_runner import ToolRunner
from .tools import CLASSES

CLIENT = """
import json, socket, sys
address, tool, *arguments = sys.argv[1:]
given = sys.stdin.read() if tool.endswith("-producer") else None
with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as stream:
    connection.connect(address)
    stream.write(json.dumps([tool, arguments, given]) + chr(10))
    stream.flush()
    code, out, err = json.loads(stream.readline())
for stream, text in ((sys.stdout, out), (sys.stderr, err)):
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:  # As with a JVM, whoever reads may stop.
        sys.stdout = sys.stderr = None
        break
sys.exit(code)
"""


class ToolScripts:
    """Puts the scripts into `folder`; the tools work in `directory`. Use it in a `with`."""

    def __init__(self, folder, directory):
        folder.mkdir()
        self.runner = ToolRunner(directory)
        address, client = folder / "socket", folder / "client.py"
        client.write_text(CLIENT)
        for tool in CLASSES:
            script = folder / f"{tool}.sh"
            words = shlex.join(map(str, [sys.executable, "-I", "-S", client, address, tool]))
            script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
        self.server = socketserver.ThreadingUnixStreamServer(str(address), Request)
        self.server.daemon_threads, self.server.runner = True, self.runner

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.runner.close()


class Request(socketserver.StreamRequestHandler):
    def handle(self):
        tool, arguments, given = json.loads(self.rfile.readline())
        done = self.server.runner.call(tool, arguments, given, limit_seconds=90)
        code = 124 if done.code == "timeout" else done.code
        self.wfile.write(json.dumps([code, done.out, done.err]).encode() + b"\n")
