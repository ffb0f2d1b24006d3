"""Clients that come with the system: kcat and the syslog daemons."""

import sys

from harness import places

from . import syslog_daemons
from .client import Client
from .program import Program


def kcat():
    places.command("kcat")
    return Program([sys.executable, places.COMPAT_TESTS / "matrix" / "kcat" / "client.py"])


LEFT_OUT = {"group": "kcat drops the record that comes while it is told to end, and commits it all the same"}
CLIENTS = [Client("kcat", "system", kcat, left_out=LEFT_OUT), *syslog_daemons.CLIENTS]
