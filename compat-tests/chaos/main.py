#!/usr/bin/env python3
"""make chaos: a cluster of real processes under faults drawn from a seed.

    compat-tests/chaos/main.py --minutes 30 --seed 7
    compat-tests/chaos/main.py --faults power_loss torn_tail --minutes 5
    compat-tests/chaos/main.py --broker kafka
    compat-tests/chaos/main.py --separate          three controllers and three brokers

The seed decides which faults happen in which order to whom; the moments are the machine's, so a run is like another one
of its seed, not equal to it. The summary stands in build/chaos/.
"""

import argparse
import pathlib
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from chaos import faults  # noqa: E402
from chaos.session import Session  # noqa: E402
from harness.broker import KINDS  # noqa: E402
from harness.case import Case  # noqa: E402
from harness.outcome import NOT_RUN_EXIT_CODE, NotRun  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--faults", nargs="+", choices=sorted(faults.ALL), default=list(faults.ALL), metavar="FAULT")
    parser.add_argument("--broker", choices=sorted(KINDS), default="barnabas")
    parser.add_argument("--separate", action="store_true", help="brokers and controllers are nodes of their own")
    parser.add_argument("--keep", action="store_true", help="keep what the nodes said")
    given = parser.parse_args()
    print(f"chaos: seed {given.seed}, {given.minutes:g} minutes, {given.broker}", flush=True)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-chaos-"))
    try:
        Session(Case(given.broker, True, scratch), given.seed, given.faults, given.minutes, given.separate).run()
    except NotRun as reason:
        print(f"not run: {reason}", flush=True)
        return NOT_RUN_EXIT_CODE
    except AssertionError as failure:
        print(f"failed with seed {given.seed}: {failure}\nfiles are kept in {scratch}", flush=True)
        return 1
    if given.keep:
        print(f"files are kept in {scratch}", flush=True)
    else:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
