#!/usr/bin/python3
"""Torture: clusters of chance, to which everything is done that can happen to one.

    torture.py [--minutes N | --rounds N] [--seed S] [--mutant NAME]

A round draws a cluster (servers, workers, owner threads, tiers, consistency, cadence, retention)
and feeds it a stream. Meanwhile processes are killed with SIGKILL, stopped and let go on, the
coordinator dies between any two steps of a cut, a rollback or a removal, messages of sessions that
are over arrive, versions are rolled back to, pinned, damaged, and disks (of the log, and of rows on
disk; as root only) are full for a while. In the end the ledger model must have counted every sample
of the stream at every key exactly once, and so must the evaluation have. Some rounds have a model
that learns in place of it, in numbers of 32, 16 or 8 bits: then every bit must be that of a run to
which nothing happens (learner.py). Prints a table of what was done, and what was lost.

A round follows from its seed, but for the times at which processes run."""

import argparse
import collections
import contextlib
import os
import random
import signal
import sys
import time

import xxhash

import late_messages
from harness import Cluster, CommandFailed
from learner import Learner
from ledger import LEDGER, ledger_of
from samples import (SLOTS, StreamWriter, differing_keys, expected_ledger, make_lines,
                     wide_lines)
from small_disk import SmallDisk
from versions import DAMAGES, manifests, part_paths
from waiting import Deadline

CRASH_POINTS = ("after_epoch", "after_restore", "after_hold", "after_pause", "after_cut",
                "after_resume", "before_manifest", "after_manifest", "before_rollback_manifest",
                "after_rollback_manifest", "before_retire", "after_retire", "after_remove",
                "compaction_part", "before_base_manifest", "after_base_manifest")
LINES_PER_TICK = 300
DISK_MB = 256
TICK_S = 0.04
FINISH_LIMIT_S = 90
VERSIONS_BETWEEN_DAMAGES = 6
# More than a worker pushes in a round's session: so what comes late has every sequence, also those
# that the session of today comes to next.
LATE_PUSHES = 5000


class Ledger:
    """The model that counts."""

    variable = "ledger"

    def __str__(self):
        return "ledger"

    def model(self):
        return LEDGER

    def training(self):
        return ""

    def coordinator(self):
        return ""

    def judge(self, cluster, _status, _batch_size, _limit_s):
        wrong = differing_keys(ledger_of(cluster), expected_ledger(cluster.stream))
        if not wrong:
            return ""
        lost = sum((expected or (0, 0))[0] > (found or (0, 0))[0]
                   for found, expected in wrong.values())
        return f"{len(wrong)} keys differ ({lost} lost, {len(wrong) - lost} doubled or other)"


class Shape:
    """What a round's cluster is."""

    def __init__(self, chance):
        self.servers = chance.randint(1, 4)
        self.workers = chance.randint(1, 4)
        self.owner_threads = chance.randint(1, 2)
        self.tiers = chance.random() < 0.3
        self.consistency = chance.choice(("asp", "asp", "bsp", "ssp"))
        self.staleness = chance.randint(0, 3)
        self.batches_ahead = chance.choice((0, 0, 2, 5))
        self.compress = chance.choice(("none", "none", "lz4", "zstd"))
        self.batch_size = chance.choice((16, 64, 128))
        self.cut_every_ms = chance.choice((60, 150, 400))
        self.base_every = chance.choice((3, 8, 30))
        self.log_compress = chance.choice(("none", "none", "zstd"))
        self.keep_versions = chance.choice((8, 15, 100))
        # The coordinator dies each so many times that it gets to a point.
        self.crash_at = chance.choice(CRASH_POINTS) if chance.random() < 0.5 else ""
        self.crash_every = chance.randint(2, 9)
        self.actions = chance.randint(5, 9)
        self.small_disk = chance.random() < 0.3
        # A worker that has several goes from one to the next, with some samples of each in hand,
        # and all the longer if it waits for a whole batch.
        self.partitions = max(2, self.workers) + chance.choice((0, 1, 3, 6))
        self.batch_wait_ms = chance.choice((20, 300))
        self.model = Ledger()
        if chance.random() < 0.3:
            self.model = Learner(chance)
            self.consistency = "bsp"  # the only one in which a run can be compared with another

    def __str__(self):
        consistency = (f"{self.consistency} {self.staleness}" if self.consistency == "ssp"
                       else self.consistency)
        return (f"{self.model}, {self.servers} ps x {self.owner_threads}, "
                f"{self.workers} workers, {self.partitions} partitions, {consistency}, "
                f"{'dram_ssd' if self.tiers else 'dram'}, batch {self.batch_size} "
                f"within {self.batch_wait_ms}ms, "
                f"{self.batches_ahead} ahead, compress {self.compress}, cut every "
                f"{self.cut_every_ms}ms, base every {self.base_every}, "
                f"log compress {self.log_compress}, keeps {self.keep_versions}"
                + (", small disk" if self.small_disk else "")
                + (f", coordinator dies at {self.crash_at}:{self.crash_every}"
                   if self.crash_at else ""))

    def cluster(self):
        staleness = f"staleness: {self.staleness}, " if self.consistency == "ssp" else ""
        return Cluster(
            self.model.model(),
            f"training: {{batch_size: {self.batch_size}, consistency: {self.consistency}, "
            f"max_batch_wait: {self.batch_wait_ms}ms, "
            f"{staleness}rpc_timeout: 300ms, batches_ahead: {self.batches_ahead}, "
            f"message_compress: {self.compress}{self.model.training()}}}",
            ps=self.servers, workers=self.workers, owner_threads=self.owner_threads,
            cut_every=f"{self.cut_every_ms}ms", base_every=self.base_every, max_delay="0.1",
            coordinator=f"keep_versions: {self.keep_versions}\n  keep_for: 0s\n  "
                        f"compress: {self.log_compress}{self.model.coordinator()}",
            storage="{type: dram_ssd, dram_bytes: 4MiB, path: cold}" if self.tiers
            else "{type: dram}")


class Round:
    def __init__(self, seed, mutant=""):
        self.seed = seed
        self.mutant = mutant
        self.chance = random.Random(seed)
        self.shape = Shape(self.chance)
        self.feeding = random.Random(seed)  # of its own: it is asked as often as time allows
        self.done = collections.Counter()
        self.stopped = {}  # pid -> name
        self.damaged = 0  # the newest version that was
        self.disks = []  # that may be filled

    def run(self):
        """What went wrong, in words; empty if nothing did."""
        with self.environment(), self.shape.cluster() as cluster, \
                contextlib.ExitStack() as disks:
            self.cluster = cluster
            if self.shape.small_disk:
                folders = [cluster.log_dir]
                if self.shape.tiers:
                    folders.append(cluster.folder / "cold")
                made = [disks.enter_context(SmallDisk(folder, DISK_MB)) for folder in folders]
                self.disks = [disk for disk in made if disk.there]
            self.writer = StreamWriter(cluster.stream, self.shape.partitions)
            self.lines = (wide_lines(self.seed) if self.shape.tiers else
                          make_lines(10**9, seed=self.seed, users=400, items=150))
            # In bsp a worker waits for a whole batch of each partition.
            first = 1000 + 2 * self.shape.batch_size * self.shape.partitions
            self.writer.append(next(self.lines) for _ in range(first))
            self.start()
            try:
                self.wait(lambda s: s["version"] > 0, "a first version")
                for _ in range(self.shape.actions):
                    self.feed_for(self.chance.uniform(0.2, 1.5))
                    self.act()
                self.go_on()
                self.feed_for(0.5)
                self.writer.finish()
                status = cluster.wait_finished(FINISH_LIMIT_S)
                return self.judge(status)
            except (Deadline, CommandFailed) as error:
                return f"{error}"
            finally:
                self.go_on()

    @contextlib.contextmanager
    def environment(self):
        if self.mutant:
            os.environ["FRESHET_MUTANT"] = self.mutant
        try:
            yield
        finally:
            os.environ.pop("FRESHET_MUTANT", None)

    def start(self):
        if self.shape.crash_at:
            os.environ["FRESHET_CRASH_AT"] = f"{self.shape.crash_at}:{self.shape.crash_every}"
        try:
            self.cluster.start("coordinator")
        finally:
            os.environ.pop("FRESHET_CRASH_AT", None)
        self.cluster.start(*[name for name in self.cluster.names if name != "coordinator"])

    def wait(self, condition, what):
        return self.cluster.wait(condition, what, FINISH_LIMIT_S)

    def feed_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            partitions = range(self.shape.partitions)
            self.writer.append((next(self.lines) for _ in range(self.lines_per_tick())),
                               self.feeding.sample(partitions, max(1, len(partitions) // 2)))
            time.sleep(TICK_S)

    def lines_per_tick(self):
        return LINES_PER_TICK * (2 if self.shape.tiers else 1)

    # ---- what is done to the cluster

    def act(self):
        action, weight = zip(*((self.kill, 8), (self.kill_many, 2), (self.stop, 3),
                               (self.roll_back, 3), (self.pin, 1), (self.damage, 5),
                               (self.say_late, 2),
                               (self.fill_disk, 6 if self.disks else 0)))
        self.chance.choices(action, weight)[0]()

    def kill(self, name=None):
        name = name or self.chance.choice(self.cluster.names)
        if self.cluster.kill(name):
            self.done["kill " + name.split("-")[0]] += 1

    def kill_many(self):
        for name in self.chance.sample(self.cluster.names,
                                       self.chance.randint(2, len(self.cluster.names))):
            self.kill(name)

    def stop(self):
        """SIGSTOP, for longer than the cluster waits, or not; it comes back with what it knew."""
        name = self.chance.choice(self.cluster.names)
        pid = self.cluster.pid(name)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.stopped[pid] = name
            self.done["stop " + name.split("-")[0]] += 1
            self.feed_for(self.chance.choice((0.3, 1.5, 2.5)))
        self.go_on()

    def go_on(self):
        for pid in list(self.stopped):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            del self.stopped[pid]

    def roll_back(self):
        versions = sorted(manifests(self.cluster))
        if not versions:
            return
        target = self.chance.choice(versions[-6:])
        answer = self.cluster.freshetctl("rollback", target, check=False)
        # Refused if the version has just gone, or the coordinator died of it: both may be.
        self.done["rollback" if answer.returncode == 0 else "rollback refused"] += 1

    def pin(self):
        versions = sorted(manifests(self.cluster))
        if versions:
            answer = self.cluster.freshetctl("versions", "pin", self.chance.choice(versions),
                                             check=False)
            self.done["pin" if answer.returncode == 0 else "pin refused"] += 1

    def damage(self):
        """A file of the newest version is damaged, and the server whose it is has to read it."""
        newest = max(manifests(self.cluster), default=0)
        # Not several in a row: there might be none left to go back to.
        if newest < self.damaged + VERSIONS_BETWEEN_DAMAGES:
            return
        manifest = self.cluster.log_dir / f"{newest:012d}" / "manifest.json"
        parts = part_paths(self.cluster, newest)
        file = self.chance.choice(parts) if parts and self.chance.random() < 0.8 else manifest
        damage = self.chance.choice(DAMAGES)
        with contextlib.suppress(FileNotFoundError):  # it has just been removed
            content = file.read_bytes()
            damaged = damage(content, self.chance)
            if damaged == content:
                return
            file.write_bytes(damaged)
            self.damaged = newest
            self.done[f"{'manifest' if file == manifest else 'part'} {damage.__name__}"] += 1
            # part-SERVER-...
            server = (self.chance.randrange(self.shape.servers) if file == manifest
                      else file.name.split("-")[1])
            self.kill(f"ps-{server}")

    def say_late(self):
        """What a worker, or a coordinator, of the session before said arrives now."""
        status = self.cluster.status()
        if status is None or status["epoch"] == 0:  # a coordinator that has just been started
            return
        before = status["epoch"] - 1
        if self.chance.random() < 0.5:
            worker = self.chance.randrange(self.shape.workers)
            messages = [late_messages.push(before, worker, sequence)
                        for sequence in range(1, LATE_PUSHES + 1)]
        else:
            keys = [xxhash.xxh3_64_intdigest(f"{slot[0]}{number}",
                                             seed=xxhash.xxh3_64_intdigest(slot))
                    for slot in SLOTS for number in range(1, 100)]
            messages = [late_messages.delete(before, self.shape.model.variable, keys)]
        for name in (f"ps-{server}" for server in range(self.shape.servers)):
            with contextlib.suppress(OSError):  # it has just died
                # Its port may be that of another test by now.
                if self.cluster.address(name, "pid") == str(self.cluster.pid(name)):
                    codes = late_messages.send(self.cluster.address(name, "rpc"), messages)
                    self.done["late messages refused"] += codes.get(late_messages.ABORTED, 0)

    def fill_disk(self):
        """Of the log or of the rows on disk; somebody may die meanwhile."""
        disk = self.chance.choice(self.disks)
        with disk.full() as fill:
            self.done[f"{disk.folder.name} disk full"] += 1
            for _ in range(self.chance.randint(2, 6)):
                self.feed_for(0.2)
                fill()
            if self.chance.random() < 0.3:
                self.kill()

    # ---- the verdict

    def judge(self, status):
        if self.shape.crash_at:
            self.done[f"died at {self.shape.crash_at}"] += self.crashes()
        problem = self.shape.model.judge(self.cluster, status, self.shape.batch_size,
                                         FINISH_LIMIT_S)
        if problem:
            return problem
        if status["samples"] != self.writer.lines:
            return f"{status['samples']} samples were scored, {self.writer.lines} are there"
        self.done["samples"] += self.writer.lines
        self.done["epochs"] += status["epoch"]
        return ""

    def crashes(self):
        """How often the supervisor started the coordinator again, kills by the round left aside."""
        restarts = int((self.cluster.run_dir / "coordinator.state").read_text().split()[2])
        return max(0, restarts - self.done["kill coordinator"])


def torture(minutes, rounds, seed, mutant):
    """Runs rounds: how many failed. Stops at the first failure if there is a mutant."""
    chance = random.Random(seed)
    end = time.monotonic() + minutes * 60
    total = collections.Counter()
    failures = []
    number = 0
    while (number < rounds) if rounds else (time.monotonic() < end):
        number += 1
        round_seed = chance.randrange(10**9)
        one = Round(round_seed, mutant)
        problem = one.run()
        total += one.done
        what = ", ".join(f"{count} {name}" for name, count in sorted(one.done.items()))
        print(f"round {number} seed {round_seed}: {one.shape}\n  {what}\n  "
              f"{'FAILED: ' + problem if problem else 'exact'}", file=sys.stderr, flush=True)
        if problem:
            failures.append((round_seed, problem))
            if mutant:
                break
    print_table(total, number, failures)
    return len(failures)


def print_table(total, rounds, failures):
    print(f"\n{'WHAT':<34}{'TIMES':>10}")
    for name, count in sorted(total.items()):
        print(f"{name:<34}{count:>10,}")
    kills = sum(count for name, count in total.items() if name.startswith(("kill", "died")))
    print(f"{'rounds':<34}{rounds:>10,}\n{'processes killed, all in all':<34}{kills:>10,}\n"
          f"{'rounds that lost or doubled':<34}{len(failures):>10,}")
    for seed, problem in failures:
        print(f"  --seed-of-round {seed}: {problem}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    parser.add_argument("--seed-of-round", type=int, help="one round again")
    parser.add_argument("--mutant", default="")
    options = parser.parse_args()
    if options.seed_of_round is not None:
        problem = Round(options.seed_of_round, options.mutant).run()
        print(problem or "exact")
        sys.exit(1 if problem else 0)
    print(f"seed {options.seed}", file=sys.stderr)
    sys.exit(1 if torture(options.minutes, options.rounds, options.seed, options.mutant) else 0)


if __name__ == "__main__":
    main()
