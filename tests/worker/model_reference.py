#!/usr/bin/env python3
"""Trains the models of model_reference_test.cc with numpy, in float64 and with no code of Freshet:
keys, initial values, the models and adagrad are written down again from their descriptions
(common/key.h, ps/initializer.h, docs/models.md), and gradients come from a tape of operations
instead of formulas of their own. Prints the mean log loss of each batch before it is learned.

Usage: model_reference.py RATINGS BATCH MODEL, MODEL being a file with the model's spec as JSON
"""
import csv
import json
import sys

import numpy
import xxhash

MASK = (1 << 64) - 1
EPSILON_OF_NORMALIZATION = 1e-5
RATE_OF_STATISTICS = 0.01


def split_mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def feature_key(slot, value):
    return xxhash.xxh3_64_intdigest(value.encode(), seed=xxhash.xxh3_64_intdigest(slot.encode()))


def initial_value(kind, scale, row_seed, column):
    first = split_mix((row_seed + 2 * column) & MASK)
    if kind == "UNIFORM":
        return scale * (2.0 * (first >> 40) * 2.0**-24 - 1.0)
    if kind == "NORMAL":
        u1 = ((first >> 11) + 1) / 2.0**53
        u2 = (split_mix((row_seed + 2 * column + 1) & MASK) >> 11) / 2.0**53
        return scale * numpy.sqrt(-2.0 * numpy.log(u1)) * numpy.cos(2.0 * numpy.pi * u2)
    return scale if kind == "CONSTANT" else 0.0


def initial_row(key, seed, dim, initializers):
    row_seed = split_mix(seed ^ key)
    row = []
    for one in initializers:
        columns = one["columns"] or dim
        while len(row) < dim and columns > 0:
            row.append(initial_value(one["kind"], one["scale"], row_seed, len(row)))
            columns -= 1
    return row


# ---- a tape


class Node:
    """A value, and what its gradient adds to the gradients of what it was made from."""

    def __init__(self, value, parents=()):
        self.value = value
        self.parents = parents  # (node, from the gradient of self to that of node)
        self.gradient = 0.0


def fitting(gradient, shape):
    """The gradient of what was broadcast from `shape`."""
    while gradient.ndim > len(shape):
        gradient = gradient.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1 and gradient.shape[axis] != 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
    return gradient


def add(a, b):
    return Node(a.value + b.value, ((a, lambda g: fitting(g, a.value.shape)),
                                    (b, lambda g: fitting(g, b.value.shape))))


def multiply(a, b):
    return Node(a.value * b.value, ((a, lambda g: fitting(g * b.value, a.value.shape)),
                                    (b, lambda g: fitting(g * a.value, b.value.shape))))


def product(a, b):
    return Node(a.value @ b.value, ((a, lambda g: g @ b.value.T), (b, lambda g: a.value.T @ g)))


def scaled(a, factor):
    return Node(a.value * factor, ((a, lambda g: g * factor),))


def power(a, exponent):
    return Node(a.value**exponent, ((a, lambda g: g * exponent * a.value ** (exponent - 1)),))


def relu(a):
    return Node(numpy.maximum(a.value, 0.0), ((a, lambda g: g * (a.value > 0.0)),))


def total(a, axis, keepdims=False):
    def back(g):
        return numpy.broadcast_to(g if keepdims else numpy.expand_dims(g, axis), a.value.shape)

    return Node(a.value.sum(axis=axis, keepdims=keepdims), ((a, back),))


def part(a, index):
    def back(g):
        whole = numpy.zeros_like(a.value)
        whole[index] = g
        return whole

    return Node(a.value[index], ((a, back),))


def reshaped(a, shape):
    return Node(a.value.reshape(shape), ((a, lambda g: g.reshape(a.value.shape)),))


def rows_of(table, index):
    def back(g):
        whole = numpy.zeros_like(table.value)
        numpy.add.at(whole, index, g)
        return whole

    return Node(table.value[index], ((table, back),))


def run_back(result, gradient):
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent, _ in node.parents:
                visit(parent)
            order.append(node)

    visit(result)
    result.gradient = gradient
    for node in reversed(order):
        for parent, back in node.parents:
            parent.gradient = parent.gradient + back(node.gradient)


# ---- the models


class Model:
    """The logits of a batch, from the nodes of its rows and of the dense variables."""

    def __init__(self, spec):
        self.kind = spec["kind"]
        self.factors = spec["factors"]
        self.mlp = spec.get("mlp", {})
        self.cross_layers = spec["cross_layers"]
        self.cross_rank = spec["cross_rank"]
        self.statistics = {}  # that a training pass has seen, by name

    def logits(self, rows, dense, training):
        samples = rows.value.shape[0]
        linear = 0 if self.kind == "dcn" else 1
        logit = dense["bias"]
        if linear:
            logit = add(logit, total(part(rows, numpy.s_[:, :, 0]), 1))
        if self.kind in ("fm", "deepfm"):
            vectors = part(rows, numpy.s_[:, :, 1:])
            pairs = add(power(total(vectors, 1), 2), scaled(total(power(vectors, 2), 1), -1.0))
            logit = add(logit, scaled(total(pairs, 1), 0.5))
        if self.kind in ("wide_deep", "deepfm", "dcn"):
            # One feature a slot, so that the pooled input is its vectors side by side.
            pooled = reshaped(part(rows, numpy.s_[:, :, linear:]), (samples, -1))
            logit = add(logit, self.perceptron(pooled, dense, training))
            if self.kind == "dcn":
                out = product(self.crossed(pooled, dense), dense["cross/out/weights"])
                logit = add(logit, reshaped(out, (samples,)))
        return logit

    def crossed(self, pooled, dense):
        x = pooled
        for number in range(self.cross_layers):
            name = f"cross/{number}"
            if self.cross_rank:
                inner = product(product(x, dense[name + "/down/weights"]),
                                dense[name + "/up/weights"])
                inner = add(inner, dense[name + "/up/bias"])
            else:
                inner = add(product(x, dense[name + "/weights"]), dense[name + "/bias"])
            x = add(multiply(pooled, inner), x)
        return x

    def perceptron(self, x, dense, training):
        layers = len(self.mlp["hidden"])
        for number in range(layers):
            name = f"deep/{number}"
            x = add(product(x, dense[name + "/weights"]), dense[name + "/bias"])
            if self.mlp["normalization"] != "NONE":
                x = self.normalized(x, name, dense, training)
            x = relu(x)
        return reshaped(product(x, dense[f"deep/{layers}/weights"]), (x.value.shape[0],))

    def normalized(self, x, name, dense, training):
        batch = self.mlp["normalization"] == "BATCH"
        if batch and not training:
            mean, variance = dense[name + "/mean"], dense[name + "/variance"]
            centered = add(x, scaled(mean, -1.0))
        else:
            axis = 0 if batch else 1
            share = 1.0 / x.value.shape[axis]
            mean = scaled(total(x, axis, keepdims=True), share)
            centered = add(x, scaled(mean, -1.0))
            variance = scaled(total(power(centered, 2), axis, keepdims=True), share)
            if batch:
                self.statistics[name + "/mean"] = mean.value[0]
                self.statistics[name + "/variance"] = variance.value[0]
        inverse = power(add(variance, Node(numpy.array(EPSILON_OF_NORMALIZATION))), -0.5)
        scale, shift = dense[name + "/scale"], dense[name + "/shift"]
        return add(multiply(multiply(centered, inverse), scale), shift)


class Adagrad:
    def __init__(self, values, settings):
        self.values = values
        self.sums = numpy.full_like(values, settings["initial_accumulator"])
        self.rate = settings["learning_rate"]
        self.epsilon = settings["epsilon"]

    def apply(self, rows, gradients):
        self.sums[rows] += gradients**2
        step = self.rate * gradients / (numpy.sqrt(self.sums[rows]) + self.epsilon)
        self.values[rows] -= step


class Statistic:
    """A dense variable that follows what the batches have."""

    def __init__(self, values):
        self.values = values


def dense_variables(spec):
    variables = {}
    for variable in spec["dense_variables"]:
        count = int(numpy.prod(variable["shape"]))
        row = initial_row(0, int(variable["seed"]), count, [variable["initializer"]])
        values = numpy.array(row, dtype=float).reshape(variable["shape"])
        adagrad = variable["optimizer"].get("adagrad")
        variables[variable["name"]] = Adagrad(values, adagrad) if adagrad else Statistic(values)
    return variables


def read_ratings(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))[1:]
    labels = numpy.array([float(row[2]) >= 4.0 for row in rows], dtype=float)
    keys = [(feature_key("user", row[0]), feature_key("movie", row[1])) for row in rows]
    return labels, keys


def main():
    path, batch = sys.argv[1], int(sys.argv[2])
    with open(sys.argv[3]) as file:
        spec = json.load(file)
    labels, keys = read_ratings(path)
    unique = sorted({key for pair in keys for key in pair})
    index = {key: i for i, key in enumerate(unique)}
    entries = numpy.array([[index[key] for key in pair] for pair in keys])
    [variable] = spec["embedding_variables"]
    rows = numpy.array([initial_row(key, int(variable["seed"]), variable["dim"],
                                    variable["initializers"]) for key in unique])
    table = Adagrad(rows, variable["optimizer"]["adagrad"])
    variables = dense_variables(spec)
    model = Model(spec)

    for begin in range(0, len(labels), batch):
        used = entries[begin : begin + batch]
        label = labels[begin : begin + batch]

        def forward(training):
            source = Node(table.values)
            dense = {name: Node(one.values) for name, one in variables.items()}
            return source, dense, model.logits(rows_of(source, used), dense, training)

        logit = forward(training=False)[2].value
        losses = numpy.logaddexp(0.0, logit) - label * logit
        print(f"{losses.mean():.9f}")

        source, dense, logit = forward(training=True)
        run_back(logit, 1.0 / (1.0 + numpy.exp(-logit.value)) - label)
        touched = numpy.unique(used)
        table.apply(touched, source.gradient[touched])
        for name, one in variables.items():
            if isinstance(one, Adagrad):
                one.apply(Ellipsis, dense[name].gradient / len(label))
            else:
                one.values = one.values + RATE_OF_STATISTICS * (
                    model.statistics[name] - one.values)


if __name__ == "__main__":
    main()
