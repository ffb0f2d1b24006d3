#!/usr/bin/env python3
"""Plants the bugs of scripts/mutants.toml one at a time and shows that the simulation finds each: that of quorums alone
(raft), or where the bug says so (mode = "cluster") that of whole clusters.

    scripts/mutants.py                   each mutant with the seed that is listed for it
    scripts/mutants.py --find SEEDS      looks for the first seed up to SEEDS that finds it, and prints it
    scripts/mutants.py --only TEXT...    only mutants whose names contain one of the TEXTs
    scripts/mutants.py --mode cluster    only those of this mode

The tree is copied to build/mutants, and only the simulation is built there; the tree itself is not touched. Without
a planted bug all listed seeds must pass. The last line counts: 'N killed, N survived'. The exit code is 0 only if
none survived.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "mutants"
PROGRAM = COPY / "build" / "release" / "bin" / "barnabas_simulation"
RUN_SECONDS = 400


def copy_tree():
    """Copies what git knows of and differs, so that only what changed is built again."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, listed):
        source, target = ROOT / name, COPY / name
        if not source.is_file():
            continue
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def build():
    if not (COPY / "build" / "release" / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "release"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)
    return subprocess.run(["cmake", "--build", "--preset", "release", "--target", "barnabas_simulation"], cwd=COPY,
                          capture_output=True, text=True)


def mutated(text, mutant):
    """The text with the bug in it; layout does not matter."""
    pattern = r"\s*".join(re.escape(word) for word in re.findall(r"\w+|[^\w\s]", mutant["old"]))
    found = list(re.finditer(pattern, text))
    if len(found) != 1:
        sys.exit(f"{mutant['name']}: {mutant['file']} has its place {len(found)} times, not once")
    return text[:found[0].start()] + mutant["new"] + text[found[0].end():]


def failing_seed(mutant, first, seeds):
    """The first seed that fails and what it says, or None."""
    mode = "--" + mutant.get("mode", "raft")
    try:
        run = subprocess.run([PROGRAM, mode, "--stop", "--first-seed", str(first), "--seeds", str(seeds)],
                             capture_output=True, text=True, errors="replace", timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    if run.returncode == 0:
        return None
    found = re.search(r"^seed (\d+)(?: failed (.*))?", run.stdout + run.stderr, re.M)
    return (int(found[1]), found[2] or "a CHECK stopped it") if found else (first, "no word")


def plant(mutant, find):
    """True if the simulation finds it."""
    path = COPY / mutant["file"]
    original = path.read_text()
    path.write_text(mutated(original, mutant))
    try:
        built = build()
        if built.returncode != 0:
            print(f"BROKEN    {mutant['name']}: it does not compile\n{built.stdout[-1500:]}")
            return False
        first, seeds = (1, find) if find else (mutant["seed"], 1)
        found = failing_seed(mutant, first, seeds)
    finally:
        path.write_text(original)
    if found is None:
        print(f"SURVIVED  {mutant['name']}", flush=True)
        return False
    print(f"killed    {mutant['name']}\n          by seed {found[0]}: {found[1][:140]}", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--find", type=int, metavar="SEEDS")
    parser.add_argument("--only", metavar="TEXT", nargs="+", default=[""])
    parser.add_argument("--mode", choices=["raft", "cluster"])
    arguments = parser.parse_args()
    mutants = tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text())["mutant"]
    chosen = [mutant for mutant in mutants if any(text in mutant["name"] for text in arguments.only)
              and arguments.mode in (None, mutant.get("mode", "raft"))]
    copy_tree()
    built = build()
    if built.returncode != 0:
        sys.exit("the tree does not build:\n" + built.stdout[-3000:])
    if not arguments.find:
        for mutant in chosen:
            if failing_seed(mutant, mutant["seed"], 1):
                sys.exit(f"seed {mutant['seed']} fails without any planted bug")
    killed = sum(plant(mutant, arguments.find) for mutant in chosen)
    build()
    print(f"{killed} killed, {len(chosen) - killed} survived")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
