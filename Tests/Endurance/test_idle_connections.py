"""What connections cost while they do nothing."""

import resource

import pytest

import mobo_process
from mobo_echo import EchoServer
from mobo_frames import RawConnection

KIB, MIB = 1 << 10, 1 << 20


def allow_open_files(count):
    """For this process and the servers it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"at most {hard} open files are allowed here, {count} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def idle(count, most):
    """Connections that made one call and stay: what they hold is compared with the server before the first."""
    allow_open_files(count + 200)
    with EchoServer("--threads", 2) as server:
        RawConnection(server.port).echo(1)
        before = mobo_process.settled(lambda: server.resident)
        connections = []
        try:
            for _ in range(count):
                connections.append(RawConnection(server.port))
                connections[-1].ready()
                connections[-1].echo(1)
            used = mobo_process.settled(lambda: server.resident)
            each = (used - before) / count / KIB
            print(f"{count} idle connections: {used / MIB:.1f} MiB, {each:.1f} KiB each beyond {before / MIB:.1f} MiB")
            assert most(before, used)
            for connection in connections[:: max(1, count // 50)]:
                connection.echo(3)  # They are idle, not gone.
        finally:
            for connection in connections:
                connection.close()
        files = mobo_process.settled(lambda: mobo_process.open_files(server.pid))
        assert files < 60, "connections that are closed are still open at the server"


def test_an_idle_connection_holds_less_than_eighteen_kibibytes():
    idle(500, lambda before, used: used - before < 500 * 18 * KIB)


@pytest.mark.long
def test_ten_thousand_idle_connections_stay_under_two_hundred_mebibytes():
    idle(10_000, lambda _, used: used < 200 * MIB)
