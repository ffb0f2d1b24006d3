"""Many of Apache Kafka's tools in one JVM: tool_runner/ToolRunner.java and the conversation with it."""

import base64
import subprocess
import threading

from . import jvm, places
from .outcome import check
from .tools import CLASSES, Done


class ToolRunner:
    """One JVM that runs tools one after the other, in `directory`. Use it in a `with`."""

    def __init__(self, directory):
        libs = places.kafka_libs()
        class_path = places.java_classes(places.COMPAT_TESTS / "tool_runner" / "ToolRunner.java", libs)
        self.directory, self.lock = directory, threading.Lock()
        self.process = subprocess.Popen(
            [places.command("java"), "-Xmx384m", *jvm.options(libs), "-Djava.security.manager=allow",
             jvm.log4j("tools_log4j2.yaml"), "-cp", class_path, "ToolRunner"],
            cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def call(self, tool, arguments, standard_input=None, limit_seconds=60):
        """Runs a tool to its end or its limit ('timeout' for an exit code). Callers wait for each other."""
        encoded = [base64.b64encode(argument.encode()).decode() for argument in arguments]
        with self.lock:
            file = "-"
            if standard_input is not None:
                file = self.directory / "standard-input"
                file.write_bytes(standard_input.encode())
            self.process.stdin.write(" ".join([str(limit_seconds), CLASSES[tool], str(file), *encoded]) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().split()
        check(len(answer) == 3, f"the tools' JVM ended in {tool} {' '.join(arguments)}")
        out, err = (base64.b64decode(text[1:]).decode(errors="replace") for text in answer[1:])
        return Done(answer[0] if answer[0] == "timeout" else int(answer[0]), out, err)

    def close(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
