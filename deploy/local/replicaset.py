"""Makes a fresh mongod on 127.0.0.1 a single-node replica set and waits until it is primary.

Speaks OP_MSG itself, so that starting the product needs no Python package.
"""

import socket
import struct
import sys
import time


def encode(document):
    body = b""
    for key, value in document.items():
        name = key.encode() + b"\0"
        if isinstance(value, bool):
            body += b"\x08" + name + bytes([value])
        elif isinstance(value, int):
            body += b"\x10" + name + struct.pack("<i", value)
        elif isinstance(value, str):
            text = value.encode() + b"\0"
            body += b"\x02" + name + struct.pack("<i", len(text)) + text
        elif isinstance(value, dict):
            body += b"\x03" + name + encode(value)
        elif isinstance(value, list):
            body += b"\x04" + name + encode({str(i): item for i, item in enumerate(value)})
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise OSError("mongod closed the connection")
        data += chunk
    return data


def command(port, document):
    """The raw BSON of the answer: enough to look for a few fields in."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        message = struct.pack("<iB", 0, 0) + encode(document)
        connection.sendall(struct.pack("<iiii", len(message) + 16, 1, 0, 2013) + message)
        (length,) = struct.unpack("<i", read_exactly(connection, 4))
        return read_exactly(connection, length - 4)


def main():
    port = int(sys.argv[1])
    deadline = time.monotonic() + 60
    initiated = False
    while time.monotonic() < deadline:
        try:
            if b"\x08isWritablePrimary\0\x01" in command(port, {"hello": 1, "$db": "admin"}):
                return
            if not initiated:
                members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
                command(port, {"replSetInitiate": {"_id": "rs0", "members": members}, "$db": "admin"})
                initiated = True
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("no primary after 60 s")


if __name__ == "__main__":
    main()
