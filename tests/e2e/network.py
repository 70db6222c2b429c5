"""Hosts of their own for the processes of a cluster, and cuts between any two of them. Needs root.

A host is a network namespace, joined to the others and to the test by a bridge; all of it lies in
namespaces of the test, so that nothing of it is left on the machine, whatever ends the test."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

PREFIX = "10.77.0."
INSIDE = "FRESHET_IN_NETWORK"
# Belongs to nobody: what is sent there is lost, without a word to the sender.
NOWHERE = "02:00:00:00:00:ee"
SKIPPED = 77


class NoNetwork(Exception):
    """Why there can be no namespaces."""


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoNetwork(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def enter_network():
    """Runs this program again where it may make hosts. Ends it with SKIPPED if it may not."""
    try:
        if os.environ.get(INSIDE):
            make_bridge()
            return
        if os.geteuid() != 0:
            raise NoNetwork("only root may make network namespaces")
        for program in ("ip", "unshare"):
            if shutil.which(program) is None:
                raise NoNetwork(f"there is no program {program} (iproute2, util-linux)")
        allowed = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True,
                                 text=True, check=False)
        if allowed.returncode != 0:
            raise NoNetwork(allowed.stderr.strip())
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])
    except NoNetwork as problem:
        print(f"*** SKIPPED: the network cannot be cut here: {problem} ***", file=sys.stderr)
        sys.exit(SKIPPED)


def make_bridge():
    folder = pathlib.Path("/run/netns")
    folder.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "freshet-netns", folder],
                      check=False).returncode != 0:
        raise NoNetwork(f"cannot mount a folder at {folder}")
    ip("link", "set", "lo", "up")
    ip("link", "add", "bridge", "type", "bridge")
    ip("addr", "add", f"{PREFIX}1/24", "dev", "bridge")
    ip("link", "set", "bridge", "up")


class Hosts:
    """A host for each name: hosts[name] is its address, and the name of its namespace."""

    def __init__(self, names):
        self.addresses = {name: f"{PREFIX}{number}" for number, name in enumerate(names, 2)}
        for number, address in enumerate(self.addresses.values(), 2):
            ip("netns", "add", address)
            ip("link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0",
               "netns", address)
            ip("link", "set", f"port{number}", "master", "bridge", "up")
            ip("-n", address, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", address, "link", "set", "eth0", "up")
            ip("-n", address, "link", "set", "lo", "up")

    def __getitem__(self, name):
        return self.addresses[name]

    @contextlib.contextmanager
    def cut(self, one, *others):
        """Nothing gets from `one` to the others meanwhile, or back."""
        pairs = [pair for other in others
                 for pair in ((self[one], self[other]), (self[other], self[one]))]
        for here, there in pairs:
            ip("-n", here, "neigh", "replace", there, "lladdr", NOWHERE, "dev", "eth0",
               "nud", "permanent")
        try:
            yield
        finally:
            for here, there in pairs:
                ip("-n", here, "neigh", "del", there, "dev", "eth0")

    @staticmethod
    def shell(folder):
        """A program that does what ssh does: COMMAND on the host ADDRESS."""
        path = pathlib.Path(folder) / "on-host"
        path.write_text('#!/bin/sh\nexec ip netns exec "$1" sh -c "$2"\n')
        path.chmod(0o755)
        return str(path)
