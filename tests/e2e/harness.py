"""A cluster of real processes in a folder of its own, for the length of a test."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from samples import FORMAT
from waiting import Deadline, wait_until

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("FRESHET_BIN", REPOSITORY / "build/release/bin"))

FIXED_PORT = 7000  # of a coordinator with a host of its own


class CommandFailed(Exception):
    pass


def run(*command, check=True, limit_s=120):
    """Runs a command to its end: its stdout, or CommandFailed with all it printed."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=limit_s)
    if check and done.returncode != 0:
        raise CommandFailed(f"{' '.join(map(str, command))} exited with {done.returncode}:\n"
                            f"{done.stdout}{done.stderr}")
    return done


class Cluster:
    """with Cluster(...) as cluster: the folder, and at the end no process and no folder is left.

    Every port is 0, that is, chosen by the kernel, so that tests can run beside each other.
    With `hosts` (name -> address), each process has a host of its own (network.py)."""

    def __init__(self, model, training="", ps=2, owner_threads=2, workers=2, serving=1,
                 cut_every="200ms", base_every=20, member_timeout="1s", follow=True,
                 max_delay="0.2", coordinator="", storage="{type: dram}",
                 sample_format=FORMAT, suffix=".csv", receive=None, hosts=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="freshet-e2e-"))
        self.config = self.folder / "cluster.yaml"
        self.run_dir = self.folder / "run"
        self.log_dir = self.folder / "log"
        self.stream = self.folder / "stream"
        self.stream.mkdir()
        self.max_delay = max_delay
        stream = f"suffix: {suffix}, follow: {str(follow).lower()}"
        if receive is not None:
            stream = f"receive: {receive}"
        (self.folder / "job.yaml").write_text(
            f"stream: {{path: stream, {stream}}}\n{sample_format}{model}\n{training}\n")
        self.names = (["coordinator"] + [f"ps-{i}" for i in range(ps)]
                      + [f"worker-{i}" for i in range(workers)]
                      + [f"serving-{i}" for i in range(serving)])
        if hosts is not None:
            coordinator += f"\n  host: {hosts['coordinator']}\n  port: {FIXED_PORT}"
        self.config.write_text(f"""
cluster: {{run_dir: run, log_dir: log, partitions: 64}}
log: {{level: info}}
coordinator:
  cut_every: {cut_every}
  base_every: {base_every}
  base_growth: 1000000
  member_timeout: {member_timeout}
  {coordinator}
ps: {{{self._places("ps", hosts)}, owner_threads: {owner_threads}, storage: {storage}}}
worker: {{{self._places("worker", hosts)}, job: job.yaml}}
serving: {{{self._places("serving", hosts)}}}
""")

    def _places(self, role, hosts):
        """Where the processes of a role run, as the cluster file says it."""
        names = [name for name in self.names if name.startswith(f"{role}-")]
        if hosts is None:
            return f"count: {len(names)}"
        return f"hosts: [{', '.join(hosts[name] for name in names)}]"

    def __enter__(self):
        self._start_guard()
        return self

    def __exit__(self, kind, error, _traceback):
        try:
            if kind is not None:
                self.print_logs()
            signal.alarm(0)  # the time for cleaning up is not the test's
            self.script("stop", "--limit", "10")
            self.guard.communicate(b"done\n")
            left = self.processes()
            if left and error is None:
                raise AssertionError(f"left after stop: {left}")
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start_guard(self):
        """Stops the cluster if this test is killed: then its end of the pipe closes."""
        self.guard = subprocess.Popen(
            ["setsid", "--fork", "bash", "-c", 'read -r line; [ "$line" = done ] || '
             'exec "$0" stop "$GUARDED" 5 "$@"', REPOSITORY / "scripts/cluster-node", *self.names],
            env={**os.environ, "GUARDED": str(self.run_dir)},
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    # ---- processes

    def script(self, action, *arguments, check=True, config=None):
        """scripts/cluster ACTION."""
        flags = ["--bin", BIN]
        if action in ("start", "restart"):
            flags += ["--max-delay", self.max_delay]
        while arguments and str(arguments[0]).startswith("--"):
            flags += arguments[:2]
            arguments = arguments[2:]
        return run(REPOSITORY / "scripts/cluster", action, *flags, config or self.config,
                   *arguments, check=check)

    def start(self, *names):
        self.script("start", *names)

    def stop(self, *names):
        self.script("stop", *names)

    def pid(self, name):
        """Of the role's process, not its supervisor; None while it does not run."""
        try:
            state, pid = (self.run_dir / f"{name}.state").read_text().split()[:2]
        except FileNotFoundError:
            return None
        return int(pid) if state == "running" else None

    def kill(self, name):
        """kill -9; False if there is nothing to kill at this moment."""
        pid = self.pid(name)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def processes(self):
        """Pids of all that belong to this cluster, supervisors included."""
        pids = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                command = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            if str(self.folder).encode() in command:
                pids.append(int(entry))
        return pids

    # ---- asking

    def freshetctl(self, command, *arguments, check=True):
        return run(BIN / "freshetctl", "--config", self.config, command, *arguments, check=check)

    def status(self):
        """The coordinator's status; None while it cannot be reached."""
        answer = self.freshetctl("status", "--json", check=False)
        return json.loads(answer.stdout) if answer.returncode == 0 else None

    def wait(self, condition, what, limit_s=60.0):
        """Waits until condition(status) holds: that status."""
        last = None

        def asked():
            nonlocal last
            last = self.status()
            return last if last is not None and condition(last) else None
        return wait_until(asked, lambda: f"{what}; last status: {last}", limit_s, 0.1)

    def wait_finished(self, limit_s=60.0):
        """Until every stream has ended, and serving has the last version."""
        return self.wait(lambda s: s["phase"] == "FINISHED"
                         and (self.serving_count == 0 or s["served_version"] == s["version"]),
                         "the end of the run", limit_s)

    @property
    def serving_count(self):
        return sum(name.startswith("serving") for name in self.names)

    def http(self, name, path, body=None, parse=True):
        """(status code, decoded JSON, or text) of a process's HTTP API."""
        request = urllib.request.Request(
            f"http://{self.address(name, 'http')}{path}",
            data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                content = answer.read().decode()
                return answer.status, json.loads(content) if parse else content
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def metric(self, name, metric):
        """The value of a process's metric, that of all its labels together."""
        lines = self.http(name, "/metrics", parse=False)[1].splitlines()
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines
                   if line.startswith((metric + " ", metric + "{")))

    def address(self, name, key):
        for line in (self.run_dir / f"{name}.address").read_text().splitlines():
            field, value = line.split(": ", 1)
            if field == key:
                return value.strip('"')
        raise KeyError(f"{name}.address has no {key}")

    # ---- logs

    def log(self, name):
        return (self.run_dir / "logs" / f"{name}.log").read_text(errors="replace")

    def print_logs(self, lines=25):
        for path in sorted((self.run_dir / "logs").glob("*.log")):
            print(f"--- the last lines of {path.name}:", file=sys.stderr)
            print("\n".join(path.read_text(errors="replace").splitlines()[-lines:]),
                  file=sys.stderr)


__all__ = ["BIN", "REPOSITORY", "Cluster", "CommandFailed", "Deadline", "run", "wait_until"]
