#!/usr/bin/python3
"""What a worker config may ask of training, on real processes: bounded staleness, 16 bits on the
wire, transforms of features, negative samples left out, bad records kept."""

import json
import unittest

from harness import Cluster, CommandFailed
from ledger import LEDGER, ledger_of
from samples import StreamWriter, differing_keys, expected_ledger, make_lines
from versions import kind, manifests
from waiting import limit_test

TRANSFORMED = """
format:
  kind: delimited
  delimiter: ","
  columns: [user, item, label, time, tags, price]
  label: {column: label}
  event_time: {column: time, unit: s}
slots:
  - {name: user, side: context}
  - {name: item, side: item}
  - {name: tags, separator: "|", combiner: mean, max_length: 3, default: none, side: item}
  - {name: price, numeric: log, side: item}
  - {name: item_tags, cross: [item, tags], side: item}
"""


def wider(lines):
    """Lines with two columns more, of which the first may be empty."""
    for number, line in enumerate(lines):
        tags = "|".join(f"t{number % 7 + i}" for i in range(number % 5))
        yield f"{line.strip()},{tags},{number % 90}\n"


class TrainingOptionsTest(unittest.TestCase):
    def test_bounded_staleness_counts_every_sample_once_when_workers_die(self):
        training = ("training: {batch_size: 64, consistency: ssp, staleness: 1, rpc_timeout: 500ms,"
                    " message_compress: lz4}")
        with Cluster(LEDGER, training) as cluster:
            writer = StreamWriter(cluster.stream)
            lines = make_lines(10**9, seed=9)
            writer.append(next(lines) for _ in range(3000))
            cluster.start()
            for name in ("worker-0", "ps-1", "worker-1"):
                before = cluster.wait(lambda s: s["version"] > 0, "a version")["version"]
                cluster.kill(name)

                def goes_on(status):
                    writer.append(next(lines) for _ in range(200))
                    return status["version"] > before
                cluster.wait(goes_on, f"training after {name}")
            writer.finish()
            cluster.wait_finished()
            wrong = differing_keys(ledger_of(cluster), expected_ledger(cluster.stream))
            self.assertEqual(wrong, {})
            for worker in ("worker-0", "worker-1"):
                metrics = cluster.http(worker, "/metrics", parse=False)[1]
                self.assertIn("freshet_worker_stale_pulls_total 0", metrics)

    def test_three_passes_learn_every_sample_three_times_when_processes_die(self):
        training = "training: {batch_size: 64, passes: 3, rpc_timeout: 500ms}"
        with Cluster(LEDGER, training, follow=False, coordinator="final_base: true") as cluster:
            writer = StreamWriter(cluster.stream)
            writer.append(make_lines(60_000, seed=12))
            cluster.start()
            for name in ("worker-0", "ps-1", "coordinator"):
                before = cluster.wait(lambda s: s["version"] > 0, "a version")["version"]
                cluster.kill(name)
                cluster.wait(lambda s: s["version"] > before or s["phase"] == "FINISHED",
                             f"training after {name}")
            cluster.wait_finished()
            expected = {key: (3 * count, 3 * ids % 2**64)
                        for key, (count, ids) in expected_ledger(cluster.stream).items()}
            self.assertEqual(differing_keys(ledger_of(cluster), expected), {})
            log = manifests(cluster)
            self.assertEqual(kind(log[max(log)]), "BASE")
            self.check_report(cluster, log)

    def check_report(self, cluster, log):
        """It has a line for each version, and a chart of what could be measured."""
        folder = cluster.run_dir / "report"
        lines = [line.split(",") for line in
                 (folder / "versions.csv").read_text().splitlines()]
        self.assertEqual(lines[0][0], "version")
        self.assertEqual([int(line[0]) for line in lines[1:]], sorted(log))
        self.assertEqual(lines[-1][4], log[max(log)]["metrics"]["total_samples"])
        self.assertIn("<svg", (folder / "log_loss.svg").read_text())

    def test_held_out_samples_are_scored_and_never_learned(self):
        training = ("training: {batch_size: 64}\n"
                    "evaluation: {held_out: {path: held_out.csv, every: 2, max_samples: 900}}")
        with Cluster(LEDGER, training, follow=False, serving=0) as cluster:
            writer = StreamWriter(cluster.stream)
            writer.append(make_lines(20_000, seed=13))
            (cluster.folder / "held_out.csv").write_text("".join(make_lines(1000, seed=14)))
            cluster.start()
            status = cluster.wait_finished()
            self.assertEqual(status["samples"], 20_000)
            self.assertEqual(
                differing_keys(ledger_of(cluster), expected_ledger(cluster.stream)), {})
            log = manifests(cluster)
            [held_out] = log[max(log)]["metrics"]["slices"]
            self.assertEqual(held_out["name"], "held_out")
            # Every second of the 157 or so batches of each worker has one of at most 64 with it.
            self.assertGreater(int(held_out["total_samples"]), 4000)

    def test_early_stopping_goes_back_to_the_best_version_and_learns_no_more(self):
        # The ledger's predictions never change, so the first assessment stays the best.
        training = ("training: {batch_size: 64, passes: 1000, rpc_timeout: 500ms,"
                    " early_stopping: {samples: 2000, patience: 2}}\n"
                    "evaluation: {held_out: {path: held_out.csv, every: 2, max_samples: 900}}")
        with Cluster(LEDGER, training, follow=False, serving=0,
                     coordinator="final_base: true") as cluster:
            StreamWriter(cluster.stream).append(make_lines(20_000, seed=15))
            (cluster.folder / "held_out.csv").write_text("".join(make_lines(1000, seed=16)))
            cluster.start()
            cluster.wait(lambda s: s["version"] > 0, "a version")
            cluster.kill("worker-1")
            cluster.wait_finished()
            log = manifests(cluster)
            last = log[max(log)]
            state = last["early_stopping"]
            self.assertTrue(state["stopped"])
            self.assertEqual(kind(last), "BASE")
            stopped = log[int(last["parent"])]
            self.assertEqual(kind(stopped), "ROLLBACK")
            self.assertEqual(stopped["parent"], state["best_version"])
            self.assertIn("early_stopped", cluster.freshetctl("events").stdout)
            shown = cluster.freshetctl("versions", "show", str(max(log))).stdout
            self.assertIn("training was stopped there", shown)
            self.assertNotIn("positives", shown)
            self.assert_learned_up_to_its_positions(cluster, last)

            # Nothing more is learned, whoever starts anew.
            for name in ("worker-0", "ps-0", "coordinator"):
                epoch = cluster.status()["epoch"]
                cluster.kill(name)
                cluster.wait(lambda s: s["epoch"] > epoch and s["phase"] == "FINISHED",
                             f"the end after {name}")
            log = manifests(cluster)
            self.assert_learned_up_to_its_positions(cluster, log[max(log)])
            self.assertEqual(log[max(log)]["early_stopping"]["best_version"],
                             state["best_version"])

    def assert_learned_up_to_its_positions(self, cluster, manifest):
        """The rows are those of the passes before, and of this one up to the positions."""
        positions = {p["partition"]: p for w in manifest["workers"] for p in w.get("positions", [])}
        expected = {}
        for number in range(max(p.get("pass", 0) for p in positions.values()) + 1):
            def learned(partition, end, _line, number=number):
                position = positions[partition]
                return (number < position.get("pass", 0) or
                        (number == position.get("pass", 0) and
                         end <= int(position.get("offset", 0))))
            for key, (count, ids) in expected_ledger(cluster.stream, learned).items():
                before = expected.get(key, (0, 0))
                expected[key] = (before[0] + count, (before[1] + ids) % 2**64)
        self.assertEqual(differing_keys(ledger_of(cluster), expected), {})

    def test_transforms_wire_sampling_and_dead_letters(self):
        training = ("training: {batch_size: 64, wire: {values: f16, gradients: bf16}, "
                    "message_compress: zstd, "
                    "negative_sampling: 0.5, dead_letters: dead, rpc_timeout: 500ms}")
        model = "model: {kind: fm, factors: 4}"
        with Cluster(model, training, sample_format=TRANSFORMED) as cluster:
            writer = StreamWriter(cluster.stream)
            lines = wider(make_lines(10**9, seed=10, users=300, items=60))
            writer.append(next(lines) for _ in range(6000))
            writer.append(["no sample\n"] * 4)
            cluster.start()
            cluster.wait(lambda s: s["version"] > 0, "a version")
            cluster.kill("worker-0")
            writer.append(next(lines) for _ in range(6000))
            writer.append(["no,sample,x\n"] * 2)
            writer.finish()
            status = cluster.wait_finished()

            letters = [json.loads(line) for path in sorted((cluster.folder / "dead").iterdir())
                       for line in path.read_text().splitlines()]
            self.assertEqual(sorted(letter["record"] for letter in letters),
                             ["no sample"] * 4 + ["no,sample,x"] * 2)
            self.assertEqual(len({(x["partition"], x["offset"]) for x in letters}), 6)
            # Half of those with label 0 were left out, and the predicted rate is still that of all.
            self.assertLess(status["samples"], 10_500)
            self.assertGreater(status["samples"], 7_500)
            self.assertAlmostEqual(status["calibration"], 1.0, delta=0.2)
            self.assertGreater(status["auc"], 0.6)
            cluster.wait(lambda s: s["served_version"] == s["version"], "serving")
            body = {"context": {"user": "u1"},
                    "candidates": [{"item": "i5", "tags": "t1|t2", "price": 3}, {"item": "i5"}]}
            code, answer = cluster.http("serving-0", "/v1/predict", body)
            self.assertEqual(code, 200)
            self.assertNotEqual(*answer["scores"])

    def test_too_many_bad_records_stop_training_and_say_why(self):
        training = "training: {batch_size: 64, max_bad_share: 0.1}"
        with Cluster(LEDGER, training, serving=0, workers=1) as cluster:
            writer = StreamWriter(cluster.stream)
            writer.append(make_lines(3000, seed=11))
            cluster.start()
            writer.append(["no sample\n"] * 900)
            status = cluster.wait(lambda s: "no samples" in s["waiting_for"], "the reason")
            self.assertIn("training.max_bad_share", status["waiting_for"])

            cluster.stop()
            with self.assertRaises(CommandFailed) as failure:
                cluster.start()
            self.assertIn("breaks off again and again: worker-0: ", str(failure.exception))
            self.assertIn("are no samples", str(failure.exception))


if __name__ == "__main__":
    limit_test(100)
    unittest.main(verbosity=2)
