"""Where things are: the repository, the built program, what was fetched, and scratch space."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from .outcome import NotRun

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPAT_TESTS = ROOT / "compat-tests"
CACHE = ROOT / "build" / "compat"
KAFKA_VERSION = "4.3.1"


def barnabas_program():
    """The program under test: BARNABAS_PROGRAM, else the release build."""
    program = pathlib.Path(os.environ.get("BARNABAS_PROGRAM", ROOT / "build/release/bin/barnabas"))
    if not program.exists():
        raise AssertionError(f"{program} is not there: run `make build` first")
    return program


def built_program(name):
    """A test program that the release build makes when its library is there."""
    program = ROOT / "build" / "release" / "bin" / name
    if not program.exists():
        raise NotRun(f"{name} is not built (is its library installed?)")
    return program


def command(name):
    """The path of a command; a test that needs one which is missing is not run."""
    found = shutil.which(name)
    if found is None:
        raise NotRun(f"no {name} on this machine")
    return found


@contextlib.contextmanager
def alone(name):
    """Whoever makes the same part of the cache at the same time waits."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / (name.replace("/", "_") + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetched(directory, fetch, what):
    """`directory` below the cache, made once by fetch(path); two runs at once wait for each other."""
    path = CACHE / directory
    if (path / ".complete").exists():
        return path
    with alone(directory):
        if (path / ".complete").exists():
            return path
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        try:
            fetch(path)
        except subprocess.CalledProcessError as error:
            said = "\n".join((error.stdout or "").strip().splitlines()[-15:])
            raise AssertionError(f"could not fetch {what} (exit code {error.returncode}):\n{said}") from None
        (path / ".complete").touch()
    return path


def call_quietly(arguments, **options):
    """Runs a command that must succeed; its output is shown only if it does not."""
    subprocess.run([str(argument) for argument in arguments], check=True, text=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def kafka_libs(version=KAFKA_VERSION):
    """The folder with Apache Kafka's jars: BARNABAS_KAFKA_LIBS, else fetched from Maven Central once."""
    given = os.environ.get("BARNABAS_KAFKA_LIBS")
    if given and version == KAFKA_VERSION:
        return pathlib.Path(given)
    maven = command("mvn")

    def fetch(path):
        call_quietly([maven, "-q", "-B", "-f", COMPAT_TESTS / "harness/kafka_pom.xml", f"-Dkafka.version={version}",
                      "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={path}"])

    return fetched(f"kafka-{version}/libs", fetch, f"Apache Kafka {version}")


def maven_jars(package_folder):
    """The jars that the pom.xml of a folder asks for, fetched from Maven Central once."""
    maven, pom = command("mvn"), package_folder / "pom.xml"

    def fetch(path):
        call_quietly([maven, "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime",
                      f"-DoutputDirectory={path}"])

    version = hashlib.sha256(pom.read_bytes()).hexdigest()[:8]
    return fetched(f"maven-{package_folder.name}-{version}", fetch, f"the packages of {package_folder.name}")


def python_with(*requirements):
    """A Python that has these packages of PyPI, in a virtual environment of its own."""

    def fetch(path):
        call_quietly([sys.executable, "-m", "venv", path])
        call_quietly([path / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *requirements])

    name = "venv-" + "-".join(requirement.replace("=", "") for requirement in requirements)
    return fetched(name, fetch, " ".join(requirements)) / "bin/python"


def node_modules(package_folder, **environment):
    """Installs the package.json (and its lock) of a folder; returns the folder in which node finds them. `environment`
    is added to npm's, as for packages that are compiled."""
    npm = command("npm")
    command("node")

    def fetch(path):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(package_folder / name, path)
        call_quietly([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=path,
                     env={**os.environ, **environment})

    return fetched(f"node-{package_folder.name}", fetch, f"the packages of {package_folder.name}")


def java_classes(source, libs):
    """Compiles one Java source against Kafka's jars, again only when the source changed; returns the class path."""
    return java_program(source.stem, [source], libs, "-Xlint:all,-processing,-classfile,-path", "-Werror")


def java_program(name, sources, libs, *options):
    """Compiles Java sources against the jars of a folder; returns the class path, which begins with these. What changed is
    compiled into a folder of its own: programs that run, and tests that compile the same at once, are not disturbed."""
    javac, digest = command("javac"), hashlib.sha256(f"{libs} {options}".encode())
    for source in sources:
        digest.update(source.read_bytes())

    def compile_sources(path):
        call_quietly([javac, *options, "-cp", f"{libs}/*", "-d", path, *sources])

    target = fetched(f"classes/{name}-{digest.hexdigest()[:12]}", compile_sources, f"the classes of {name}")
    return f"{libs}/*:{target}"
