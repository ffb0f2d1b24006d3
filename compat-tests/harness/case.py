"""The frame of a test: `if __name__ == "__main__": case.main(run)`.

run(case) is called once. It may start brokers through case.broker(), keep files below case.scratch, and raise:
NotRun when the machine lacks something, anything else when the test fails. Every broker and program it made is ended after it.
A test that fetches and compiles much has prepare(case) too, which does only that: run.py calls it before the test's time runs.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from . import broker as brokers
from . import program, tool_runner, tools
from .outcome import NOT_RUN_EXIT_CODE, NotRun, check, check_equal, step


class Case:
    def __init__(self, kind, full, scratch):
        self.kind = kind          # 'barnabas' or 'kafka': whom the test is run against
        self.full = full          # the full tier: bigger inputs, more repetitions
        self.scratch = scratch    # an empty folder, removed when the test passes
        self._running = []        # brokers and programs, ended after the test
        self._lock = threading.Lock()
        self._tool_runner = None  # the JVM of Kafka's tools, once one has been called

    @property
    def is_barnabas(self):
        return self.kind == "barnabas"

    def broker(self, settings=None, name="broker", kind=None, data_directory=None):
        """A broker that is not started yet, of the kind under test unless another is named."""
        made = brokers.KINDS[kind or self.kind](self.scratch / name, settings, data_directory)
        self._running.append(made)
        return made

    def program(self, name, command, input_pipe=False):
        """A program that is not started yet, by its command; it runs in case.scratch."""
        made = program.Program(name, self.scratch, command, input_pipe)
        self._running.append(made)
        return made

    def kafka_tools(self, bootstrap=None):
        """Apache Kafka's command line tools, pointed at a broker's bootstrap address."""
        return tools.KafkaTools(bootstrap, self.scratch, self.tool_runner)

    def tool_runner(self):
        with self._lock:
            if self._tool_runner is None:
                self._tool_runner = tool_runner.ToolRunner(self.scratch)
        return self._tool_runner

    @staticmethod
    def at_once(*parts):
        """Runs parts of a test that have nothing in common and wait more than they work: functions without arguments,
        each in a thread. The first error is the test's, once all have ended."""
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            for part in [pool.submit(part) for part in parts]:
                part.result()

    def close(self):
        if self._tool_runner is not None:
            self._tool_runner.close()
        for made in self._running:
            made.kill()


def two_stages(broker, command, first_done, second_done, environment=None):
    """The main job of a client's program, which is run as `command BOOTSTRAP STAGE`: stage 'first', kill -9 of the
    broker, stage 'second'. It prints the numbers of the records that its group read: 0 to 2999, once each, in all."""
    def stage(name):
        done = subprocess.run([*command, broker.bootstrap, name], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=180, env={**os.environ, **(environment or {})})
        check(done.returncode == 0, f"stage {name}: exit code {done.returncode}\n{done.stderr[-3000:]}")
        return [int(number) for number in done.stdout.split()]

    first = stage("first")
    step(first_done)
    broker.kill()
    broker.start()
    second = stage("second")
    check_equal(sorted(first + second), list(range(3000)), "what the group read before and after kill -9")
    step(second_done)


def parse_arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--broker", choices=sorted(brokers.KINDS), default="barnabas",
                        help="whom to test; the same script must pass against Apache Kafka")
    parser.add_argument("--full", action="store_true", help="bigger inputs and more repetitions")
    parser.add_argument("--keep", action="store_true", help="keep the scratch folder")
    parser.add_argument("--prepare", action="store_true", help="only fetch and compile what it needs, where that takes long")
    return parser.parse_args()


def main(run):
    description = (sys.modules["__main__"].__doc__ or "").split("\n")[0]
    arguments = parse_arguments(description)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-" + pathlib.Path(sys.argv[0]).stem + "-"))
    case = Case(arguments.broker, arguments.full, scratch)
    print(f"against {arguments.broker}, {scratch}", flush=True)
    if arguments.full:
        print("the full tier", flush=True)
    begun, code = time.monotonic(), 1
    try:
        if arguments.prepare:
            sys.modules["__main__"].prepare(case)
        else:
            run(case)
        code = 0
        print(f"{'prepared' if arguments.prepare else 'passed'} in {time.monotonic() - begun:.1f} s", flush=True)
    except NotRun as reason:
        code = NOT_RUN_EXIT_CODE
        print(f"not run: {reason}", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    except BaseException as error:
        traceback.print_exc(file=sys.stdout)
        for made in case._running:
            if made.log_file.exists():
                print(f"--- the end of what {made.kind} in {made.directory} said:\n{made.output_tail()}")
        print(f"failed: {error}", flush=True)
    finally:
        case.close()
        if code in (0, NOT_RUN_EXIT_CODE) and not arguments.keep:
            shutil.rmtree(scratch, ignore_errors=True)
        else:
            print(f"files are kept in {scratch}", flush=True)
    os._exit(code) if code == 1 else sys.exit(code)
