#!/usr/bin/python3
"""scripts/supervise: what is run again, what is not, and that nothing outlives it."""

import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from waiting import limit_test, wait_until

SUPERVISE = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "supervise"


def alive(pid):
    """Running; a zombie that nobody reaps is not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class SuperviseTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.run = pathlib.Path(self.folder.name)
        self.supervisors = []

    def tearDown(self):
        for supervisor in self.supervisors:
            supervisor.kill()
            supervisor.wait()
        self.folder.cleanup()

    def supervise(self, script, *flags):
        supervisor = subprocess.Popen(
            [SUPERVISE, *flags, self.run, "p", "bash", "-c", script], stderr=subprocess.PIPE)
        self.addCleanup(supervisor.stderr.close)
        self.supervisors.append(supervisor)
        return supervisor

    def state(self):
        """(state, pid, restarts, exit code) as texts; None before the first."""
        try:
            return tuple((self.run / "p.state").read_text().split())
        except FileNotFoundError:
            return None

    def wait_for_run(self, number):
        """The pid of the run that follows `number` restarts."""
        def running():
            state = self.state()
            return state and state[0] == "running" and int(state[2]) == number and int(state[1])
        return wait_until(running, lambda: f"restart {number}; state is {self.state()}")

    def test_a_killed_process_is_run_again(self):
        self.supervise("exec sleep 1000")
        first = self.wait_for_run(0)
        os.kill(first, signal.SIGKILL)
        second = self.wait_for_run(1)
        self.assertNotEqual(first, second)
        self.assertIn("died by signal 9", (self.run / "logs/p.log").read_text())

    def test_a_failed_process_is_run_again_with_growing_delays(self):
        self.supervise("exit 1", "--max-delay", "0.3")
        log = self.run / "logs/p.log"
        wait_until(lambda: self.state() and int(self.state()[2]) >= 4, "4 restarts")
        delays = [line.split()[-2] for line in log.read_text().splitlines()[:4]]
        self.assertEqual(delays, ["100", "200", "300", "300"])

    def test_exits_that_a_restart_cannot_mend_are_final(self):
        for code in (0, 64, 78, 127):
            supervisor = self.supervise(f"exit {code}")
            self.assertEqual(supervisor.wait(timeout=20), code)
            self.assertEqual(self.state(), ("ended", "-", "0", str(code)))

    def test_sigterm_is_passed_on_and_ends_both(self):
        supervisor = self.supervise("trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done")
        child = self.wait_for_run(0)
        supervisor.terminate()
        self.assertEqual(supervisor.wait(timeout=20), 0)
        self.assertFalse(alive(child))
        self.assertIn("bye", (self.run / "logs/p.log").read_text())

    def test_sigterm_between_two_runs_ends_it(self):
        supervisor = self.supervise("exit 1", "--max-delay", "1000")
        wait_until(lambda: self.state() and self.state()[0] == "waiting"
                   and int(self.state()[2]) >= 3, "the third delay")
        supervisor.terminate()
        supervisor.wait(timeout=20)
        self.assertEqual(self.state()[0], "ended")

    def test_the_process_dies_with_a_supervisor_that_is_killed(self):
        supervisor = self.supervise("exec sleep 1000")
        child = self.wait_for_run(0)
        supervisor.kill()
        wait_until(lambda: not alive(child), "the end of the orphan")

    def test_a_second_supervisor_of_the_same_name_is_refused(self):
        self.supervise("exec sleep 1000")
        child = self.wait_for_run(0)
        second = self.supervise("exec sleep 1000")
        self.assertEqual(second.wait(timeout=20), 1)
        self.assertIn(b"p is running already", second.stderr.read())
        self.assertTrue(alive(child))

    def test_a_long_log_is_put_aside(self):
        log = self.run / "logs/p.log"
        log.parent.mkdir()
        log.write_text("x" * 5000)
        self.supervise("echo next; exec sleep 1000", "--log-bytes", "4000")
        self.wait_for_run(0)
        wait_until(lambda: "next" in log.read_text(), "the first line of the run")
        self.assertEqual((self.run / "logs/p.log.1").read_text(), "x" * 5000)
        self.assertEqual(log.read_text(), "next\n")


if __name__ == "__main__":
    limit_test(100)
    unittest.main(verbosity=2)
