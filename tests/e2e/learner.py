"""A model that learns, in numbers of every width, for clusters to which things happen: in bsp it
must be, bit for bit, that of a run to which nothing does; and serving must have it, as rounded."""

import os
import shutil
import struct

import xxhash

from harness import Cluster
from ledger import float_bits
from waiting import wait_until

KEY_DIGITS = 16
DIM = 5  # of a row: a weight and four factors
OPTIMIZERS = ("adagrad", "ftrl", "adam")
WIDTHS = ("f32", "f16", "bf16")
SERVED = ("as_stored", "f16", "int8")
# How far a served value may be from the stored one, in parts of the row's largest.
ROUNDING = {"as_stored": 1e-6, "f16": 2.0**-11, "int8": 1 / 254}
SMALLEST_F16 = 2.0**-24
COMPARED_ROWS = 40


class Learner:
    """What numbers a cluster calculates, sends, stores and serves with."""

    variable = "factors"

    def __init__(self, chance):
        self.optimizer = chance.choice(OPTIMIZERS)
        self.stored = chance.choice(WIDTHS)
        self.sent = (chance.choice(WIDTHS), chance.choice(WIDTHS))  # values, gradients
        self.served = chance.choice(SERVED)

    def __str__(self):
        return (f"fm with {self.optimizer}, {self.stored} stored, {self.sent[0]} values and "
                f"{self.sent[1]} gradients sent, {self.served} served")

    def model(self):
        return (f"model: {{kind: fm, factors: {DIM - 1}, value_type: {self.stored}, "
                f"optimizer: {{kind: {self.optimizer}, learning_rate: 0.02}}}}\n")

    def training(self):
        """Keys of the section."""
        return f", wire: {{values: {self.sent[0]}, gradients: {self.sent[1]}}}"

    def coordinator(self):
        return f"\n  serving_values: {self.served}"

    # ---- the verdict

    def judge(self, cluster, status, batch_size, limit_s):
        """What is wrong with a run that has ended; empty if nothing is."""
        found = cluster.freshetctl("dump").stdout.splitlines()
        expected_status, expected = self.undisturbed(cluster, batch_size, limit_s)
        differing = sum(one != other for one, other in zip(found, expected))
        differing += abs(len(found) - len(expected))
        if differing:
            return (f"{differing} of {len(expected)} lines of the dump differ from those of a run "
                    "to which nothing happened")
        for name in ("samples", "auc", "log_loss"):
            if status[name] != expected_status[name]:
                return f"{name} is {status[name]}, {expected_status[name]} was to be expected"
        return self.judge_served(cluster, found)

    def undisturbed(self, cluster, batch_size, limit_s):
        """(status, lines of the dump) of a run over the same stream that nothing happens to."""
        servers, workers = (sum(name.startswith(role) for name in cluster.names)
                            for role in ("ps", "worker"))
        mutant = os.environ.pop("FRESHET_MUTANT", None)
        try:
            with Cluster(self.model(), f"training: {{batch_size: {batch_size}, consistency: bsp"
                         f"{self.training()}}}", ps=servers, workers=workers, serving=0,
                         cut_every="5s") as whole:
                shutil.copytree(cluster.stream, whole.stream, dirs_exist_ok=True)
                whole.start()
                status = whole.wait_finished(limit_s)
                return status, whole.freshetctl("dump").stdout.splitlines()
        finally:
            if mutant is not None:
                os.environ["FRESHET_MUTANT"] = mutant

    def judge_served(self, cluster, dump):
        """The rows that serving has are those of the version, rounded as it was asked for."""
        rows = {}
        for line in dump:
            key, *fields = line.split()
            if len(key) == KEY_DIGITS:  # and no dense variable's
                rows[int(key, 16)] = fields[:DIM]
        seed = xxhash.xxh3_64_intdigest("user")
        keys = {f"u{number}": xxhash.xxh3_64_intdigest(f"u{number}", seed=seed)
                for number in range(10**4)}
        known = [name for name, key in keys.items() if key in rows][:COMPARED_ROWS]
        if not known:
            return "no user has a row"

        def asked():
            code, answer = cluster.http("serving-0", "/v1/embeddings",
                                        {"slot": "user", "values": known})
            return answer if code == 200 else None
        answer = wait_until(asked, "rows from serving")
        for name, served in zip(known, answer["values"]):
            stored = [float_of(field) for field in rows[keys[name]]]
            most = ROUNDING[self.served] * max(map(abs, stored)) + SMALLEST_F16
            if served is None or any(abs(a - b) > most for a, b in zip(stored, served)):
                return f"serving has {served} of {name}, the version {stored}"
        return ""


def float_of(field):
    """A field of the dump as a number."""
    return struct.unpack("<f", float_bits(field))[0]
