#!/usr/bin/python3
"""A stream of length-delimited protobuf, on real processes: plain and compressed files are learned
once each, also when a worker dies; what is no sample is kept with its reason and offset."""

import gzip
import json
import struct
import unittest

import xxhash

from harness import Cluster
from ledger import LEDGER, ledger_of
from samples import SLOTS, differing_keys
from waiting import limit_test

FORMAT = """
format: {kind: protobuf}
slots:
  - {name: user, side: context}
  - {name: item, side: item}
"""


def varint(number):
    text = b""
    while number >= 0x80:
        text += bytes([number % 0x80 + 0x80])
        number //= 0x80
    return text + bytes([number])


def part(field, content):
    """A length-delimited field."""
    return varint(field * 8 + 2) + varint(len(content)) + content


def message(user, item):
    """A Sample (docs/formats/sample.md): the user by id, the item by text."""
    return (b"\x0d" + struct.pack("<f", user % 2)
            + part(4, part(1, b"user") + part(2, varint(user)))
            + part(4, part(1, b"item") + part(3, item)))


class Partition:
    """A file's content, and what must be counted of it."""

    def __init__(self, name, ledger):
        self.name = name
        self.ledger = ledger
        self.content = b""

    def add(self, user, item):
        text = message(user, item)
        self.content += varint(len(text)) + text
        sample = xxhash.xxh3_64_intdigest(self.name, seed=len(self.content))
        for slot, value in zip(SLOTS, (str(user).encode(), item)):
            key = xxhash.xxh3_64_intdigest(value, seed=xxhash.xxh3_64_intdigest(slot))
            count, ids = self.ledger.get(key, (0, 0))
            self.ledger[key] = (count + 1, (ids + sample) % 2**64)

    def add_bad(self, text):
        self.content += varint(len(text)) + text


class ProtobufTest(unittest.TestCase):
    def test_each_message_is_learned_once_whoever_dies(self):
        training = "training: {batch_size: 64, rpc_timeout: 500ms, dead_letters: bad}"
        with Cluster(LEDGER, training, sample_format=FORMAT, suffix="''") as cluster:
            expected = {}
            plain = Partition("part-0.pb", expected)
            packed = Partition("part-1.pb.gz", expected)
            for i in range(6000):
                (plain, packed)[i % 2].add(i * 7919 % 1000, b"i%d" % (i % 97))
                if i == 3000:
                    bad_at = len(plain.content)
                    plain.add_bad(b"\xff\xff\xff")
            (cluster.stream / packed.name).write_bytes(gzip.compress(packed.content))
            # All but the end of the plain file, which ends in the middle of a message.
            cut = len(plain.content) // 2
            path = cluster.stream / plain.name
            path.write_bytes(plain.content[:cut])
            cluster.start()
            cluster.wait(lambda s: s["samples"] > 3000 and s["version"] > 0,
                         "the packed file and a version")
            cluster.kill("worker-0")
            with open(path, "ab") as file:
                file.write(plain.content[cut:])
            (cluster.stream / "_SUCCESS").touch()
            cluster.wait_finished()
            self.assertEqual(differing_keys(ledger_of(cluster), expected), {})
            letters = [json.loads(line)
                       for line in open(cluster.folder / "bad" / f"{plain.name}.jsonl")]
            self.assertEqual([(letter["offset"], letter["record"]) for letter in letters],
                             [(bad_at, "\u00ff" * 3)])
            self.assertIn("no message of proto/sample.proto", letters[0]["reason"])


if __name__ == "__main__":
    limit_test(100)
    unittest.main(verbosity=2)
