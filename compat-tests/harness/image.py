"""The container image without a container engine: the root file system that docker/build_rootfs.sh makes, and what
docker/Dockerfile says about entering it.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from . import places
from .outcome import NotRun

DOCKER = places.ROOT / "docker"
LIMIT_BYTES = 60_000_000


class ImageConfig:
    """What an engine knows of an image: environment, entrypoint, command, user, working folder, volumes, ports."""

    def __init__(self):
        self.environment, self.entrypoint, self.command = {}, [], []
        self.user, self.working_folder, self.stop_signal = "root", "/", "SIGTERM"
        self.volumes, self.ports = [], []

    def copy(self):
        made = ImageConfig()
        made.__dict__.update({name: value.copy() if hasattr(value, "copy") else value
                              for name, value in self.__dict__.items()})
        return made


def read_dockerfile():
    """{stage: ImageConfig} of the stages that are images."""
    stages, config = {"scratch": ImageConfig()}, None
    for line in (DOCKER / "Dockerfile").read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            config = stages[name] = stages[parent].copy() if parent in stages else ImageConfig()
        elif word == "ENV":
            name, _, value = rest.partition("=")
            config.environment[name] = value
        elif word == "ENTRYPOINT":
            config.entrypoint = json.loads(rest)
        elif word == "CMD":
            config.command = json.loads(rest)
        elif word == "USER":
            config.user = rest
        elif word == "WORKDIR":
            config.working_folder = rest
        elif word == "STOPSIGNAL":
            config.stop_signal = rest
        elif word == "VOLUME":
            config.volumes = json.loads(rest)
        elif word == "EXPOSE":
            config.ports += rest.split()
    return {name: stages[name] for name in ("apache", "confluent", "local")}


def need_root():
    """A root file system of several users' files, entered by chroot in namespaces of its own, needs root."""
    if os.geteuid() != 0:
        raise NotRun("only root can make the image's files and enter them")
    for command in ("unshare", "nsenter", "chroot", "dpkg-deb", "apt-get", "ldd", "strip"):
        if shutil.which(command) is None:
            raise NotRun(f"no {command} on this machine")
    trial = subprocess.run(["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "true"],
                           capture_output=True, text=True)
    if trial.returncode != 0:
        raise NotRun(f"no namespaces on this machine: {trial.stderr.strip()}")


def build():
    """The folder of the root file system, made anew when anything that goes into it has changed."""
    need_root()
    program = pathlib.Path(places.barnabas_program())
    tools = places.built_program("barnabas-tools")
    inputs = [program, tools, *sorted(p for p in DOCKER.rglob("*") if p.is_file())]
    digest = hashlib.sha256()
    for path in inputs:
        digest.update(str(path.name).encode() + path.read_bytes())
    name = f"rootfs-{digest.hexdigest()[:16]}"

    def make(folder):
        for old in places.CACHE.glob("rootfs-*"):
            if old.is_dir() and old != folder and time.time() - old.stat().st_mtime > 3600:
                shutil.rmtree(old)
        places.call_quietly([DOCKER / "build_rootfs.sh", "--out", folder / "root", "--program", program,
                             "--tools", tools, "--cache", places.CACHE / "debian-packages"])

    return places.fetched(name, make, "the image's Debian packages") / "root"


def sizes(root):
    """[(bytes, what)], the biggest first, of everything in the image; links are counted once."""
    groups, seen = {}, set()
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        stat = path.stat()
        if stat.st_ino in seen:
            continue
        seen.add(stat.st_ino)
        name = "/" + str(path.relative_to(root))
        if stat.st_size < 200_000:
            name = re.sub(r"^(/[^/]+/[^/]+)/.*", r"\1/... (small files)", name)
        groups[name] = groups.get(name, 0) + stat.st_size
    return sorted(((size, name) for name, size in groups.items()), reverse=True)
