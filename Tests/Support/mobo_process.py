"""Child processes of tests and benchmarks, and what the kernel tells about them (proc(5))."""

import ctypes
import os
import pathlib
import random
import socket
import subprocess
import time

_libc = ctypes.CDLL(None)


def spawn(command, cpu=None, **options):
    """Starts a process that ends with us, whatever ends us; `cpu` keeps it on that one.

    It is in a group of its own, so that Ctrl-C reaches us alone and we end it in order. Both wrappers (util-linux)
    become the command, so the process id is its own; doing their work between fork and exec would run grpcio's fork
    handlers.
    """
    pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *pinned, *(str(part) for part in command)], stdin=subprocess.DEVNULL,
        process_group=0, **options)


def stop(process, seconds=15):
    """SIGTERM, then SIGKILL when it takes too long; returns the exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def is_alive(pid):
    """False also for one that has ended and is still to be waited for."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def cpu_seconds(pid):
    """User and system time of all threads: what /proc/<pid>/stat tells in hundredths, to the nanosecond."""
    clock = ctypes.c_int()
    code = _libc.clock_getcpuclockid(pid, ctypes.byref(clock))
    if code != 0:
        raise OSError(code, f"no clock of process {pid}")
    return time.clock_gettime(clock.value)


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


def lasting_port():
    """A free port that no outgoing connection takes while its server is being restarted: it is below those."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(1_000):
        port = random.randrange(lowest // 2, lowest)
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port below the ephemeral ones")


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
