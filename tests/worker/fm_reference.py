#!/usr/bin/env python3
"""Trains the model of fm_reference_test.cc with numpy, in float64 and with no code of Freshet:
keys, initial values, factorization machine and adagrad are written down again from their
descriptions (common/key.h, ps/initializer.h, common/model/fm.h). Prints the mean log loss of each
batch before it is learned.

Usage: fm_reference.py RATINGS BATCH FACTORS SEED STDDEV LEARNING_RATE ACCUMULATOR EPSILON
"""
import csv
import sys

import numpy
import xxhash

MASK = (1 << 64) - 1


def split_mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def feature_key(slot, value):
    return xxhash.xxh3_64_intdigest(value.encode(), seed=xxhash.xxh3_64_intdigest(slot.encode()))


def normal(row_seed, column):
    u1 = ((split_mix((row_seed + 2 * column) & MASK) >> 11) + 1) / 2.0**53
    u2 = (split_mix((row_seed + 2 * column + 1) & MASK) >> 11) / 2.0**53
    return numpy.sqrt(-2.0 * numpy.log(u1)) * numpy.cos(2.0 * numpy.pi * u2)


def initial_row(key, seed, factors, stddev):
    row_seed = split_mix(seed ^ key)
    return [0.0] + [stddev * normal(row_seed, column) for column in range(1, 1 + factors)]


class Adagrad:
    def __init__(self, values, rate, accumulator, epsilon):
        self.values = values
        self.sums = numpy.full_like(values, accumulator)
        self.rate = rate
        self.epsilon = epsilon

    def apply(self, rows, gradients):
        self.sums[rows] += gradients**2
        step = self.rate * gradients / (numpy.sqrt(self.sums[rows]) + self.epsilon)
        self.values[rows] -= step


def read_ratings(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))[1:]
    labels = numpy.array([float(row[2]) >= 4.0 for row in rows], dtype=float)
    keys = [(feature_key("user", row[0]), feature_key("movie", row[1])) for row in rows]
    return labels, keys


def main():
    path, batch, factors, seed = sys.argv[1], *map(int, sys.argv[2:5])
    stddev, rate, accumulator, epsilon = map(float, sys.argv[5:9])
    labels, keys = read_ratings(path)
    unique = sorted({key for pair in keys for key in pair})
    index = {key: i for i, key in enumerate(unique)}
    entries = numpy.array([[index[key] for key in pair] for pair in keys])
    rows = numpy.array([initial_row(key, seed, factors, stddev) for key in unique])
    table = Adagrad(rows, rate, accumulator, epsilon)
    bias = Adagrad(numpy.zeros(1), rate, accumulator, epsilon)

    for begin in range(0, len(labels), batch):
        used = entries[begin : begin + batch]
        label = labels[begin : begin + batch]
        row = table.values[used]  # [samples, features, 1 + factors]
        total = row[:, :, 1:].sum(axis=1)
        pairs = 0.5 * (total**2 - (row[:, :, 1:] ** 2).sum(axis=1)).sum(axis=1)
        logit = bias.values[0] + row[:, :, 0].sum(axis=1) + pairs
        probability = 1.0 / (1.0 + numpy.exp(-logit))
        losses = -label * numpy.log(probability) - (1 - label) * numpy.log(1 - probability)
        print(f"{losses.mean():.9f}")

        slope = probability - label
        gradient = numpy.concatenate(
            [numpy.ones_like(row[:, :, :1]), total[:, None, :] - row[:, :, 1:]], axis=2
        )
        gradient *= slope[:, None, None]
        summed = numpy.zeros_like(table.values)
        numpy.add.at(summed, used, gradient)
        touched = numpy.unique(used)
        table.apply(touched, summed[touched])
        bias.apply(numpy.array([0]), numpy.array([slope.mean()]))


if __name__ == "__main__":
    main()
