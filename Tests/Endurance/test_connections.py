"""What connections leave behind."""

import socket
import struct

import pytest

import mobo_process
from mobo_echo import EchoServer
from mobo_frames import DATA, PREFACE, RawConnection, frame

MIB = 1 << 20


def polite(port):
    with RawConnection(port) as connection:
        connection.echo(1)


def abort(connection):
    """RST instead of FIN: the peer learns at once and has nobody left to answer."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def rude(port):
    """Gone in the middle of a call."""
    connection = RawConnection(port)
    connection.send(connection.headers(1) + frame(DATA, 0, 1, b"\0\0\0"))
    connection.echo(3)
    abort(connection)


def hasty(port):
    """Gone before it has said what it is."""
    abort(RawConnection(port, greeting=PREFACE[:10]))


def churn(count):
    """Connects and disconnects, then compares memory and open files with what a tenth as many left behind."""
    with EchoServer("--threads", 2) as server:
        def visit(times):
            for number in range(times):
                (polite, rude, hasty)[number % 3](server.port)
            mobo_process.settled(lambda: mobo_process.open_files(server.pid))
            return mobo_process.open_files(server.pid), mobo_process.settled(lambda: server.resident)

        files, before = visit(max(count // 10, 300))
        files_after, after = visit(count)
        print(f"{count} connections: {before / MIB:.1f} MiB before, {after / MIB:.1f} MiB after, {files_after} files")
        assert files_after == files
        assert after - before <= 2 * MIB


def test_five_hundred_connections_leave_nothing_behind():
    churn(500)


@pytest.mark.long
def test_ten_thousand_connections_leave_nothing_behind():
    churn(10_000)
