"""A caller of a runner's socket: looks at an agent's terminal and presses its keys, as a human's view does.

Speaks just enough msgpack-RPC for that, so that the test needs nothing but Python.
"""

import socket
import struct


class Refused(Exception):
    """The runner's own words for why it did not do what it was asked."""

    def __init__(self, method, reason):
        self.code = reason.get("code") if isinstance(reason, dict) else None
        super().__init__(f"the runner refused {method}: {reason}")


class Runner:
    """One connection to one runner."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.unread = b""
        self.last_id = 0
        self.hello()

    def hello(self):
        """Says who it is: process ids, modes, the last status stated and when."""
        return self.call("hello", {"protocol": 1, "role": "view"})

    def rows(self):
        """Gives the rows of the screen as text."""
        return self.call("screen", {})["rows"]

    def shows(self, text):
        """Tells whether a text stands on the screen."""
        return text in "\n".join(self.rows()).replace("\u00a0", " ")

    def press(self, keys):
        """Writes keys into the terminal; tells whether the program was still there."""
        try:
            self.call("input", {"bytes": keys})
        except Refused as refused:
            if refused.code != "exited":
                raise
            return False
        return True

    def close(self):
        self.socket.close()

    def call(self, method, arguments):
        self.last_id += 1
        self.socket.sendall(pack([0, self.last_id, method, [arguments]]))
        while True:
            kind, *rest = self.receive()
            if kind == 1 and rest[0] == self.last_id:
                if rest[1] is not None:
                    raise Refused(method, rest[1])
                return rest[2]

    def receive(self):
        while True:
            try:
                value, end = unpack(self.unread, 0)
            except IndexError:
                chunk = self.socket.recv(65536)
                if not chunk:
                    raise ConnectionError("the runner hung up") from None
                self.unread += chunk
            else:
                self.unread = self.unread[end:]
                return value


def pack(value):
    """Writes a value as msgpack, each in its widest form."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return struct.pack(">Bq", 0xD3, value)
    if isinstance(value, bytes):
        return struct.pack(">BI", 0xC6, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return struct.pack(">BI", 0xDB, len(text)) + text
    if isinstance(value, dict):
        items = b"".join(pack(key) + pack(item) for key, item in value.items())
        return struct.pack(">BI", 0xDF, len(value)) + items
    return struct.pack(">BI", 0xDD, len(value)) + b"".join(pack(item) for item in value)


NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
           0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
LENGTHS = {0xC4: (bytes, ">B"), 0xC5: (bytes, ">H"), 0xC6: (bytes, ">I"),
           0xD9: (str, ">B"), 0xDA: (str, ">H"), 0xDB: (str, ">I"),
           0xDC: (list, ">H"), 0xDD: (list, ">I"), 0xDE: (dict, ">H"), 0xDF: (dict, ">I")}


def unpack(data, at):
    """Reads one value; gives it and where it ends. IndexError says that bytes are missing."""
    head = data[at]
    at += 1
    if head <= 0x7F:
        return head, at
    if head >= 0xE0:
        return head - 0x100, at
    if head in CONSTANTS:
        return CONSTANTS[head], at
    if head in NUMBERS:
        return number(data, at, NUMBERS[head])
    if head in LENGTHS:
        kind, form = LENGTHS[head]
        length, at = number(data, at, form)
    elif head <= 0x8F:
        kind, length = dict, head & 0x0F
    elif head <= 0x9F:
        kind, length = list, head & 0x0F
    elif head <= 0xBF:
        kind, length = str, head & 0x1F
    else:
        raise ValueError(f"byte {head:#x} is not msgpack that a runner sends")
    if kind in (bytes, str):
        if at + length > len(data):
            raise IndexError
        part = data[at : at + length]
        return (part if kind is bytes else part.decode()), at + length
    items = []
    for _ in range(length * 2 if kind is dict else length):
        item, at = unpack(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if kind is dict else items), at


def number(data, at, form):
    size = struct.calcsize(form)
    if at + size > len(data):
        raise IndexError
    return struct.unpack_from(form, data, at)[0], at + size
