"""A file system of its own for a folder, small enough to be filled. Needs root."""

import contextlib
import os
import pathlib
import subprocess


class SmallDisk:
    """with SmallDisk(folder, megabytes) as disk: disk.there tells whether there is one."""

    def __init__(self, folder, megabytes):
        self.folder = pathlib.Path(folder)
        self.megabytes = megabytes
        self.there = False

    def __enter__(self):
        if os.geteuid() == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.there = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m", "freshet-small-disk",
                 self.folder], capture_output=True, check=False).returncode == 0
        return self

    def __exit__(self, *_error):
        if self.there:
            # Lazily: a process that is just ending may still have a file open.
            subprocess.run(["umount", "-l", self.folder], capture_output=True, check=False)

    @contextlib.contextmanager
    def full(self):
        """Not a byte is free meanwhile, but for what others give back: that is taken too."""
        filler = self.folder / ".filler"
        try:
            with open(filler, "wb", buffering=0) as file:
                self.fill(file)
                yield lambda: self.fill(file)
        finally:
            filler.unlink(missing_ok=True)

    @staticmethod
    def fill(file):
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
