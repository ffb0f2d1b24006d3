#!/usr/bin/env python3
"""Checks that the tree keeps its shape: layers, sizes, names, the coroutine trap, the path budget.

Usage: structure_test.py [ROOT]. Prints each violation and 'N passed, N failed'; the exit code is 1 when one failed.
The allowed edges and the ratchets are in scripts/layers.toml: a ratchet entry only ever shrinks or goes.
"""
import pathlib
import re
import sys
import tomllib

WARN_FILE_LINES = 500
MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 70
MAX_LINE_COLUMNS = 110
MAX_WALK_UNITS = 12
MAX_WALK_LINES = 3600
FORBIDDEN_NAME_PARTS = {"util", "utils", "helper", "helpers", "common", "misc", "manager2"}
SKIPPED_FOLDERS = {"build", ".git", "node_modules", "target", "data", "__pycache__"}

# g++ 12 destroys an aggregate or a capturing lambda twice that is made within an awaited expression.
COROUTINE_TRAP = re.compile(r"co_await\b[^;]*?(?:[(,]\s*[A-Za-z_:<>]*\s*\{|\[[^\]]+\]\s*[({])")
# A pointer that a call returns dies before the loop's first round (until P2718, which g++ 12 does not have).
LOOP_OVER_TEMPORARY = re.compile(r"\bfor \([^;\n]* : [^;\n]*\w\([^()\n]*\)->\w+\)")
COROUTINE_BINDING = re.compile(r"auto\s*&{0,2}\s*\[[^\]]*\]\s*=\s*co_await\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
NOT_A_FUNCTION = re.compile(r"^\s*(namespace\b|extern\b|(?:typedef\s+)?(?:enum|struct|class|union)\b|template\s*<[^{}]*>\s*(?:struct|class)\b)")


def source_files(root):
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.suffix in (".cpp", ".hpp") and not SKIPPED_FOLDERS & set(relative.parts):
            yield relative


def blank(text):
    """The text with comments and literals replaced by spaces; lines stay where they are."""
    pattern = re.compile(r'R"([^\s()\\]{0,16})\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
                         r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'", re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def layer_of(relative):
    """'base', 'log', ...; inside broker also 'broker/api', and the files in broker itself are 'broker/node'."""
    parts = relative.parts
    if parts[0] != "broker":
        return parts[0]
    return f"broker/{parts[1]}" if len(parts) > 2 else "broker/node"


class Report:
    def __init__(self):
        self.passed, self.failed, self.failures, self.notes = 0, 0, [], []

    def check(self, name, violations):
        if violations:
            self.failed += 1
            self.failures += [f"{name}: {text}" for text in violations]
        else:
            self.passed += 1


def check_layers(root, files, layers, report):
    allowed = {(e["from"], e["to"]): e for e in layers.get("edge", [])}
    used, violations = set(), []
    for relative in files:
        for include in INCLUDE.findall((root / relative).read_text()):
            if "/" not in include:
                continue
            edge = (layer_of(relative), layer_of(pathlib.PurePosixPath(include)))
            if edge[0] == edge[1]:
                continue
            used.add(edge)
            if edge not in allowed:
                violations.append(f"{relative} includes {include}: {edge[0]} -> {edge[1]} is not an allowed edge")
    unused = []
    for edge, entry in allowed.items():
        if edge in used:
            if entry.get("pending"):
                report.notes.append(f"edge {edge[0]} -> {edge[1]} is used now: drop its `pending`")
        elif entry.get("pending"):
            report.notes.append(f"pending edge nobody uses yet: {edge[0]} -> {edge[1]}")
        else:
            unused.append(f"{edge[0]} -> {edge[1]} is listed and nobody uses it")
    report.check("layer edges", violations)
    report.check("unused edges", unused)
    report.check("cycles", find_cycles(used - {(a, b) for a, b in used if (a, b) not in allowed}))


def find_cycles(edges):
    cycles = []
    for start in sorted({a for a, _ in edges}):
        reached, frontier = set(), [start]
        while frontier:
            here = frontier.pop()
            for a, b in edges:
                if a == here and b not in reached:
                    reached.add(b)
                    frontier.append(b)
        if start in reached:
            cycles.append(f"{start} reaches itself over includes")
    return cycles


def check_ratchet(kind, sizes, limit, ratchet, report, hard_limit=None):
    """`ratchet` holds what was too large when the rule came: it may not grow, and must go once it fits."""
    violations = []
    for name, lines in sizes.items():
        if hard_limit and lines > hard_limit:
            violations.append(f"{name} has {lines} lines, {hard_limit} is the end")
        elif lines > ratchet.get(name, limit):
            violations.append(f"{name} has {lines} lines, the limit is {ratchet.get(name, limit)}")
    for name, allowed in ratchet.items():
        if sizes.get(name, 0) <= limit:
            violations.append(f"{name} fits or is gone: take it off the ratchet list")
        elif sizes[name] < allowed:
            report.notes.append(f"{kind} {name} shrank to {sizes[name]}: lower its ratchet from {allowed}")
    report.check(kind, violations)


def functions_of(text):
    """(name, lines) of each function body: the outermost braces below namespaces and types."""
    clean = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()), blank(text), flags=re.M)
    stack, found, head = [], [], 0
    for position, char in enumerate(clean):
        if char == "{":
            lead = clean[head:position].strip()
            inside_function = any(kind == "function" for kind, _, _ in stack)
            is_function = (not inside_function and "(" in lead and not NOT_A_FUNCTION.match(lead)
                           and not re.search(r"=\s*$", lead))
            name = re.findall(r"([A-Za-z_~][\w:~]*)\s*\(", lead)
            stack.append(("function" if is_function else "other", name[0] if name else "", position))
            head = position + 1
        elif char == "}" and stack:
            kind, name, start = stack.pop()
            if kind == "function":
                found.append((name, clean.count("\n", start, position) + 1))
            head = position + 1
        elif char == ";":
            head = position + 1
    return found


def check_sizes(root, files, layers, report):
    file_lines, function_lines, wide = {}, {}, []
    for relative in files:
        text = (root / relative).read_text()
        lines = text.splitlines()
        file_lines[str(relative)] = len(lines)
        wide += [f"{relative}:{number} has {len(line)} columns" for number, line in enumerate(lines, 1)
                 if len(line) > MAX_LINE_COLUMNS and not INCLUDE.match(line)]
        for name, count in functions_of(text):
            if count > MAX_FUNCTION_LINES:
                key = f"{relative}:{name}"
                function_lines[key] = max(count, function_lines.get(key, 0))
    for name, count in file_lines.items():
        if WARN_FILE_LINES < count <= MAX_FILE_LINES and name not in layers.get("file_lines", {}):
            report.notes.append(f"{name} has {count} lines: more than {WARN_FILE_LINES}, and on no ratchet list")
    ratchet = layers.get("file_lines", {})
    unlisted = {n: c for n, c in file_lines.items() if n in ratchet or c > MAX_FILE_LINES}
    check_ratchet("file size", unlisted, WARN_FILE_LINES, ratchet, report, MAX_FILE_LINES)
    check_ratchet("function length", function_lines, MAX_FUNCTION_LINES, layers.get("function_lines", {}), report)
    report.check("line length", wide)


def check_coroutines(root, files, report):
    violations = []
    for relative in files:
        clean = blank((root / relative).read_text())
        for pattern, what in ((COROUTINE_TRAP, "braces or a capturing lambda within co_await"),
                              (COROUTINE_BINDING, "a structured binding of co_await")):
            for match in pattern.finditer(clean):
                violations.append(f"{relative}:{clean.count(chr(10), 0, match.start()) + 1}: {what}")
    report.check("coroutine trap", violations)


def check_loops(root, files, report):
    violations = []
    for relative in files:
        clean = blank((root / relative).read_text())
        violations += [f"{relative}:{clean.count(chr(10), 0, match.start()) + 1}: a loop over a member of a temporary"
                       for match in LOOP_OVER_TEMPORARY.finditer(clean)]
    report.check("loops over temporaries", violations)


def check_names(files, report):
    violations = [f"{relative}: say what it is for instead of '{part}'" for relative in files
                  for piece in relative.parts for part in re.split(r"[._-]", piece) if part in FORBIDDEN_NAME_PARTS]
    report.check("file names", violations)


def walks_of(text):
    """Heading -> [(path, [function])]; only headings with at least one `- path.cpp: f, g` line are walks."""
    walks, heading = {}, ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
        unit = re.match(r"-\s+`?([\w./-]+\.[ch]pp)`?\s*:\s*(.+)$", line)
        if unit:
            names = [re.sub(r"[`\s.]|\(\)", "", name) for name in unit.group(2).split(",")]
            walks.setdefault(heading, []).append((unit.group(1), [name for name in names if name]))
    return walks


def check_walks(root, report):
    document = root / "docs" / "architecture.md"
    if not document.exists():
        report.notes.append("path budget skipped: docs/architecture.md does not exist yet")
        return
    walks = walks_of(document.read_text())
    violations = [f"no walk for a {wanted} is listed" for wanted in ("produce", "fetch", "join")
                  if not any(wanted in heading.lower() for heading in walks)]
    for heading, units in walks.items():
        lines = 0
        paths = {path for path, _ in units}
        for path, names in units:
            file = root / path
            if not file.exists():
                violations.append(f"{heading}: {path} does not exist")
                continue
            text = blank(file.read_text())
            violations += [f"{heading}: {path} has no function {name}" for name in names
                           if not re.search(rf"\b{re.escape(name.split('::')[-1])}\s*\(", text)]
        for path in paths:
            lines += len((root / path).read_text().splitlines()) if (root / path).exists() else 0
        if len(paths) > MAX_WALK_UNITS:
            violations.append(f"{heading} crosses {len(paths)} units, the budget is {MAX_WALK_UNITS}")
        if lines > MAX_WALK_LINES:
            violations.append(f"{heading} crosses {lines} lines, the budget is {MAX_WALK_LINES}")
        report.notes.append(f"walk {heading}: {len(paths)} units, {lines} lines")
    report.check("path budget", violations)


def run(root):
    report = Report()
    layers = tomllib.loads((root / "scripts" / "layers.toml").read_text())
    files = list(source_files(root))
    check_layers(root, files, layers, report)
    check_sizes(root, files, layers, report)
    check_coroutines(root, files, report)
    check_loops(root, files, report)
    check_names(files, report)
    check_walks(root, report)
    return report


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    report = run(root)
    for note in report.notes:
        print(f"note: {note}")
    for failure in report.failures:
        print(f"FAILED {failure}")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
