"""A name server for the tests. usage: dns.py ADDRESS [PORT]

Every name has the addresses 127.0.0.1 and ::1. The first label of a name says what is wrong with one of the two, if
anything is: aaaa-refused.test has no IPv6 address, as the server answers that question with REFUSED.
"""

import socket
import sys

ADDRESSES = {b"\0\1": ("a", b"\x7f\0\0\1"), b"\0\x1c": ("aaaa", bytes(15) + b"\1")}
RCODES = {"empty": 0, "formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5}


def response(query):
    """What to send, or None for nothing at all."""
    end = query.index(b"\0", 12) + 5  # the question: a name, its type and class
    label = query[13 : 13 + query[12]].decode().lower()
    kind = query[end - 4 : end - 2]
    family, address = ADDRESSES.get(kind, ("", b""))
    which, _, fault = label.partition("-")
    if which == family and fault == "silent":
        return None
    rcode = RCODES.get(fault, 0) if which == family else 0
    answers = int(bool(address) and not (which == family and fault in RCODES))
    record = b"\xc0\x0c" + kind + b"\0\1\0\0\0\x3c" + len(address).to_bytes(2, "big") + address
    flags = b"\x81" + bytes([0x80 | rcode])
    return query[:2] + flags + b"\0\1\0" + bytes([answers]) + b"\0\0\0\0" + query[12:end] + record * answers


with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind((sys.argv[1], int((sys.argv[2:] or [53])[0])))
    print("ready", flush=True)
    while True:
        query, client = server.recvfrom(512)
        if answer := response(query):
            server.sendto(answer, client)
