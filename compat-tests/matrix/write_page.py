#!/usr/bin/env python3
"""Writes the client matrix into docs/compatibility.md from the results of full runs:

    compat-tests/run.py --full --broker kafka matrix_java ...    and --broker kafka-3.9.1 matrix_java
    compat-tests/run.py --full matrix_java ...
    compat-tests/matrix/write_page.py

Ends with 1 if a client has not been run in full against both brokers; its row says so.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from matrix.orchestra.page import write_page  # noqa: E402

if __name__ == "__main__":
    missing = write_page()
    print("not run in full against both: " + ", ".join(missing) if missing else "every client was run in full against both")
    sys.exit(1 if missing else 0)
