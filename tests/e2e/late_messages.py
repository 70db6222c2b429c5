"""Messages of a session that is over, as a network may deliver them late (docs/formats/rpc.md)."""

import socket
import struct

import xxhash

PUSH = 3
DELETE = 8
ABORTED = 10
HEADER = struct.Struct("<IBBHQIIII")
MAGIC = 0x48535246
TIMEOUT_S = 10


def varint(number):
    encoded = b""
    while number >= 0x80:
        encoded += bytes([number & 0x7f | 0x80])
        number >>= 7
    return encoded + bytes([number])


def numbers(fields):
    """A protobuf message of whole numbers: {field number: value}."""
    return b"".join(varint(field << 3) + varint(value) for field, value in fields.items())


def push(epoch, worker, sequence):
    """A proto.PushRequest that has no rows, of a batch without features; (method, head, body)."""
    return PUSH, numbers({1: epoch, 2: worker, 3: sequence, 4: sequence}), b""


def delete(epoch, variable, keys):
    """A proto.DeleteRequest."""
    name = variable.encode()
    head = numbers({1: epoch}) + varint(2 << 3 | 2) + varint(len(name)) + name
    return DELETE, head, struct.pack(f"<{len(keys)}Q", *keys)


def frame(request_id, method, head, body):
    header = HEADER.pack(MAGIC, 1, 1, method, request_id, len(head), len(body), 0, 0)[:-4]
    return header + struct.pack("<I", xxhash.xxh3_64_intdigest(header) & 0xffffffff) + head + body


def send(address, messages):
    """Sends all of them, then reads the answers: {status code: how many}. OSError if the server
    goes away meanwhile."""
    host, port = address.rsplit(":", 1)
    codes = {}
    with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
        connection.sendall(b"".join(frame(number, *message)
                                    for number, message in enumerate(messages, 1)))
        with connection.makefile("rb") as answers:
            for _ in messages:
                header = answers.read(HEADER.size)
                if len(header) < HEADER.size:
                    raise ConnectionError("the server has closed the connection")
                *_, head_bytes, body_bytes, code, _ = HEADER.unpack(header)
                answers.read(head_bytes + body_bytes)
                codes[code] = codes.get(code, 0) + 1
    return codes
