#!/usr/bin/python3
"""A base model that another job trained offline is taken in: training goes on from where that job
was, serving stays with the old line until the new one has caught up, and nothing is lost or counted
twice, whoever is killed meanwhile."""

import json
import pathlib
import random
import shutil
import time
import unittest

from harness import BIN, Cluster, run
from ledger import LEDGER, ledger_of
from samples import FORMAT, StreamWriter, differing_keys, expected_ledger, make_lines
from versions import flip_bit, manifests
from waiting import limit_test

FM = """
model: {kind: fm, factors: 4, optimizer: {kind: adagrad, learning_rate: 0.05}}
"""


class OfflineJob:
    """Trains what its folder holds, and publishes a base at the end, in a log of its own."""

    def __init__(self, folder, model):
        self.folder = pathlib.Path(folder)
        self.stream = self.folder / "stream"
        self.log_dir = self.folder / "log"
        self.stream.mkdir(parents=True)
        (self.folder / "job.yaml").write_text(
            f"stream: {{path: stream, suffix: .csv}}\n{FORMAT}{model}\n")
        (self.folder / "cluster.yaml").write_text("""
cluster: {run_dir: run, log_dir: log, partitions: 64}
coordinator: {final_base: true, cut_every: 100ms}
ps: {count: 3}
worker: {count: 1, job: job.yaml}
serving: {count: 0}
""")

    def train(self):
        run(BIN / "freshet-local", "--config", self.folder / "cluster.yaml", "--until-finished")

    def copy_stream(self, stream, change=lambda line: line):
        """What the stream holds now, each line changed; lengths must stay."""
        for path in stream.glob("part-*.csv"):
            with open(path, "rb") as lines, open(self.stream / path.name, "wb") as out:
                out.writelines(change(line) for line in lines)


def renamed(line):
    """The same sample of a user that the online stream never had: to tell the lines apart."""
    return b"v" + line[1:]


class CalibrationTest(unittest.TestCase):
    def events(self, cluster, kind):
        printed = cluster.freshetctl("events", "--json", "--kind", kind).stdout
        return [json.loads(line) for line in printed.splitlines()]

    def begin(self, cluster, seed, samples, **stream):
        """Trains so many samples of a new stream, and has a version: its writer, and more lines."""
        writer = StreamWriter(cluster.stream, **stream)
        lines = make_lines(10**9, seed=seed, users=400, items=150)
        writer.append(next(lines) for _ in range(samples))
        cluster.start()
        cluster.wait(lambda s: s["samples"] == samples and s["version"] > 0, f"{samples} samples")
        return writer, lines

    def wait_event(self, cluster, kind, grow=lambda: None):
        def there(_status):
            grow()
            return self.events(cluster, kind)
        cluster.wait(there, f"an event {kind}")
        return self.events(cluster, kind)[-1]

    def test_a_base_replaces_the_model_exactly_whoever_is_killed(self):
        chance = random.Random(11)
        with Cluster(LEDGER, "training: {batch_size: 128, rpc_timeout: 500ms}",
                     coordinator="calibration: {log_dir: daily/log, every: 100ms}") as cluster:
            job = OfflineJob(cluster.folder / "daily", LEDGER)
            writer, lines = self.begin(cluster, 11, 3000)
            job.copy_stream(cluster.stream, renamed)
            first_part = {path.name: path.stat().st_size for path in job.stream.iterdir()}
            writer.append(next(lines) for _ in range(20000))
            cluster.wait(lambda s: s["samples"] > 20000, "much more")
            job.train()
            for name in ("ps-0", "coordinator", "worker-1", "ps-1", "worker-0"):
                time.sleep(chance.uniform(0, 0.4))
                cluster.kill(name)
                writer.append(next(lines) for _ in range(200))

            def grow():
                writer.append(next(lines) for _ in range(50))
            taken = self.wait_event(cluster, "base_taken_in", grow)
            self.wait_event(cluster, "base_caught_up", grow)
            writer.finish()
            cluster.wait_finished()
            self.assertEqual(len(self.events(cluster, "base_taken_in")), 1)

            # What the other job had read, it had read changed; all behind that is the stream's.
            mixed = cluster.folder / "mixed"
            mixed.mkdir()
            for path in cluster.stream.glob("part-*.csv"):
                size = first_part[path.name]
                (mixed / path.name).write_bytes((job.stream / path.name).read_bytes()
                                                + path.read_bytes()[size:])
            wrong = differing_keys(ledger_of(cluster), expected_ledger(mixed))
            self.assertEqual(dict(list(wrong.items())[:5]), {})
            log = manifests(cluster)
            first = log[taken["version"]]
            self.assertEqual(first["kind"], "BASE")
            self.assertTrue(first["base_intake"]["catching_up"])

    def test_serving_stays_with_the_old_line_until_the_new_one_has_caught_up(self):
        with Cluster(LEDGER, "training: {batch_size: 16}", cut_every="50ms",
                     coordinator="calibration: {log_dir: daily/log, every: 100ms}") as cluster:
            job = OfflineJob(cluster.folder / "daily", LEDGER)
            writer, lines = self.begin(cluster, 12, 500)
            job.copy_stream(cluster.stream)
            writer.append(next(lines) for _ in range(60000))
            cluster.wait(lambda s: s["samples"] == 60500, "60500 samples")
            job.train()
            taken = self.wait_event(cluster, "base_taken_in")
            caught_up = self.wait_event(cluster, "base_caught_up")
            cluster.wait(lambda s: s["served_version"] >= caught_up["version"], "serving to switch")
            served = [event["version"] for event in self.events(cluster, "served")]
            between = [version for version in served
                       if taken["version"] <= version < caught_up["version"]]
            self.assertEqual(between, [])
            self.assertGreater(caught_up["version"], taken["version"])
            # Going back to before the base does not bring it back.
            cluster.freshetctl("rollback", taken["version"] - 1)
            cluster.wait(lambda s: s["samples"] == 60500, "all samples again")
            time.sleep(0.5)
            self.assertEqual(len(self.events(cluster, "base_taken_in")), 1)
            wrong = differing_keys(ledger_of(cluster), expected_ledger(cluster.stream))
            self.assertEqual(wrong, {})

    def test_a_base_is_blended_into_the_model(self):
        with Cluster(FM, "training: {batch_size: 64, consistency: bsp}", workers=1, serving=0,
                     coordinator="calibration: {log_dir: daily/log, every: 100ms, "
                                 "base_weight: 0.25}\n"
                                 "  keep_versions: 0") as cluster:
            job = OfflineJob(cluster.folder / "daily", FM)
            writer, _ = self.begin(cluster, 13, 2048, partitions=1)
            self.assertEqual(cluster.status()["samples"], 2048)
            job.copy_stream(cluster.stream, renamed)
            cluster.freshetctl("cut")
            job.train()
            taken = self.wait_event(cluster, "base_taken_in")
            writer.finish()
            cluster.wait_finished()
            manifest = manifests(cluster)[taken["version"]]
            ours = values_of(cluster.log_dir, int(manifest["base_intake"]["online_version"]))
            base = values_of(job.log_dir, None)
            blended = values_of(cluster.log_dir, taken["version"])
            self.assertEqual(blended.keys(), ours.keys() | base.keys())
            self.assertTrue(ours.keys() & base.keys())
            self.assertTrue(base.keys() - ours.keys())
            for key, values in blended.items():
                expected = ours.get(key, base.get(key))
                if key in ours and key in base:
                    expected = [0.75 * a + 0.25 * b for a, b in zip(ours[key], base[key])]
                for got, wanted in zip(values, expected):
                    self.assertAlmostEqual(got, wanted, delta=1e-6)
            last = manifests(cluster)[max(manifests(cluster))]
            self.assertEqual(int(last["metrics"]["total_samples"]), 2048)

    def test_a_base_from_further_on_than_the_stream_is_refused(self):
        with Cluster(LEDGER, "training: {batch_size: 64, rpc_timeout: 500ms}", serving=0,
                     coordinator="calibration: {log_dir: daily/log, every: 100ms}") as cluster:
            job = OfflineJob(cluster.folder / "daily", LEDGER)
            writer, lines = self.begin(cluster, 15, 1000)
            job.copy_stream(cluster.stream)
            with open(job.stream / "part-0.csv", "a", encoding="ascii") as file:
                file.writelines(next(lines) for _ in range(5000))
            job.train()
            refused = self.wait_event(cluster, "base_refused")
            self.assertIn("but training stands at byte", refused["text"])
            self.assertEqual(self.events(cluster, "base_taken_in"), [])
            writer.append(next(lines) for _ in range(1000))
            writer.finish()
            cluster.wait_finished()
            wrong = differing_keys(ledger_of(cluster), expected_ledger(cluster.stream))
            self.assertEqual(wrong, {})

    def test_a_base_that_is_damaged_or_worse_is_refused(self):
        held_out = "evaluation: {held_out: {path: held-out.csv, every: 5}}"
        with Cluster(FM + held_out, "training: {batch_size: 64}", serving=0,
                     coordinator="calibration: {log_dir: daily/log, every: 100ms, "
                                 "max_log_loss_rise: 0.001}") as cluster:
            lines = make_lines(10**9, seed=14, users=100, items=50)
            held = "".join(next(lines) for _ in range(500))
            (cluster.folder / "held-out.csv").write_text(held)
            job = OfflineJob(cluster.folder / "daily", FM + held_out)
            (job.folder / "held-out.csv").write_text(held)
            writer = StreamWriter(cluster.stream)
            writer.append(next(lines) for _ in range(20000))
            cluster.start()
            cluster.wait(lambda s: s["samples"] == 20000 and s["version"] > 0, "20000 samples")
            # A model of a few samples.
            for path in cluster.stream.glob("part-*.csv"):
                with open(path, "rb") as source, open(job.stream / path.name, "wb") as out:
                    out.writelines(source.readline() for _ in range(400))
            job.train()
            refused = self.wait_event(cluster, "base_refused")
            self.assertIn("held-out samples", refused["text"])
            # Another one, with a bit flipped.
            shutil.rmtree(job.log_dir)
            job.copy_stream(cluster.stream)
            hidden = job.log_dir.with_name("log-before-the-flip")
            (job.folder / "cluster.yaml").write_text(
                (job.folder / "cluster.yaml").read_text().replace("log_dir: log,",
                                                                  f"log_dir: {hidden.name},"))
            job.train()
            newest = max(hidden.glob("*/manifest.json")).parent
            flip_bit(max(newest.glob("part-*"), key=lambda path: path.stat().st_size), -100)
            hidden.rename(job.log_dir)
            cluster.wait(lambda _: len(self.events(cluster, "base_refused")) == 2, "the other one")
            self.assertIn("part-", self.events(cluster, "base_refused")[1]["text"])
            self.assertEqual(self.events(cluster, "base_taken_in"), [])
            writer.append(next(lines) for _ in range(1000))
            cluster.wait(lambda s: s["samples"] == 21000, "training to go on")


def values_of(log_dir, version):
    """key -> values of the fm's rows in a version; the newest if None."""
    arguments = [] if version is None else [version]
    printed = run(BIN / "freshetctl", "dump", "--log-dir", log_dir, "--variable", "factors",
                  *arguments).stdout
    values = {}
    for line in printed.splitlines():
        if not line.startswith("#"):
            key, *fields = line.split()
            values[key] = [float.fromhex(field) for field in fields[:5]]
    return values


if __name__ == "__main__":
    limit_test(200)
    unittest.main(verbosity=2)
