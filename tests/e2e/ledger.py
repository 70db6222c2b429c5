"""Reading the ledger model's table out of a version."""

import struct

LEDGER = """
model: {kind: ledger}
"""


def float_bits(text):
    """The four bytes of a float32 as freshetctl dump prints it: hexadecimal, or nan:BITS."""
    if text.startswith("nan:"):
        return struct.pack("<I", int(text[4:], 16))
    return struct.pack("<f", float.fromhex(text))


def ledger_of(cluster, version=None):
    """key -> (count, sum of sample ids) of a version, the newest if none is given."""
    arguments = [] if version is None else [version]
    ledger = {}
    for line in cluster.freshetctl("dump", *arguments).stdout.splitlines():
        if line.startswith("#"):
            continue
        key, *fields = line.split()
        ledger[int(key, 16)] = struct.unpack("<QQ", b"".join(map(float_bits, fields[:4])))
    return ledger
