"""Every method of every service, called by a stock client with nothing and with nonsense: each answers what a caller
can make something of, and the process lives on."""

import importlib
import pathlib
import random

import grpc
import pytest

from mobo_deployment import DATABASES
from mobo_protos import compiled, load

# What a caller may be told who sends no sense. Anything else is our fault, or has no reason.
SENSIBLE = {
    grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION}


def methods(process):
    """(path, descriptor) of all methods that a process serves, by mobo's own protos."""
    folder = pathlib.Path(compiled())
    for file in sorted(folder.glob(f"mobo/{process}/v1/*_pb2.py")):
        module = importlib.import_module(".".join(file.relative_to(folder).with_suffix("").parts))
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                assert not method.client_streaming, "this test sends one message"
                yield f"/{service.full_name}/{method.name}", method


def status(channel, path, method, request, metadata=()):
    """Status, text and product code of a call with these bytes."""
    if method.server_streaming:
        call = channel.unary_stream(path)(request, metadata=metadata, timeout=30)
    else:
        call = channel.unary_unary(path).future(request, metadata=metadata, timeout=30)
    try:
        list(call) if method.server_streaming else call.result()
    except grpc.RpcError:
        pass
    return call.code(), call.details(), dict(call.trailing_metadata() or ()).get("mobo-error-code")


def nonsense(seed):
    """Messages that are none, and messages that are some, with fields of any number and kind."""
    draw = random.Random(seed)
    yield b""
    yield draw.randbytes(40)
    for _ in range(6):
        message = b""
        for _ in range(draw.randrange(1, 6)):
            number, kind = draw.randrange(1, 12), draw.choice([0, 1, 2, 5])
            value = {0: bytes([draw.randrange(128)]), 1: draw.randbytes(8), 5: draw.randbytes(4)}.get(kind)
            if value is None:
                text = draw.choice([b"", b"x" * 24, "é\u202e".encode(), b"\xff\xfe", b"0" * 23 + b"1", b"\0"])
                value = bytes([len(text)]) + text
            message += bytes([number << 3 | kind]) + value
        yield message


@pytest.mark.parametrize("service", DATABASES)
def test_nonsense_is_answered_with_sense(deployment, people, service):
    staff = (("authorization", f"Bearer {people.root}"),)
    callers = {"nobody": (), "staff": staff, "service": deployment.credentials("order")}
    odd = []
    called = 0
    with deployment.channel(service) as channel:
        for path, method in methods(service):
            for request in nonsense(path):
                for caller, metadata in callers.items():
                    code, text, reason = status(channel, path, method, request, metadata)
                    called += 1
                    if code not in SENSIBLE or (code != grpc.StatusCode.OK and reason is None):
                        odd.append((path, caller, request, code, text))
        health = load("grpc.health.v1.health_pb2")
        stub = load("grpc.health.v1.health_pb2_grpc").HealthStub(channel)
        assert stub.Check(health.HealthCheckRequest()).status == health.HealthCheckResponse.SERVING
    assert odd == [] and called


@pytest.mark.parametrize("service", DATABASES)
def test_nobody_is_let_in_but_where_the_proto_says_so(deployment, service):
    rules = load("mobo.common.v1.rules_pb2").method
    closed = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    with deployment.channel(service) as channel:
        for path, method in methods(service):
            is_open = status(channel, path, method, b"")[0] not in closed
            assert is_open == method.GetOptions().Extensions[rules].public, path
