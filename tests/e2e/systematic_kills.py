#!/usr/bin/python3
"""A kill, and a power cut, at each operation on the version log in turn.

    systematic_kills.py [--all] [--role ROLE] [--seed S] [--jobs N]
    systematic_kills.py --at OPERATION [--lose MODE] [--role ROLE] [--ignore-sync PATTERN]

Both also as scripts/torture --systematic, which builds the programs first.

A run of all roles in one process makes a base and deltas, rolls them up into another base, removes
old versions, and makes a last version. First it is traced (tests/shim/crash_shim.cc) what it does
to the files of its log. Then the run is done again for each of these operations, or without --all
for one of each kind, dies right before it, and in each way of losing what was not synced by then.
What is left must be whole: every version can be read, and none is missing that was said to be
there. Then the run goes on, and in the end the ledger model must have counted every sample at every
key exactly once.

The same is done, for some operations, to one server and to the coordinator of a cluster: there the
others live on. And to all roles in one process that receives samples: there the operations on
the received stream count too. --at repeats one of all these runs. --role: only the runs in which
this process dies (local: all in one; receiver: the same, receiving)."""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import time

from harness import BIN, Cluster, CommandFailed, run
from ledger import LEDGER, ledger_of
from samples import StreamWriter, differing_keys, expected_ledger, make_lines
from versions import manifests
from waiting import Deadline, limit_test, wait_until

SHIM = BIN / "crash_shim.so"
LINES_PER_STEP = 400
MOST_FURTHER_VERSIONS = 5
RUN_LIMIT_S = 80
TELL_EVERY_S = 30
# How what was not synced may be lost, for each role. The names in the log are the business of the
# coordinator; a server's machine can lose but the bytes of its own files.
LOSSES = {"local": ("nothing", "all", "bytes", "zeros", "creations", "renames", "removals"),
          "ps-0": ("nothing", "bytes", "zeros"),
          "coordinator": ("nothing", "all", "bytes", "creations", "renames"),
          "receiver": ("nothing", "bytes", "all")}
# A server makes and writes its parts alone; the coordinator does the rest.
CLUSTER_OPERATIONS = 60
RECEIVER_OPERATIONS = 500


class Died(Exception):
    """The process under the shim has died: as it was to."""


class Kill:
    """Where a run dies, and what is lost."""

    def __init__(self, at="", lose="nothing", role="local", ignore_sync=""):
        self.at = at
        self.lose = lose
        self.role = role
        self.ignore_sync = ignore_sync

    def arguments(self):
        return (["--at", self.at, "--lose", self.lose, "--role", self.role]
                + (["--ignore-sync", self.ignore_sync] if self.ignore_sync else []))

    def environment(self, cluster):
        environment = {"LD_PRELOAD": str(SHIM),
                       "FRESHET_SHIM_DIR": str(cluster.log_dir),
                       "FRESHET_SHIM_TRACE": str(trace_path(cluster)),
                       "FRESHET_SHIM_DIE_AT": self.at,
                       "FRESHET_SHIM_LOSE": self.lose,
                       "FRESHET_SHIM_IGNORE_SYNC": self.ignore_sync}
        # A program with a sanitizer does not like to be second; that is no matter here.
        environment["ASAN_OPTIONS"] = ":".join(
            filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        return environment


# ---- what the shim wrote down

def trace_path(cluster):
    return cluster.folder / "operations"


def read_trace(cluster):
    """[(times, operation, path)] in their order, and the one that it died of, or None."""
    operations, died = [], None
    try:
        lines = trace_path(cluster).read_text().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        if line.startswith("died\t"):
            died = tuple(line.split("\t")[2:])
        else:
            operations.append(tuple(line.split("\t")[1:]))
    return operations, died


def kind_of_file(path):
    """The path with a letter for each number, as in N/part-N-N.safetensors."""
    return re.sub(r"\d+", "N", path)


# ---- all roles in one process

class LocalRun:
    """One run of freshet-local, up to its end or to its death."""

    def __init__(self, cluster, kill):
        self.cluster = cluster
        self.writer = StreamWriter(cluster.stream)
        self.lines = make_lines(10**9, seed=5, users=60, items=30)
        self.acknowledged = 0  # the newest version that was said to be there
        self.steps = {}  # name -> how many operations had been done before it
        with open(cluster.folder / "local.log", "wb") as log:
            self.process = subprocess.Popen(
                [BIN / "freshet-local", "--config", cluster.config, "--until-finished"],
                stdout=log, stderr=log, env={**os.environ, **kill.environment(cluster)})

    def play(self):
        """Every step, unless it dies."""
        try:
            for name, act in (("base", self.cut), ("delta", self.cut), ("delta 2", self.cut),
                              ("compaction", self.compact), ("delta 3", self.cut),
                              ("collection", self.collect), ("delta 4", self.finish)):
                if act == self.cut:
                    self.feed()
                self.steps[name] = len(read_trace(self.cluster)[0])
                act()
        except Died:
            pass
        finally:
            self.process.kill()
            self.process.wait()

    def feed(self):
        self.writer.append(next(self.lines) for _ in range(LINES_PER_STEP))
        self.wait(lambda s: s["samples"] == self.writer.lines, f"{self.writer.lines} samples")

    def cut(self):
        self.ask("cut")
        self.acknowledged = self.wait(lambda s: s["version"] > self.acknowledged,
                                      "another version")["version"]

    def compact(self):
        """Until the deltas have been rolled up, which happens by itself."""
        folder = self.cluster.log_dir / f"{self.acknowledged:012d}"
        self.wait(lambda _: (folder / "base.json").exists()
                  and not (folder / "base.progress").exists(), "a base of the deltas", 50)

    def collect(self):
        """Until there was something to remove; a few further versions may be what it takes."""
        for _ in range(MOST_FURTHER_VERSIONS):
            self.ask("versions", "gc")
            if any(path.endswith("/manifest.retired")
                   for _, _, path in read_trace(self.cluster)[0]):
                return
            self.feed()
            self.cut()

    def finish(self):
        self.writer.append(next(self.lines) for _ in range(LINES_PER_STEP))
        self.writer.finish()
        wait_until(lambda: self.process.poll() is not None, "the end", 20)
        if self.process.returncode != 0:
            raise Died

    def ask(self, *command):
        answer = self.cluster.freshetctl(*command, check=False)
        if answer.returncode != 0:
            # It may still be busy dying.
            wait_until(lambda: self.process.poll() is not None,
                       f"{command}: {answer.stdout}{answer.stderr}", 5)
            raise Died

    def wait(self, condition, what, limit_s=20):
        def seen():
            if self.process.poll() is not None:
                raise Died
            status = self.cluster.status()
            return status if status is not None and condition(status) else None
        return wait_until(seen, what, limit_s, 0.03)


def local_cluster():
    # Cuts are made when they are asked for, so that two runs do the same operations.
    return Cluster(LEDGER, "training: {batch_size: 64}", serving=0, owner_threads=1,
                   cut_every="10m", base_every=3,
                   coordinator="keep_versions: 2\n  keep_for: 0s")


def last_samples(printed):
    """How many samples had been scored, by the last line of progress."""
    return int(([0] + re.findall(r" samples=(\d+) ", printed))[-1])


def count_operations():
    """[(step, times, operation, path)] of a run that nothing happens to."""
    with local_cluster() as cluster:
        local = LocalRun(cluster, Kill())
        local.play()
        operations, _ = read_trace(cluster)
        log = (cluster.folder / "local.log").read_text()
        problem = (judge_disk(cluster, local.acknowledged)
                   or judge_end(cluster, local.writer.lines, last_samples(log)))
        if problem or local.process.returncode != 0:
            raise CommandFailed(f"a run without a kill failed: {problem}\n{log}")
    steps = sorted(local.steps.items(), key=lambda step: step[1])
    return [([name for name, before in steps if before <= number][-1], *operation)
            for number, operation in enumerate(operations)]


def run_local(kill):
    """(what it died of, what is wrong: empty if nothing is). What is done in the background may
    be done less often in this run: then it does not die, which is no fault of its own."""
    with local_cluster() as cluster:
        local = LocalRun(cluster, kill)
        local.play()
        _, died = read_trace(cluster)
        if died is None and local.process.returncode != 0:
            log = (cluster.folder / "local.log").read_text()
            return None, f"it ended with {local.process.returncode}: {log}"
        problem = judge_disk(cluster, local.acknowledged)
        if problem:
            return died, "after the kill " + problem
        local.writer.finish()
        done = run(BIN / "freshet-local", "--config", cluster.config, "--until-finished",
                   limit_s=40)
        return died, (judge_disk(cluster, local.acknowledged)
                      or judge_end(cluster, local.writer.lines, last_samples(done.stdout)))


# ---- all roles in one process, receiving

def run_receiving(kill):
    """The power goes while a log is received, and versions are made of what has just arrived."""
    with Cluster(LEDGER, "training: {batch_size: 64, max_batch_wait: 5ms}", workers=1, serving=0,
                 owner_threads=1, cut_every="20ms",
                 receive="{from: log, log: clicks.log, segment_bytes: 100KiB}") as cluster:
        # The log and the stream are on one disk, that of the shim.
        disk = cluster.folder / "disk"
        disk.mkdir()
        for path, name in ((cluster.config, "log_dir: "), (cluster.folder / "job.yaml", "path: ")):
            path.write_text(path.read_text().replace(name, f"{name}disk/", 1))
        cluster.log_dir, cluster.stream = disk / "log", disk / "stream"
        command = [BIN / "freshet-local", "--config", cluster.config]
        environment = {**os.environ, **kill.environment(cluster), "FRESHET_SHIM_DIR": str(disk)}
        clicks = cluster.folder / "clicks.log"
        lines = make_lines(10**9, seed=7, users=60, items=30)
        with open(cluster.folder / "local.log", "wb") as output, \
                open(clicks, "ab", buffering=0) as file, \
                subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
            def dead():
                file.write("".join(next(lines) for _ in range(20)).encode())
                return process.poll() is not None
            try:
                wait_until(dead, "the death of the receiver", 30, 0.003)
            finally:
                process.kill()
        _, died = read_trace(cluster)
        problem = judge_disk(cluster, 0)
        if problem:
            return died, "after the kill " + problem
        sent = clicks.read_bytes()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            try:
                samples = cluster.wait(lambda s: s["samples"] >= sent.count(b"\n"),
                                       "all samples", 20)["samples"]
            finally:
                process.terminate()
        received = b"".join(path.read_bytes() for path in sorted(cluster.stream.glob("[0-9]*")))
        if received != sent:
            return died, f"{len(received)} bytes were received, {len(sent)} were sent"
        return died, judge_end(cluster, sent.count(b"\n"), samples, "[0-9]*")


# ---- one process of a cluster

def run_in_cluster(kill):
    with Cluster(LEDGER, "training: {batch_size: 64, rpc_timeout: 300ms}", serving=0,
                 owner_threads=1, cut_every="100ms", base_every=4, max_delay="0.1",
                 coordinator="keep_versions: 2\n  keep_for: 0s") as cluster:
        writer = StreamWriter(cluster.stream)
        lines = make_lines(10**9, seed=6, users=60, items=30)
        for name in cluster.names:  # the coordinator is the first
            with Environment(kill.environment(cluster) if name == kill.role else {}):
                cluster.start(name)
        acknowledged = 0

        def dead():
            nonlocal acknowledged
            writer.append(next(lines) for _ in range(50))
            status = cluster.status()
            acknowledged = max(acknowledged, status["version"] if status else 0)
            return read_trace(cluster)[1]
        died = wait_until(dead, f"the death of {kill.role}", 30, 0.02)
        writer.append(next(lines) for _ in range(200))
        writer.finish()
        samples = cluster.wait_finished()["samples"]
        cluster.stop()  # or it might be removing old versions while they are looked at
        return died, (judge_disk(cluster, acknowledged)
                      or judge_end(cluster, writer.lines, samples))


class Environment:
    """with Environment(variables): what is started meanwhile has them."""

    def __init__(self, variables):
        self.variables = variables

    def __enter__(self):
        self.before = dict(os.environ)
        os.environ.update(self.variables)

    def __exit__(self, *_error):
        os.environ.clear()
        os.environ.update(self.before)


# ---- the verdict

def judge_disk(cluster, acknowledged):
    """What is wrong with the log as it lies there; empty if nothing is."""
    if not cluster.log_dir.exists():
        return f"version {acknowledged} is gone, with the log" if acknowledged else ""
    verified = cluster.freshetctl("versions", "verify", "--all", check=False)
    if verified.returncode != 0:
        return f"a version is damaged: {verified.stdout}{verified.stderr}"
    newest = max(manifests(cluster), default=0)
    if newest < acknowledged:
        return f"version {acknowledged} is gone, the newest is {newest}"
    return ""


def judge_end(cluster, lines, samples, names="*.csv"):
    """What is wrong with a run that has ended."""
    wrong = differing_keys(ledger_of(cluster), expected_ledger(cluster.stream, names=names))
    if wrong:
        return f"{len(wrong)} keys differ: {list(wrong.items())[:3]}"
    if samples != lines:
        return f"{samples} samples were scored, {lines} are there"
    left = [folder.name for folder in cluster.log_dir.iterdir()
            if not (folder / "manifest.json").exists()]
    return f"left in the log: {left}" if left else ""


# ---- many runs

def names_of(operations):
    """[(step, kind, name)], where a name is the same operation in another run as well: the so many
    of its kind."""
    times = collections.Counter()
    names = []
    for step, _, operation, path in operations:
        kind = f"{operation} {kind_of_file(path)}"
        times[kind] += 1
        names.append((step.split()[0], kind, f"{times[kind]} {kind}"))
    return names


def one_of_each_kind(operations, chance):
    """The name of one operation of each kind in bases, deltas, compactions and collections."""
    kinds = collections.defaultdict(list)
    for step, kind, name in names_of(operations):
        kinds[step, kind].append(name)
    return [chance.choice(names) for names in kinds.values()]


def plan(operations, chance, everything):
    """The runs to do."""
    if everything:
        kills = [Kill(name, lose) for lose in LOSSES["local"]
                 for _step, _kind, name in names_of(operations)]
        kills += [Kill(str(number), lose, role) for role in ("ps-0", "coordinator")
                  for lose in LOSSES[role] for number in range(1, CLUSTER_OPERATIONS + 1)]
        return kills + [Kill(str(number), lose, "receiver") for lose in LOSSES["receiver"]
                        for number in range(1, RECEIVER_OPERATIONS + 1)]
    kills = [Kill(operation, lose) for operation in one_of_each_kind(operations, chance)
             for lose in ("nothing", chance.choice(LOSSES["local"][1:]))]
    # The long ones first.
    return ([Kill(str(chance.randint(1, CLUSTER_OPERATIONS)), lose, role)
             for role in ("ps-0", "coordinator") for lose in LOSSES[role][:2]]
            + [Kill(str(chance.randint(100, RECEIVER_OPERATIONS)), lose, "receiver")
               for lose in ("bytes", "bytes", "all")] + kills)


def without_syncs(operations):
    """Kills after a sync that was left out: each must leave a damage that is seen."""
    first, second = "000000000001", "000000000002"
    made_second = f"1 make_directory {second}"  # right after the first was committed
    retired = next(path.split("/")[0] for _, _, operation, path in operations
                   if operation == "rename" and path.endswith("/manifest.retired"))
    synced = [times for _, times, operation, path in operations
              if (operation, path) == ("sync_directory", retired)][-1]
    removed = [path for _, _, operation, path in operations
               if operation == "remove" and path.startswith(retired)
               and not path.endswith("manifest.retired")]
    return [Kill(made_second, "bytes", ignore_sync="* sync */part-*"),
            Kill(made_second, "zeros", ignore_sync="* sync */part-*"),
            Kill(made_second, "bytes", ignore_sync="* sync */manifest.json.tmp"),
            Kill(made_second, "all", ignore_sync="* sync_directory .."),
            Kill(made_second, "creations", ignore_sync="* sync_directory ."),
            Kill(f"2 sync_directory {first}", "creations",
                 ignore_sync=f"1 sync_directory {first}"),
            Kill(made_second, "renames", ignore_sync=f"2 sync_directory {first}"),
            Kill(f"1 remove {removed[-1]}", "renames",
                 ignore_sync=f"{synced} sync_directory {retired}")]


def repeat_command(kill):
    return shlex.join(["tests/e2e/systematic_kills.py", *kill.arguments()])


def run_apart(kill):
    """One run in a process of its own: (what it died of, what is wrong)."""
    try:
        done = subprocess.run([sys.executable, __file__, *kill.arguments()], text=True,
                              capture_output=True, timeout=RUN_LIMIT_S + 40, check=False)
    except subprocess.TimeoutExpired as error:
        return "", str(error)
    died = re.search(r"(?m)^died before \d+ (.*)$", done.stdout)
    return died[1] if died else "", "" if done.returncode == 0 else done.stdout + done.stderr


def run_all(kills, jobs, report=lambda line: print(line, file=sys.stderr, flush=True)):
    """What failed: [(kill, what is wrong)]; and how often it died of what."""
    failures = []
    deaths = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        told = time.monotonic()
        for done, (kill, (died, problem)) in enumerate(zip(kills, pool.map(run_apart, kills)), 1):
            deaths[kill.role, kill.lose, kind_of_file(died or "nothing")] += 1
            if time.monotonic() - told > TELL_EVERY_S:
                told = time.monotonic()
                report(f"{done} of {len(kills)} runs, {len(failures)} failed")
            if problem:
                failures.append((kill, problem))
                report(f"FAILED at {kill.at} ({died}), losing {kill.lose}, in {kill.role}: "
                       f"{problem}\n  again: {repeat_command(kill)}")
    return failures, deaths


def print_table(deaths, file=sys.stderr):
    """How often each operation was the last, by what was lost."""
    losses = [lose for lose in LOSSES["local"] if any(key[1] == lose for key in deaths)]
    print(f"{'DIED BEFORE':<44}" + "".join(f"{lose:>10}" for lose in losses), file=file)
    for role, operation in sorted({(role, operation) for role, _, operation in deaths},
                                  key=lambda row: (row[0] != "local", row)):
        counts = "".join(f"{deaths[role, lose, operation]:>10}" for lose in losses)
        print(f"{role + ' ' + operation:<44}{counts}", file=file)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every operation, not one of a kind")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    parser.add_argument("--jobs", type=int, default=max(2, os.cpu_count() or 2))
    parser.add_argument("--at", help='one run: the number of the operation, or '
                        '"TIMES OPERATION PATH"')
    parser.add_argument("--lose", default="nothing", choices=LOSSES["local"])
    parser.add_argument("--role", choices=LOSSES)
    parser.add_argument("--ignore-sync", default="",
                        help='no such sync is done, as in "* sync */part-*"')
    options = parser.parse_args()
    if options.at is not None:
        limit_test(RUN_LIMIT_S)
        kill = Kill(options.at, options.lose, options.role or "local", options.ignore_sync)
        try:
            runs = {"local": run_local, "receiver": run_receiving}
            died, problem = runs.get(kill.role, run_in_cluster)(kill)
        except (Deadline, CommandFailed) as error:
            died, problem = None, str(error)
        print(f"died before {' '.join(died or ('nothing',))}\n{problem or 'exact'}")
        sys.exit(1 if problem else 0)
    begin = time.monotonic()
    operations = count_operations()
    print(f"seed {options.seed}: {len(operations)} operations", file=sys.stderr)
    kills = [kill for kill in plan(operations, random.Random(options.seed), options.all)
             if kill.role == (options.role or kill.role)]
    for kill in kills:
        kill.ignore_sync = options.ignore_sync
    failures, deaths = run_all(kills, options.jobs)
    print_table(deaths, sys.stdout)
    print(f"{len(kills)} runs in {time.monotonic() - begin:.0f} s, {len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
