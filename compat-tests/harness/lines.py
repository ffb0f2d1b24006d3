"""Deterministic lines to send through a broker, and comparing what came out."""

import hashlib

from .outcome import check

WORDS = ("castle village snow lantern messenger sledge inn assistant letter surveyor barmaid bridge clerk file "
         "corridor superintendent schoolhouse telephone landlady winter").split()


def line(number):
    """Line `number`: unique, ordered by its first field, about 100 bytes, never twice the same words."""
    digest = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=24).digest()
    words = " ".join(WORDS[byte % len(WORDS)] for byte in digest[:8])
    return f"{number:09d} {digest.hex()[:24]} {words}"


def write_lines(path, count):
    """Writes lines 0 to count - 1 to a file."""
    with open(path, "w") as file:
        for first in range(0, count, 10000):
            file.write("".join(line(number) + "\n" for number in range(first, min(first + 10000, count))))


def check_same_lines(got_path, expected_path, what, skip=0, count=None):
    """Every line of one file equals its counterpart in the other (from line `skip` on, `count` lines)."""
    with open(got_path) as got, open(expected_path) as expected:
        for _ in range(skip):
            next(expected)
        number = 0
        for number, got_line in enumerate(got, 1):
            expected_line = next(expected, None)
            if got_line != expected_line:  # Of millions of lines no sentences are made.
                check(expected_line is not None, f"{what}: {number} lines and more, that is too many")
                check(False, f"{what}: line {number} is {got_line!r}, not {expected_line!r}")
        if count is None:
            check(next(expected, None) is None, f"{what}: only {number} lines")
        else:
            check(number == count, f"{what}: {number} lines, not {count}")
