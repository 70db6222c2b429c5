#!/usr/bin/env python3
"""Computes the updates of docs/optimizers.md with numpy, in float32, in the order of operations
that is written there, and with no code of Freshet. Reads cases from one file and writes, for each
step of each, value and state of the rows that got a gradient.

A case: length and text of the optimizer as JSON, then dim, rows and steps, the initial values
[rows * dim], and for each step: the stream's step, the number of rows, their numbers, their
gradients [n * dim]. Whole numbers are uint32, others float32, little-endian.

Usage: optimizer_reference.py CASES RESULTS
"""
import json
import math
import struct
import sys

import numpy

f32 = numpy.float32
MOST = numpy.finfo(f32).max
WIDEST = f32(2.0**60)


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self):
        return struct.unpack("<I", self.bytes(4))[0]

    def array(self, kind, *shape):
        count = math.prod(shape)
        return numpy.frombuffer(self.bytes(4 * count), kind).reshape(shape).copy()


def hold(x, least, most):
    x = numpy.where(x < least, least, x)
    return numpy.where(x > most, most, x)


def square_sum(rows):
    """Of each row, in double precision, in 8 lanes: [n, dim] -> [n, 1]."""
    count, dim = rows.shape
    padded = numpy.zeros((count, (dim + 7) // 8 * 8))
    padded[:, :dim] = rows
    s = numpy.zeros((count, 8))
    for block in range(0, padded.shape[1], 8):
        s = s + padded[:, block : block + 8] * padded[:, block : block + 8]
    even = (s[:, 0] + s[:, 4]) + (s[:, 2] + s[:, 6])
    odd = (s[:, 1] + s[:, 5]) + (s[:, 3] + s[:, 7])
    return (even + odd)[:, None]


def norm(rows):
    return numpy.sqrt(square_sum(rows))


def rate_at(lr, schedule, step):
    kind = schedule.get("kind", "CONSTANT")
    warmup = int(schedule.get("warmup_steps", 0))
    if kind == "CONSTANT" and warmup == 0:
        return lr
    lr = float(lr)
    step = max(step, 1)
    if step < warmup:
        return f32(lr * (step / warmup))
    t = step - warmup
    period = int(schedule.get("decay_steps", 1))
    factor = float(f32(schedule.get("decay_rate", 0)))
    end = float(f32(schedule.get("end_learning_rate", 0)))
    if kind == "STEP":
        return f32(lr * math.pow(factor, t // period))
    if kind == "EXPONENTIAL":
        return f32(lr * math.pow(factor, t / period))
    if kind == "POLYNOMIAL":
        power = float(f32(schedule["power"]))
        return f32(end + (lr - end) * math.pow(1 - min(t / period, 1.0), power))
    if kind == "COSINE":
        return f32(end + (lr - end) * (0.5 * (1 + math.cos(math.pi * min(t / period, 1.0)))))
    if kind == "INVERSE_SQRT":
        return f32(lr * math.sqrt(period / (t + period)))
    return f32(lr)


class Kind:
    """State is a list of arrays, each [rows, its columns], in the order of the page."""

    def __init__(self, settings, scheduled, initial):
        self.lr = f32(settings["learning_rate"])
        self.settings = settings
        self.scheduled = scheduled
        self.state = self.initial_state(initial)

    def get(self, name):
        return f32(self.settings.get(name, 0))

    def initial_state(self, initial):
        return []


class Sgd(Kind):
    def step(self, w, g, state, lr):
        return w - lr * g, state


class Momentum(Kind):
    def initial_state(self, initial):
        return [numpy.zeros_like(initial)]

    def step(self, w, g, state, lr):
        mu = self.get("momentum")
        b = mu * state[0] + g
        direction = g + mu * b if self.settings.get("nesterov") else b
        return w - lr * direction, [b]


class Adagrad(Kind):
    def initial_state(self, initial):
        columns = 1 if self.settings.get("row_wise") else initial.shape[1]
        return [numpy.full((len(initial), columns), self.get("initial_accumulator"))]

    def step(self, w, g, state, lr):
        decay = f32(self.settings.get("accumulator_decay", 1))
        epsilon = self.get("epsilon")
        if self.settings.get("row_wise"):
            mean = square_sum(g) / float(g.shape[1])
            a = numpy.minimum(float(decay) * state[0].astype(float) + mean, float(MOST))
            a = a.astype(f32)
            factor = numpy.minimum(lr / (numpy.sqrt(a) + epsilon), MOST)
            return w - factor * g, [a]
        kept = state[0] if decay == 1 else decay * state[0]
        a = numpy.minimum(kept + g * g, MOST)
        return w - lr * g / (numpy.sqrt(a) + epsilon), [a]


class Adam(Kind):
    def initial_state(self, initial):
        return [
            numpy.zeros_like(initial),
            numpy.zeros_like(initial),
            numpy.zeros((len(initial), 1), f32),
        ]

    def step(self, w, g, state, lr):
        beta1, beta2, epsilon = self.get("beta1"), self.get("beta2"), self.get("epsilon")
        m, v, t = state
        t = t + f32(1)
        first = [1 - math.pow(beta1, count) for count in t[:, 0]]
        root = [math.sqrt(1 - math.pow(beta2, count)) for count in t[:, 0]]
        rate = f32([float(lr) * r / one for r, one in zip(root, first)])[:, None]
        m = beta1 * m + (f32(1) - beta1) * g
        v = beta2 * v + (f32(1) - beta2) * (g * g)
        keep = f32(1) - lr * self.get("weight_decay")
        return keep * w - rate * m / (numpy.sqrt(v) + epsilon), [m, v, t]


class RmsProp(Kind):
    def initial_state(self, initial):
        parts = 1 + bool(self.settings.get("centered")) + (self.get("momentum") > 0)
        return [numpy.zeros_like(initial) for _ in range(parts)]

    def step(self, w, g, state, lr):
        decay, epsilon, mu = self.get("decay"), self.get("epsilon"), self.get("momentum")
        v = decay * state[0] + (f32(1) - decay) * (g * g)
        after = [v]
        if self.settings.get("centered"):
            mean = decay * state[1] + (f32(1) - decay) * g
            after.append(mean)
            v = numpy.maximum(v - mean * mean, f32(0))
        scale = numpy.sqrt(v) + epsilon
        if mu == 0:
            return w - lr * g / scale, after
        b = hold(mu * state[-1] + g / scale, -MOST, MOST)
        return w - lr * b, after + [b]


class Ftrl(Kind):
    def threshold(self, dim):
        return float(self.get("l21")) * math.sqrt(dim)

    def is_grouped(self):
        return False

    def initial_state(self, initial):
        l1 = self.get("l1")
        alpha = max(self.lr, f32(2.0**-40))
        strength = self.get("beta") / alpha + self.get("l2")
        outside = initial * strength
        if self.is_grouped():
            size = norm(initial)
            size[size == 0] = numpy.inf
            outside = outside + initial * (self.threshold(initial.shape[1]) / size).astype(f32)
        z = -(outside + numpy.where(initial == 0, f32(0), numpy.copysign(l1, initial)))
        state = [z, numpy.zeros_like(initial)]
        if self.scheduled:
            state.append(numpy.full((len(initial), 1), alpha))
        return state

    def step(self, w, g, state, lr):
        beta, l1, l2 = self.get("beta"), self.get("l1"), self.get("l2")
        z, n = state[:2]
        alpha = max(lr, f32(2.0**-40))
        after = numpy.minimum(n + g * g, MOST)
        root = numpy.sqrt(after)
        if self.scheduled:
            sigma = (beta + root) / alpha - (beta + numpy.sqrt(n)) / state[2]
        else:
            sigma = (root - numpy.sqrt(n)) / alpha
        z = hold(z + (g - sigma * w), -MOST, MOST)
        u = numpy.where(numpy.abs(z) <= l1, f32(0), numpy.copysign(l1, z) - z)
        if self.is_grouped():
            size = norm(u)
            threshold = self.threshold(g.shape[1])
            inside = size <= threshold
            size[inside] = 1
            u = numpy.where(inside, f32(0), (1 - threshold / size).astype(f32)) * u
        w = numpy.where(u == 0, f32(0), u / ((beta + root) / alpha + l2))
        last = [numpy.full((len(w), 1), alpha)] if self.scheduled else []
        return w, [z, after] + last


class GroupLassoFtrl(Ftrl):
    def is_grouped(self):
        return True


KINDS = {
    "sgd": Sgd,
    "momentum": Momentum,
    "adagrad": Adagrad,
    "rmsprop": RmsProp,
    "ftrl": Ftrl,
    "group_lasso_ftrl": GroupLassoFtrl,
    "adam": Adam,
    "adamw": Adam,
}


def prepare(optimizer, w, g):
    if "clip_value" in optimizer:
        most = f32(optimizer["clip_value"])
        g = hold(g, -most, most)
    if "clip_norm" in optimizer:
        most = float(f32(optimizer["clip_norm"]))
        size = norm(g)
        large = size > most
        factor = numpy.where(large, most / numpy.where(large, size, 1), 1).astype(f32)
        g = numpy.where(large, g * factor, g)
    if "l2" in optimizer:
        g = hold(g + f32(optimizer["l2"]) * w, -WIDEST, WIDEST)
    return g


def finish(optimizer, w, lr):
    w = hold(w, -WIDEST, WIDEST)
    if "l1" in optimizer:
        size = numpy.abs(w) - lr * f32(optimizer["l1"])
        w = numpy.copysign(numpy.maximum(size, f32(0)), w)
    least = f32(optimizer.get("weight_min", -WIDEST))
    most = f32(optimizer.get("weight_max", WIDEST))
    return hold(w, least, most)


def run_case(reader, output):
    optimizer = json.loads(reader.bytes(reader.number()))
    dim, rows, steps = reader.number(), reader.number(), reader.number()
    values = reader.array("<f4", rows, dim)
    schedule = optimizer.get("schedule", {})
    name = next(name for name in KINDS if name in optimizer)
    kind = KINDS[name](optimizer[name], bool(schedule), values)
    for _ in range(steps):
        step, count = reader.number(), reader.number()
        ids = reader.array("<u4", count)
        g = reader.array("<f4", count, dim)
        lr = rate_at(kind.lr, schedule, step)
        w = values[ids]
        after, state = kind.step(
            w, prepare(optimizer, w, g), [part[ids] for part in kind.state], lr
        )
        values[ids] = finish(optimizer, after, lr)
        for part, part_after in zip(kind.state, state):
            assert part_after.dtype == f32
            part[ids] = part_after
        out = numpy.concatenate([values[ids]] + [part[ids] for part in kind.state], axis=1)
        assert out.dtype == f32
        output.write(out.astype("<f4").tobytes())


def main():
    with open(sys.argv[1], "rb") as file:
        reader = Reader(file.read())
    with open(sys.argv[2], "wb") as output:
        while reader.at < len(reader.data):
            run_case(reader, output)


if __name__ == "__main__":
    main()
