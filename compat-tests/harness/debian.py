"""Debian packages that are unpacked, not installed: the machine stays as it is, and no daemon is started."""

import re
import subprocess

from . import places
from .outcome import NotRun


def unpacked(*packages):
    """A folder that is the root of these packages and of what they need and the machine does not have."""
    apt_get, dpkg_deb = places.command("apt-get"), places.command("dpkg-deb")

    def fetch(path):
        planned = subprocess.run([apt_get, "--simulate", "--no-install-recommends", "install", *packages],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if planned.returncode != 0:
            raise NotRun(f"apt-get cannot have {' '.join(packages)}: {planned.stderr.strip()[-300:]}")
        archives = path / "archives"
        archives.mkdir()
        missing = re.findall(r"^Inst (\S+)", planned.stdout, re.MULTILINE)
        got = subprocess.run([apt_get, "download", *sorted({*packages, *missing})], cwd=archives,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if got.returncode != 0:  # Its lists are old, or the network is gone.
            raise NotRun(f"apt-get could not download {' '.join(packages)}: {got.stderr.strip()[-300:]}")
        for archive in archives.glob("*.deb"):
            places.call_quietly([dpkg_deb, "--extract", archive, path / "root"])

    return places.fetched("debian-" + "-".join(packages), fetch, " ".join(packages)) / "root"
