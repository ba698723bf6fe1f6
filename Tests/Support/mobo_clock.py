"""Wall clocks of processes that a test moves, while they run (clockshift.c)."""

import pathlib
import shutil
import struct
import subprocess

DAY = 86_400


def library(folder):
    """Compiles the preloaded library; returns its path."""
    path = folder / "clockshift.so"
    source = pathlib.Path(__file__).parent / "clockshift.c"
    compiler = shutil.which("cc") or shutil.which("clang")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(path), str(source), "-ldl"], check=True)
    return path


class Clock:
    """The offset that the library adds to the wall clock of the processes that share this clock."""

    def __init__(self, file, library):
        self.file = file
        self.environment = {"LD_PRELOAD": str(library), "MOBO_CLOCK_FILE": str(file)}
        self.set(0)

    def set(self, seconds):
        with open(self.file, "r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("<q", seconds))
