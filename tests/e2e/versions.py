"""The version log of a cluster, read as docs/formats/version-log.md describes it."""

import json


def manifests(cluster):
    """version -> manifest, of all committed versions whose manifest can be read, ascending."""
    found = {}
    for path in sorted(cluster.log_dir.glob("*/manifest.json")):
        try:
            manifest = json.loads(path.read_text())["manifest"]
            found[int(manifest["version"])] = manifest
        except FileNotFoundError:
            continue  # it has just been removed
        except (ValueError, KeyError):
            continue  # a test has damaged it
    return found


def kind(manifest):
    return manifest.get("kind", "DELTA")  # the default is left out


def part_paths(cluster, version):
    """The part files of a version that hold rows, the largest first."""
    folder = cluster.log_dir / f"{version:012d}"
    return sorted(folder.glob("part-*.safetensors"), key=lambda p: -p.stat().st_size)


def flip_bit(path, byte):
    """Flips the lowest bit of one byte; from the end if `byte` is negative."""
    content = bytearray(path.read_bytes())
    content[byte] ^= 1
    path.write_bytes(content)


# What else may happen to a file on a bad disk: each takes the bytes and a random.Random.

def flipped(content, chance):
    """A bit: of the rows, if there are any, for what stands before them is little."""
    rows = 8 + int.from_bytes(content[:8], "little")  # formats/part-file.md
    damaged = bytearray(content)
    damaged[chance.randrange(rows if rows < len(content) else 0, len(content))] ^= (
        1 << chance.randrange(8))
    return bytes(damaged)


def cut_short(content, chance):
    return content[:chance.randrange(len(content))]


def zeroed(content, chance):
    begin = chance.randrange(len(content))
    end = min(len(content), begin + chance.randint(1, 4096))
    return content[:begin] + bytes(end - begin) + content[end:]


def swapped(content, chance):
    """Two blocks of the same size change places."""
    block = chance.randint(1, max(1, len(content) // 2))
    one, other = sorted((chance.randint(0, len(content) - block) for _ in range(2)))
    other = max(other, min(one + block, len(content) - block))
    return (content[:one] + content[other:other + block] + content[one + block:other]
            + content[one:one + block] + content[other + block:]
            if other >= one + block else content)


DAMAGES = (flipped, flipped, flipped, cut_short, zeroed, zeroed, swapped)
