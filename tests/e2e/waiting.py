"""Waiting for a condition, with a deadline, and giving up on a whole test that takes too long."""

import signal
import time


class Deadline(Exception):
    pass


def wait_until(condition, what, limit_s=30.0, every_s=0.05):
    """The first true answer of condition(); raises Deadline, naming `what`, after limit_s."""
    end = time.monotonic() + limit_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise Deadline(f"not within {limit_s:g} s: {what() if callable(what) else what}")
        time.sleep(every_s)


def limit_test(seconds):
    """The test raises Deadline then, wherever it is: sooner than ctest would kill it, so that
    everything is still cleaned up."""
    def give_up(_signal, _frame):
        raise Deadline(f"the test took longer than {seconds} s")
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
