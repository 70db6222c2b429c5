"""Reading the ledger model's table out of a version."""

import struct

LEDGER = """
model: {kind: ledger}
"""


def ledger_of(cluster, version=None):
    """key -> (count, sum of sample ids), as freshetctl dump prints the rows of a version."""
    arguments = [] if version is None else ["--version", version]
    ledger = {}
    for line in cluster.freshetctl("dump", *arguments).stdout.splitlines():
        fields = line.split("\t")
        row = struct.pack("<4f", *map(float, fields[2:6]))
        ledger[int(fields[1])] = struct.unpack("<QQ", row)
    return ledger
