#!/usr/bin/python3
"""Checks what no compiler does about the files of this repository.

    layout_test.py REPOSITORY BUILD_DIRECTORY

Prints each finding as path:line: what is wrong, and exits with 1 if there is any.
"""

import json
import os
import re
import subprocess
import sys

COLUMNS = 100
CODE = (".h", ".cc", ".py", ".proto", ".cmake", "CMakeLists.txt")
# Built only with the presets fuzz and tsan, or where a benchmark's peers are installed.
NOT_IN_EVERY_BUILD = ("tests/fuzz/", "cmake/", "perf/")
# Written in two halves, so that this file does not find itself.
MARKERS = [re.compile(r"\b(" + "|".join(["TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK"]) + r")\b"),
           re.compile(r"\bNO" r"COMMIT\b"),
           re.compile(r"^(<{7}|={7}|>{7})( |$)"),
           re.compile(r"@[A-Z][A-Z0-9_]+@")]
MACHINE_PATHS = re.compile(r"(?<![\w.}$])/(ro" r"ot|ho" r"me|wo" r"rk|Us" r"ers)/")


class Findings:
    def __init__(self):
        self.count = 0

    def add(self, path, line, message):
        self.count += 1
        print(f"{path}:{line}: {message}")


def tracked_files(repository):
    """Files that belong to the repository, those not yet added included."""
    answer = subprocess.run(
        ["git", "-C", repository, "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True)
    if answer.returncode == 0:
        names = answer.stdout.split("\n")
    else:  # an archive without .git
        names = []
        for directory, folders, files in os.walk(repository):
            folders[:] = [f for f in folders if f not in ("build", "run", "__pycache__")]
            names += [os.path.relpath(os.path.join(directory, f), repository) for f in files]
    return sorted(n for n in set(names) if n and os.path.isfile(os.path.join(repository, n)))


def read_text(repository, path):
    """The file's lines; none for one that is not text."""
    with open(os.path.join(repository, path), "rb") as file:
        content = file.read()
    if b"\0" in content[:4096]:
        return []
    return content.decode("utf-8", errors="replace").split("\n")


def read_folder_table(repository):
    """Folder -> folders it may include, None for any: the table of docs/architecture.md."""
    rows = []
    for line in read_text(repository, "docs/architecture.md"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            folders = [f.rstrip("/") for f in re.findall(r"`([^`]+)`", cells[0])]
            rows.append((folders, cells[1], cells[2]))
    roles = {f for folders, holds, _ in rows if "one role each" in holds for f in folders}
    table = {}
    for folders, _, includes in rows:
        for folder in folders:
            allowed = set(re.findall(r"`([^`]+)`", includes)) | {folder}
            if "the roles" in includes:
                allowed |= roles | {"common", "proto"}
            table[folder] = None if includes == "anything" else allowed
    return table


def check_includes(repository, files, findings):
    table = read_folder_table(repository)
    if len(table) < 8:
        findings.add("docs/architecture.md", 1, "the table of folders could not be read")
        return
    present = set(files)
    for path in files:
        if not path.endswith((".h", ".cc")):
            continue
        folder = path.split("/")[0]
        if folder == "cmake":
            continue
        if folder not in table:
            findings.add(path, 1, f"folder {folder}/ is not in the table of docs/architecture.md")
            continue
        check_includes_of(repository, path, table[folder], present, findings)


def check_includes_of(repository, path, allowed, present, findings):
    lines = read_text(repository, path)
    own_header = path[:-3] + ".h" if path.endswith(".cc") else ""
    first = True
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#include ([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        kind, name = match.groups()
        if first and own_header in present and name != own_header:
            findings.add(path, number, f'a .cc includes its own header first: "{own_header}"')
        first = False
        if kind == "<" or name.endswith(".inc") or "/" not in name:
            continue
        if name.split("/")[0] == "absl":
            continue
        source = name.replace(".pb.h", ".proto")
        if source not in present:
            findings.add(path, number, f'"{name}" is no file of ours: paths begin at the root')
        elif allowed is not None and name.split("/")[0] not in allowed:
            findings.add(path, number,
                         f'{path.split("/")[0]}/ must not include {name.split("/")[0]}/ '
                         f"(the table in docs/architecture.md): {name}")
    if path.endswith(".h") and "#pragma once" not in lines:
        findings.add(path, 1, "a header begins with #pragma once")


def check_built(repository, build, files, findings):
    """Every source is compiled by a target, and every header and script is used by somebody."""
    commands = os.path.join(build, "compile_commands.json")
    with open(commands, encoding="utf-8") as file:
        compiled = {os.path.relpath(os.path.realpath(os.path.join(c["directory"], c["file"])),
                                    os.path.realpath(repository)) for c in json.load(file)}
    used = set()
    cmake = ""
    for path in files:
        text = "\n".join(read_text(repository, path))
        if path.endswith((".h", ".cc")):
            used |= set(re.findall(r'#include "([^"]+)"', text))
        if path.endswith(("CMakeLists.txt", ".cmake")):
            cmake += text
    for path in files:
        name = os.path.basename(path)
        if path.startswith(NOT_IN_EVERY_BUILD):
            continue
        if path.endswith(".cc") and path not in compiled:
            findings.add(path, 1, "no target compiles this file")
        if path.endswith(".h") and path not in used:
            findings.add(path, 1, "nobody includes this header")
        if path.endswith(".proto") and name[:-len(".proto")] not in cmake:
            findings.add(path, 1, "no target generates code from this file")


def check_lines(repository, files, findings):
    for path in files:
        is_script = path.startswith(("scripts/", ".ci/")) or re.search(r"(^|/)run$", path)
        is_code = path.endswith(CODE) or is_script
        if not (is_code or path.endswith((".md", ".yaml", ".json"))) or path.startswith("data/"):
            continue
        for number, line in enumerate(read_text(repository, path), 1):
            if is_code and len(line) > COLUMNS:
                findings.add(path, number, f"{len(line)} columns; at most {COLUMNS}")
            for marker in MARKERS:
                if marker.search(line):
                    findings.add(path, number, f"a marker was left: {line.strip()[:60]}")
            if MACHINE_PATHS.search(line):
                findings.add(path, number, f"a path of one machine: {line.strip()[:60]}")


def check_links(repository, files, findings):
    """Relative links of the documentation lead to files that are there."""
    for path in files:
        if not path.endswith(".md"):
            continue
        for number, line in enumerate(read_text(repository, path), 1):
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                there = os.path.join(repository, os.path.dirname(path), target)
                if not os.path.exists(there):
                    findings.add(path, number, f"the link leads nowhere: {target}")


def check_metrics(repository, files, findings):
    """Every metric that a role registers has a line in docs/metrics.md."""
    documented = "".join(read_text(repository, "docs/metrics.md"))
    for path in files:
        if not path.endswith("metrics.cc"):
            continue
        for number, line in enumerate(read_text(repository, path), 1):
            for name in re.findall(r'"(freshet_[a-z]+_[a-z_]+)"', line):
                if f"`{name}`" not in documented:
                    findings.add(path, number, f"docs/metrics.md does not tell of {name}")


def main():
    repository, build = sys.argv[1], sys.argv[2]
    files = tracked_files(repository)
    findings = Findings()
    check_includes(repository, files, findings)
    check_built(repository, build, files, findings)
    check_lines(repository, files, findings)
    check_links(repository, files, findings)
    check_metrics(repository, files, findings)
    print(f"{len(files)} files, {findings.count} findings")
    return 1 if findings.count else 0


if __name__ == "__main__":
    sys.exit(main())
