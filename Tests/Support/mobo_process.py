"""Child processes of tests and benchmarks, and what the kernel tells about them (proc(5))."""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_TICKS = os.sysconf("SC_CLK_TCK")


def spawn(command, cpu=None, **options):
    """Starts a process that ends with us, whatever ends us; `cpu` keeps it on that one.

    It is in a group of its own, so that Ctrl-C reaches us alone and we end it in order.
    """

    def prepare():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})

    return subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.DEVNULL, preexec_fn=prepare, process_group=0, **options)


def stop(process, seconds=15):
    """SIGTERM, then SIGKILL when it takes too long; returns the exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def cpu_seconds(pid):
    """User and system time of all threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) << 10
    raise AssertionError(f"process {pid} has no {field}: it ended")


def resident_bytes(pid):
    return _memory(pid, "VmRSS")


def peak_resident_bytes(pid):
    """The most that was resident since the start or the last `forget_peak`."""
    return _memory(pid, "VmHWM")


def forget_peak(pid):
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def connections_at(port):
    """How many established TCP connections the listener on a port of 127.0.0.1 has."""
    count = 0
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, _, state = line.split()[1:4]
        count += state == "01" and int(local.rpartition(":")[2], 16) == port
    return count


def settled(read, seconds=20, step=0.2):
    """Reads a number until it stopped falling, because what a load leaves behind is freed a little later."""
    lowest = read()
    deadline = time.monotonic() + seconds
    quiet = 0
    while quiet < 5 and time.monotonic() < deadline:
        time.sleep(step)
        now = read()
        quiet = 0 if now < lowest else quiet + 1
        lowest = min(lowest, now)
    return lowest
