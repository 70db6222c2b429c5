#!/usr/bin/python3
"""The peer: a factorization machine or DeepFM in PyTorch, one pass over rows that are in memory.

    perf/train/torch_models.py DATA FACTORS [HIDDEN ...]

One embedding with sparse gradients, SparseAdam, batches of 4,096: of Adagrad and SparseAdam, with
learning rates from 0.001 to 0.05, what learned best in one pass. With HIDDEN units a perceptron
over the factors of all slots beside it, by Adam. Prints seconds of the training loop, log loss and
AUC of the test rows as JSON."""

import json
import pathlib
import sys
import time

import numpy
import torch

import score

BATCH = 4096
LEARNING_RATE = 0.003


def load(data, part):
    labels = numpy.fromfile(data / f"{part}.labels", numpy.uint8)
    ids = numpy.fromfile(data / f"{part}.ids", numpy.int32).reshape(len(labels), -1)
    return torch.from_numpy(ids).long(), torch.from_numpy(labels.astype(numpy.float32))


class Fm(torch.nn.Module):
    def __init__(self, ids, slots, factors, hidden):
        super().__init__()
        self.rows = torch.nn.Embedding(ids, 1 + factors, sparse=True)
        torch.nn.init.normal_(self.rows.weight, 0, 0.01)
        with torch.no_grad():
            self.rows.weight[:, 0] = 0
        self.bias = torch.nn.Parameter(torch.zeros(1))
        layers, inputs = [], slots * factors
        for units in hidden:
            layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
            inputs = units
        layers.append(torch.nn.Linear(inputs, 1, bias=False))
        self.deep = torch.nn.Sequential(*layers) if hidden else None

    def forward(self, ids):
        rows = self.rows(ids)
        factors = rows[:, :, 1:]
        pairs = (factors.sum(1).square() - factors.square().sum(1)).sum(1)
        logits = self.bias + rows[:, :, 0].sum(1) + 0.5 * pairs
        if self.deep is not None:
            logits = logits + self.deep(factors.flatten(1)).squeeze(1)
        return logits


def main():
    data, factors = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    hidden = [int(units) for units in sys.argv[3:]]
    torch.manual_seed(1)
    ids, labels = load(data, "train")
    test_ids, test_labels = load(data, "test")
    model = Fm(int(max(ids.max(), test_ids.max())) + 1, ids.shape[1], factors, hidden)
    sparse = torch.optim.SparseAdam(list(model.rows.parameters()), lr=LEARNING_RATE)
    dense = torch.optim.Adam([parameter for name, parameter in model.named_parameters()
                              if name != "rows.weight"], lr=LEARNING_RATE)
    loss_of = torch.nn.BCEWithLogitsLoss()
    begin = time.monotonic()
    for first in range(0, len(labels), BATCH):
        loss = loss_of(model(ids[first:first + BATCH]), labels[first:first + BATCH])
        sparse.zero_grad()
        dense.zero_grad()
        loss.backward()
        sparse.step()
        dense.step()
    seconds = time.monotonic() - begin
    with torch.no_grad():
        logits = torch.cat([model(part) for part in test_ids.split(BATCH)]).double().numpy()
    targets = test_labels.numpy()
    log_loss = numpy.mean(numpy.logaddexp(0, logits) - targets * logits)
    print(json.dumps({"seconds": seconds, "log_loss": float(log_loss),
                      "auc": float(score.auc(targets, logits))}))


if __name__ == "__main__":
    main()
