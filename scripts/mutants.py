#!/usr/bin/env python3
"""Plants the bugs of scripts/mutants.toml one at a time and shows that each is found.

    scripts/mutants.py                   each mutant with what is listed for it: a seed or a unit test
    scripts/mutants.py --find SEEDS      looks for the first seed up to SEEDS that finds it, and prints it
    scripts/mutants.py --only TEXT...    only mutants whose names, files or tests contain one of the TEXTs
    scripts/mutants.py --mode cluster    only those of this mode

A mutant is found by the simulation (`seed = 7`), of quorums alone (raft) or where it says so (`mode = "cluster"`,
"coordinators") of whole clusters, or by one unit test (`test = "LIBRARY: its name"`: mode test). The tree is copied
to build/mutants, and only the programs that are needed are built there; the tree itself is not touched. Without a
planted bug every seed and test that is listed must pass. The last line counts: 'N killed, N survived'. The exit code
is 0 only if none survived.
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
PROGRAMS = COPY / "build" / "release" / "bin"
SIMULATION = "barnabas_simulation"
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


def mode_of(mutant):
    return "test" if "test" in mutant else mutant.get("mode", "raft")


def program_of(mutant):
    """What is built and run to find it."""
    return f"barnabas_{library_and_test(mutant)[0]}_test" if "test" in mutant else SIMULATION


def library_and_test(mutant):
    library, _, test = mutant["test"].partition(": ")
    return library, test


def build(program):
    if not (COPY / "build" / "release" / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "release"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)
    return subprocess.run(["cmake", "--build", "--preset", "release", "--target", program], cwd=COPY,
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
    try:
        run = subprocess.run([PROGRAMS / SIMULATION, "--" + mode_of(mutant), "--stop", "--first-seed", str(first),
                              "--seeds", str(seeds)],
                             capture_output=True, text=True, errors="replace", timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    if run.returncode == 0:
        return None
    found = re.search(r"^seed (\d+)(?: failed (.*))?", run.stdout + run.stderr, re.M)
    return (int(found[1]), found[2] or "a CHECK stopped it") if found else (first, "no word")


def failing_test(mutant):
    """What the unit test says when it fails, or None. Without such a test it ends the script."""
    name = library_and_test(mutant)[1]
    pattern = re.sub(r"([,\[\\])", r"\\\1", name)  # which mean something to Catch2
    try:
        run = subprocess.run([PROGRAMS / program_of(mutant), pattern], capture_output=True, text=True,
                             timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return f"'{name}' does not end"
    if "No test cases matched" in run.stdout + run.stderr:
        sys.exit(f"{mutant['name']}: there is no test '{name}'")
    if run.returncode == 0:
        return None
    found = re.search(r"^(\S+:\d+): (?:FAILED|fatal)", run.stdout + run.stderr, re.M)
    return f"'{name}'{' at ' + found[1] if found else ''}"


def finding(mutant, find=None):
    """What finds the bug that is planted now, or None."""
    if "test" in mutant:
        return failing_test(mutant)
    first, seeds = (1, find) if find else (mutant["seed"], 1)
    found = failing_seed(mutant, first, seeds)
    return found and f"seed {found[0]}: {found[1]}"


def plant(mutant, find):
    """True if it is found."""
    path = COPY / mutant["file"]
    original = path.read_text()
    path.write_text(mutated(original, mutant))
    try:
        built = build(program_of(mutant))
        if built.returncode != 0:
            print(f"BROKEN    {mutant['name']}: it does not compile\n{built.stdout[-1500:]}", flush=True)
            return False
        found = finding(mutant, find)
    finally:
        path.write_text(original)
    if found is None:
        print(f"SURVIVED  {mutant['name']}", flush=True)
        return False
    print(f"killed    {mutant['name']}\n          by {found[:140]}", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--find", type=int, metavar="SEEDS")
    parser.add_argument("--only", metavar="TEXT", nargs="+", default=[""])
    parser.add_argument("--mode", choices=["raft", "cluster", "coordinators", "test"])
    arguments = parser.parse_args()
    mutants = tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text())["mutant"]
    chosen = [mutant for mutant in mutants if arguments.mode in (None, mode_of(mutant))
              and any(text in part for text in arguments.only
                      for part in (mutant["name"], mutant["file"], mutant.get("test", "")))]
    copy_tree()
    programs = sorted({program_of(mutant) for mutant in chosen})
    for program in programs:
        built = build(program)
        if built.returncode != 0:
            sys.exit("the tree does not build:\n" + built.stdout[-3000:])
    for mutant in chosen:
        mutated((COPY / mutant["file"]).read_text(), mutant)
        found = None if arguments.find and "seed" in mutant else finding(mutant)
        if found:
            sys.exit(f"{mutant['name']}: {found} fails without any planted bug")
    killed = sum(plant(mutant, arguments.find) for mutant in chosen)
    for program in programs:
        build(program)
    print(f"{killed} killed, {len(chosen) - killed} survived")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
