"""How many calls one connection may have at a time: few at the gateway, whose clients are strangers, many between
services. Both sides of the limit, before the client has heard of it."""

import pytest

import mobo_frames as h2
from mobo_frames import RST_STREAM, RawConnection


def fields(path):
    return tuple((name, path if name == ":path" else value) for name, value in h2.CALL)


@pytest.mark.parametrize("service, path, limit", [
    ("gateway", "/mobo.gateway.v1.GatewayService/GetMe", 100),
    ("wallet", "/mobo.wallet.v1.WalletService/GetWallet", 1_000),
])
def test_one_stream_more_than_the_limit_is_refused(deployment, service, path, limit):
    with RawConnection(deployment.grpc_ports[service]) as connection:
        connection.send(b"".join(connection.headers(2 * number + 1, fields(path)) for number in range(limit + 1)))
        found = connection.until(lambda f: f.kind == RST_STREAM)
        assert (found.stream, found.code) == (2 * limit + 1, h2.REFUSED_STREAM)
    with RawConnection(deployment.grpc_ports[service]) as connection:
        assert connection.ready()[3] == limit
