#!/usr/bin/python3
"""Files beside the version log that are damaged: they are named, it is said what to do, and nothing
is lost by it."""

import random
import subprocess
import unittest

from harness import Cluster, wait_until
from ledger import LEDGER, ledger_of
from samples import StreamWriter, differing_keys, expected_ledger, make_lines
from versions import flip_bit, manifests
from waiting import limit_test

TRAINING = "training: {batch_size: 64, rpc_timeout: 500ms, max_batch_wait: 5ms}"


class StateDamageTest(unittest.TestCase):
    def assert_exact(self, cluster, names="*.csv"):
        expected = expected_ledger(cluster.stream, names=names)
        self.assertEqual(differing_keys(ledger_of(cluster), expected), {})

    def assert_received_and_exact(self, cluster, sent):
        received = [path.read_text() for path in sorted(cluster.stream.glob("[0-9]*"))]
        self.assertEqual("".join(received), "".join(sent))
        self.assert_exact(cluster, "[0-9]*")

    def assert_does_not_start(self, cluster, name, file, what_to_do):
        """It says which file is damaged, and what to do."""
        refused = cluster.script("start", name, check=False)
        self.assertNotEqual(refused.returncode, 0)
        for text in (str(file), what_to_do):
            self.assertIn(text, refused.stdout + refused.stderr)

    def test_a_coordinator_whose_state_is_damaged_says_so_and_goes_on_without(self):
        with Cluster(LEDGER, TRAINING) as cluster:
            writer = StreamWriter(cluster.stream)
            lines = make_lines(10**9, seed=21)
            writer.append(next(lines) for _ in range(3000))
            cluster.start()
            before = cluster.wait(lambda s: s["version"] > 0, "a version")
            cluster.stop("coordinator")
            state = cluster.run_dir / "coordinator"
            [file] = state.glob("MANIFEST-*")
            flip_bit(file, file.stat().st_size // 2)

            self.assert_does_not_start(cluster, "coordinator", file, "Move the folder away")
            writer.append(next(lines) for _ in range(1000))
            state.rename(cluster.run_dir / "damaged")
            cluster.start("coordinator")
            after = cluster.wait(lambda s: s["version"] > before["version"], "another version")
            self.assertGreater(after["epoch"], before["epoch"])
            writer.finish()
            status = cluster.wait_finished()
            self.assertEqual(status["samples"], writer.lines)
            self.assert_exact(cluster)

    def test_a_pin_counts_and_an_address_is_written_again(self):
        with Cluster(LEDGER, TRAINING, coordinator="keep_versions: 2\n  keep_for: 0s") as cluster:
            writer = StreamWriter(cluster.stream)
            lines = make_lines(10**9, seed=22)
            writer.append(next(lines) for _ in range(1000))
            cluster.start()
            pinned = cluster.wait(lambda s: s["version"] > 0, "a version")["version"]
            cluster.freshetctl("versions", "pin", pinned, "--note", "of today")
            [pin] = (cluster.log_dir / "pins").iterdir()
            pin.write_bytes(bytes(4096))

            def many(status):
                writer.append(next(lines) for _ in range(200))
                return status["version"] > pinned + 5
            cluster.wait(many, "more versions than are kept")
            cluster.freshetctl("versions", "gc")
            self.assertIn(pinned, manifests(cluster))

            address = cluster.run_dir / "coordinator.address"
            address.write_text("rpc: [")
            refused = cluster.freshetctl("status", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(str(address), refused.stderr)
            cluster.kill("coordinator")
            writer.finish()
            status = cluster.wait_finished()
            self.assertEqual(status["samples"], writer.lines)
            self.assert_exact(cluster)

    def test_only_processes_of_the_cluster_are_stopped(self):
        with Cluster(LEDGER, TRAINING, ps=1, workers=1, serving=0) as cluster, \
                subprocess.Popen(["sleep", "100"]) as bystander:
            cluster.start()
            (cluster.run_dir / "ps-0.pid").write_text(f"{bystander.pid}\n")
            (cluster.run_dir / "worker-0.pid").write_bytes(bytes(100))
            (cluster.run_dir / "worker-0.state").write_bytes(bytes(100))
            cluster.stop()
            self.assertIsNone(bystander.poll())
            bystander.kill()
            self.assertEqual(cluster.processes(), [])

    def test_how_far_a_log_was_received(self):
        receive = "{from: log, log: clicks.log, segment_bytes: 20KiB}"
        numbers = random.Random(23)
        lines = make_lines(10**9, seed=23)
        with Cluster(LEDGER, TRAINING, workers=1, receive=receive) as cluster:
            log = cluster.folder / "clicks.log"
            sent = [next(lines) for _ in range(3000)]
            log.write_text("".join(sent))
            cluster.start()
            cluster.wait(lambda s: s["samples"] == len(sent), "all samples")
            cluster.stop("worker-0")
            origin = max(cluster.stream.glob("_*.from"))
            inode, offset, _ = origin.read_text().split()
            flip_bit(origin, numbers.randrange(origin.stat().st_size))

            self.assert_does_not_start(cluster, "worker-0", origin, "INODE OFFSET")
            origin.write_text(f"{inode} {offset}\n")
            cluster.start("worker-0")
            more = [next(lines) for _ in range(1000)]
            with open(log, "a", encoding="ascii") as file:
                file.write("".join(more))
            cluster.wait(lambda s: s["samples"] == len(sent + more), "those after the damage")
            (cluster.stream / "_SUCCESS").touch()
            cluster.wait_finished()
            self.assert_received_and_exact(cluster, sent + more)

    def test_received_samples_that_are_damaged_are_not_learned(self):
        receive = "{from: log, log: clicks.log, segment_bytes: 20KiB}"
        lines = make_lines(10**9, seed=25)
        with Cluster(LEDGER, TRAINING, workers=1, receive=receive) as cluster:
            log = cluster.folder / "clicks.log"
            sent = [next(lines) for _ in range(100)]
            log.write_text("".join(sent))
            cluster.start()
            cluster.wait(lambda s: s["samples"] == len(sent), "the first samples")
            cluster.freshetctl("cut")
            version = cluster.status()["version"]
            for _ in range(5):
                more = [next(lines) for _ in range(1000)]
                with open(log, "a", encoding="ascii") as file:
                    file.write("".join(more))
                sent += more
                cluster.wait(lambda s: s["samples"] == len(sent), "all samples")
            cluster.stop("worker-0")
            damaged = sorted(cluster.stream.glob("[0-9]*"))[1]
            lost = damaged.read_bytes().count(b"\n")
            flip_bit(damaged, damaged.stat().st_size // 2)

            cluster.start("worker-0")
            cluster.freshetctl("rollback", version)
            cluster.wait(lambda s: s["samples"] == len(sent) - lost, "all samples but the damaged")
            named = [line for line in cluster.log("worker-0").splitlines() if "checksum" in line]
            self.assertTrue(any(damaged.name in line for line in named), named)
            (cluster.stream / "_SUCCESS").touch()
            cluster.wait_finished()
            damaged.unlink()
            self.assert_exact(cluster, "[0-9]*")

    def test_received_samples_that_are_gone_are_received_again(self):
        """A version that knows more than there is cannot be gone on from; one of before can."""
        receive = "{from: log, log: clicks.log, segment_bytes: 1GiB}"
        lines = make_lines(10**9, seed=24)
        with Cluster(LEDGER, TRAINING, workers=1, receive=receive) as cluster:
            log = cluster.folder / "clicks.log"
            sent = [next(lines) for _ in range(2000)]
            log.write_text("".join(sent))
            cluster.start()
            version = []
            for more in (0, 2000):
                sent += [next(lines) for _ in range(more)]
                with open(log, "a", encoding="ascii") as file:
                    file.write("".join(sent[len(sent) - more:]))
                cluster.wait(lambda s: s["samples"] == len(sent), "all samples")
                cluster.freshetctl("cut")
                version.append(cluster.status()["version"])
            cluster.stop("worker-0")
            [segment] = cluster.stream.glob("[0-9]*")
            segment.write_text("".join(sent[:3000]))

            cluster.start("worker-0")
            wait_until(lambda: segment.name in cluster.log("worker-0"), "its name in the log")
            cluster.freshetctl("rollback", version[0])
            cluster.wait(lambda s: s["samples"] == len(sent), "all samples again")
            (cluster.stream / "_SUCCESS").touch()
            cluster.wait_finished()
            self.assert_received_and_exact(cluster, sent)


if __name__ == "__main__":
    limit_test(100)
    unittest.main(verbosity=2)
