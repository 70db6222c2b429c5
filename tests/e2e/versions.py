"""The version log of a cluster, read as docs/formats/version-log.md describes it."""

import json


def manifests(cluster):
    """version -> manifest, of all committed versions, ascending."""
    found = {}
    for path in sorted(cluster.log_dir.glob("*/manifest.json")):
        try:
            manifest = json.loads(path.read_text())["manifest"]
        except FileNotFoundError:
            continue  # it has just been removed
        found[int(manifest["version"])] = manifest
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
