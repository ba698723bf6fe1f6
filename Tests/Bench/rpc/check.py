"""Asks one echo server, as a stock client, for what a benchmark takes for granted: `check.py PORT`.

h2load reads no trailers; this does. It needs grpcio.
"""

import os
import sys

import grpc

METHOD = "/bench.v1.Echo/Unary"
SIZES = (0, 1, 16, 127, 128, 4096, 65_536, 1_000_000)
AT_ONCE = 300


def encode(data):
    from mobo_h2load import payload

    return payload(data)


def check(port):
    """Raises unless answers are whole, their status is OK, and an unknown method is told from a known one."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        unary = channel.unary_unary(METHOD)
        for size in SIZES:
            message = encode(os.urandom(size))
            answer, call = unary.with_call(message, timeout=30)
            if answer != message:
                raise AssertionError(f"{size} bytes came back as other bytes")
            if call.code() != grpc.StatusCode.OK:
                raise AssertionError(f"{size} bytes: {call.code()}")
        messages = [encode(b"%d" % number) for number in range(AT_ONCE)]
        calls = [unary.future(message, timeout=30) for message in messages]
        if [call.result() for call in calls] != messages:
            raise AssertionError("answers of calls at the same time were mixed up")
        try:
            channel.unary_unary(METHOD + "Not")(b"", timeout=30)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise AssertionError(f"an unknown method: {error.code()}") from error
        else:
            raise AssertionError("an unknown method was answered")


def main():
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Support"))
    try:
        check(int(sys.argv[1]))
    except (AssertionError, grpc.RpcError) as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
