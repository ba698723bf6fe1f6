"""Prints a line for each of the given TCP ports on which somebody listens already: port, process id, command."""

import glob
import os
import sys


def listening_inodes(ports):
    """Maps the socket inode of each listener on one of the ports to its port (proc(5), /proc/net/tcp)."""
    inodes = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = open(table).read().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            fields = line.split()
            port = int(fields[1].rsplit(":", 1)[1], 16)
            if fields[3] == "0A" and port in ports:
                inodes[fields[9]] = port
    return inodes


def main():
    inodes = listening_inodes({int(port) for port in sys.argv[1:]})
    owners = {}
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            target = os.readlink(link)
            if not target.startswith("socket:["):
                continue
            port = inodes.get(target[8:-1])
            if port is not None:
                pid = link.split("/")[2]
                name = open(f"/proc/{pid}/cmdline").read().replace("\0", " ").strip()
                owners[port] = (pid, name)
        except OSError:
            continue
    for port in sorted(set(inodes.values())):
        pid, name = owners.get(port, ("?", "a process of another user"))
        print(port, pid, name)


if __name__ == "__main__":
    main()
