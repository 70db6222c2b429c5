"""Streams of made-up samples, and what the ledger model must count in them."""

import pathlib
import random

import xxhash

SLOTS = ("user", "item")

FORMAT = """
format:
  kind: delimited
  delimiter: ","
  columns: [user, item, label, time]
  label: {column: label}
  event_time: {column: time, unit: s}
slots:
  - {name: user, side: context}
  - {name: item, side: item}
"""


def make_lines(count, seed, users=2000, items=800, skew=0.8):
    """Lines "user,item,label,time" in which some users and items are much more frequent than
    others (the less so the lower the skew), and items differ in how often they are liked."""
    numbers = random.Random(seed)
    time = 1_600_000_000
    for _ in range(count):
        user = min(int(numbers.paretovariate(skew)), users)
        item = min(int(numbers.paretovariate(skew - 0.1)), items)
        likes = 0.2 + 0.6 * (item % 7 > 3)
        time += numbers.randrange(3)
        yield f"u{user},i{item},{int(numbers.random() < likes)},{time}\n"


def wide_lines(seed):
    """Lines with so many different values that their rows do not fit into a small memory."""
    chance = random.Random(seed)
    for number in range(10**9):
        yield (f"u{chance.randrange(60_000)},i{chance.randrange(60_000)},{number % 2},"
               f"{1_600_000_000 + number // 10}\n")


class StreamWriter:
    """Appends samples to the partitions of a stream in turn, as its producers would."""

    def __init__(self, folder, partitions=2):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.paths = [self.folder / f"part-{p}.csv" for p in range(partitions)]
        for path in self.paths:
            path.touch()
        self.next = -1
        self.lines = 0

    def append(self, lines, among=None):
        """Whole lines, in one write for each partition, or for those whose numbers are given."""
        paths = self.paths if among is None else [self.paths[number] for number in among]
        chunks = [[] for _ in paths]
        for line in lines:
            self.next = (self.next + 1) % len(paths)
            chunks[self.next].append(line)
            self.lines += 1
        for path, chunk in zip(paths, chunks):
            with open(path, "ab", buffering=0) as file:
                file.write("".join(chunk).encode())

    def finish(self):
        (self.folder / "_SUCCESS").touch()


def expected_ledger(folder, learned=lambda _partition, _end, _line: True, names="*.csv"):
    """key -> (count, sum of sample ids), computed from the files alone, of the lines that `learned`
    is true of.

    A sample's id is XXH3 of the partition's name, seeded with the offset at which its line ends; a
    key is XXH3 of the value, seeded with XXH3 of the slot's name."""
    seeds = [xxhash.xxh3_64_intdigest(slot) for slot in SLOTS]
    ledger = {}
    for path in sorted(pathlib.Path(folder).glob(names)):
        end = 0
        with open(path, "rb") as file:
            for line in file:
                end += len(line)
                if not learned(path.name, end, line):
                    continue
                sample = xxhash.xxh3_64_intdigest(path.name, seed=end)
                for value, seed in zip(line.split(b","), seeds):
                    key = xxhash.xxh3_64_intdigest(value, seed=seed)
                    count, ids = ledger.get(key, (0, 0))
                    ledger[key] = (count + 1, (ids + sample) % 2**64)
    return ledger


def differing_keys(got, expected):
    """The keys at which two ledgers differ, with both entries."""
    return {key: (got.get(key), expected.get(key))
            for key in got.keys() | expected.keys() if got.get(key) != expected.get(key)}
