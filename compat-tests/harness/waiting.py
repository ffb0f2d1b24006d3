"""Waiting for what has no event to wait for."""
import time

from .outcome import check


def wait_until(holds, what, seconds=60):
    """The first value of `holds()` that counts as true; the test fails with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        check(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return found
