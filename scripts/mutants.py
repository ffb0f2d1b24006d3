#!/usr/bin/env python3
"""Plants the bugs of scripts/mutants.toml one at a time and shows that each is found.

    scripts/mutants.py                   each mutant with what is listed for it: a seed or a unit test
    scripts/mutants.py --update          and writes the seeds that were found instead of the listed ones into the list
    scripts/mutants.py --find SEEDS      looks for the first seed up to SEEDS that finds it, and prints it
    scripts/mutants.py --only TEXT...    only mutants whose names, files or tests contain one of the TEXTs
    scripts/mutants.py --mode cluster    only those of this mode

A mutant is found by the simulation (`seed = 7`), of quorums alone (raft) or where it says so (`mode = "cluster"`,
"coordinators") of whole clusters, or by one unit test (`test = "LIBRARY: its name"`: mode test). The tree is copied
to build/mutants, and only the programs that are needed are built there; the tree itself is not touched. A seed names
another history whenever what is simulated changes: where the listed one no longer finds its bug, the first seeds
(SEARCHED) are looked through. Without a planted bug every seed and test that found one must pass. The last line
counts: 'N killed, N survived'. The exit code is 0 only if none survived.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "scripts" / "mutants.toml"
COPY = ROOT / "build" / "mutants"
PROGRAMS = COPY / "build" / "release" / "bin"
SIMULATION = "barnabas_simulation"
RUN_SECONDS = 400
SEARCHED = {"raft": 10000, "cluster": 200, "coordinators": 100}  # seeds from 1 on, as many as `make simulate` is run with


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
    """What finds the bug that is planted now, or None: (the seed, if it is one, and a line)."""
    if "test" in mutant:
        found = failing_test(mutant)
        return found and (None, found)
    found = None if find else failing_seed(mutant, mutant["seed"], 1)
    found = found or failing_seed(mutant, 1, find or SEARCHED[mode_of(mutant)])
    return found and (found[0], f"seed {found[0]}: {found[1]}")


def plant(mutant, find):
    """What finds it, as finding() tells it, or None."""
    path = COPY / mutant["file"]
    original = path.read_text()
    path.write_text(mutated(original, mutant))
    try:
        built = build(program_of(mutant))
        if built.returncode != 0:
            print(f"BROKEN    {mutant['name']}: it does not compile\n{built.stdout[-1500:]}", flush=True)
            return None
        found = finding(mutant, find)
    finally:
        path.write_text(original)
    if found is None:
        print(f"SURVIVED  {mutant['name']}", flush=True)
        return None
    print(f"killed    {mutant['name']}\n          by {found[1][:140]}", flush=True)
    return found


def without_bug(mutant, seed):
    """What fails although nothing is planted, or None."""
    found = failing_test(mutant) if "test" in mutant else failing_seed(mutant, seed, 1)
    return found and f"{mutant['name']}: {found} fails without any planted bug"


def update(seeds):
    """Writes {a mutant's name: its seed} into the list."""
    text = LIST.read_text()
    for name, seed in seeds.items():
        place = text.index(f'name = "{name}"')
        text = text[:place] + re.sub(r"^seed = \d+", f"seed = {seed}", text[place:], count=1, flags=re.M)
    LIST.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--find", type=int, metavar="SEEDS")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--only", metavar="TEXT", nargs="+", default=[""])
    parser.add_argument("--mode", choices=["raft", "cluster", "coordinators", "test"])
    arguments = parser.parse_args()
    mutants = tomllib.loads(LIST.read_text())["mutant"]
    chosen = [mutant for mutant in mutants if arguments.mode in (None, mode_of(mutant))
              and any(text in part for text in arguments.only
                      for part in (mutant["name"], mutant["file"], mutant.get("test", "")))]
    copy_tree()
    programs = sorted({program_of(mutant) for mutant in chosen})
    for program in programs:
        built = build(program)
        if built.returncode != 0:
            sys.exit("the tree does not build:\n" + built.stdout[-3000:])
    for mutant in chosen:  # A place or a test that is not there is told before hours have gone by.
        mutated((COPY / mutant["file"]).read_text(), mutant)
        if "test" in mutant and (complaint := without_bug(mutant, None)):
            sys.exit(complaint)
    found = {mutant["name"]: plant(mutant, arguments.find) for mutant in chosen}
    for program in programs:
        build(program)
    seeds = {mutant["name"]: found[mutant["name"]][0] for mutant in chosen
             if "seed" in mutant and found[mutant["name"]]}
    complaints = [without_bug(mutant, seeds[mutant["name"]]) for mutant in chosen if mutant["name"] in seeds]
    if any(complaints):
        sys.exit("\n".join(filter(None, complaints)))
    if arguments.update:
        update(seeds)
    killed = sum(each is not None for each in found.values())
    print(f"{killed} killed, {len(chosen) - killed} survived")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
