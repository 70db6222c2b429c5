#!/usr/bin/python3
"""Scores labelled rows with the newest version of a log, without any of our arithmetic.

    perf/train/score.py LOG_DIR TEST_TSV FRESHETCTL HIDDEN_LAYERS

Rows come out of the log as numpy arrays (freshetctl export); keys are made as
docs/configuration.md says, XXH3 of the value seeded with that of the slot's name. Prints log loss
and AUC as JSON."""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import xxhash

COLUMNS = [f"I{i}" for i in range(1, 14)] + [f"C{i}" for i in range(1, 27)]


def export(freshetctl, log, folder):
    subprocess.run([freshetctl, "export", "factors", "--log-dir", log, "--format", "npy",
                    "--output", folder / "rows"], check=True, stdout=subprocess.DEVNULL)
    dump = subprocess.run([freshetctl, "dump", "--log-dir", log, "--variable", "bias"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    keys = numpy.load(folder / "rows/keys.npy")
    values = numpy.load(folder / "rows/values.npy")
    order = numpy.argsort(keys)
    return keys[order], values[order], elements(dump)[0]


def elements(dump):
    """Of a dense variable."""
    return numpy.array([float.fromhex(line.split()[-1]) for line in dump.splitlines()
                        if line.startswith("value ")])


def perceptron(freshetctl, log, inputs, layers):
    """(weights, bias) of each of so many hidden layers, and of the output."""
    def read(name):
        return elements(subprocess.run(
            [freshetctl, "dump", "--log-dir", log, "--variable", name], check=True,
            stdout=subprocess.PIPE, text=True).stdout)
    made = []
    for i in range(layers):
        bias = read(f"deep/{i}/bias")
        made.append((read(f"deep/{i}/weights").reshape(inputs, len(bias)), bias))
        inputs = len(bias)
    if layers:
        made.append((read(f"deep/{layers}/weights").reshape(inputs, 1), 0))
    return made


def read_rows(path):
    """labels [rows], keys [rows, slots]"""
    seeds = [xxhash.xxh3_64_intdigest(name) for name in COLUMNS]
    known = [{} for _ in COLUMNS]
    labels, keys = [], []
    with open(path, encoding="ascii") as lines:
        for line in lines:
            label, *values = line.rstrip("\n").split("\t")
            labels.append(int(label))
            for slot, value in enumerate(values):
                key = known[slot].get(value)
                if key is None:
                    key = known[slot][value] = xxhash.xxh3_64_intdigest(value, seed=seeds[slot])
                keys.append(key)
    return numpy.array(labels), numpy.array(keys, dtype=numpy.uint64).reshape(len(labels), -1)


def logits(keys, table_keys, table_values, bias, deep):
    place = numpy.searchsorted(table_keys, keys)
    place[place == len(table_keys)] = 0
    # A key that was never seen in training counts as zeros.
    rows = numpy.where((table_keys[place] == keys)[..., None], table_values[place], 0)
    factors = rows[..., 1:].astype(numpy.float64)
    pairs = 0.5 * (factors.sum(1) ** 2 - (factors ** 2).sum(1)).sum(1)
    shallow = bias + rows[..., 0].sum(1) + pairs
    if not deep:
        return shallow
    units = factors.reshape(len(factors), -1)
    for i, (weights, layer_bias) in enumerate(deep):
        units = units @ weights + layer_bias
        if i + 1 < len(deep):
            units = numpy.maximum(units, 0)
    return shallow + units[:, 0]


def auc(labels, scores):
    """Ties count a half: ranks are averaged over equal scores."""
    _, inverse, counts = numpy.unique(scores, return_inverse=True, return_counts=True)
    ranks = (numpy.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives = labels.sum()
    negatives = len(labels) - positives
    return (ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)


def main():
    log, test, freshetctl, layers = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        table_keys, table_values, bias = export(freshetctl, log, pathlib.Path(folder))
    deep = perceptron(freshetctl, log, len(COLUMNS) * (table_values.shape[1] - 1), int(layers))
    labels, keys = read_rows(test)
    scores = numpy.concatenate([logits(keys[begin:begin + 4096], table_keys, table_values, bias,
                                       deep)
                                for begin in range(0, len(labels), 4096)])
    log_loss = numpy.mean(numpy.logaddexp(0, scores) - labels * scores)
    print(json.dumps({"log_loss": float(log_loss), "auc": float(auc(labels, scores))}))


if __name__ == "__main__":
    main()
