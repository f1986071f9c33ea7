"""A name server for the tests, over UDP and TCP. usage: dns.py ADDRESS [PORT [good]]

Every name has the addresses 127.0.0.1 and ::1, but those in absent.test and those without a dot, which are not there.
The first label of a name says what is wrong with one of the two, if anything is: aaaa-refused.test has no IPv6 address,
as the server answers that question with REFUSED; any-truncated.test has both, over TCP alone. A good server answers as
if no label said anything.
"""

import socket
import sys
import threading

ADDRESSES = {b"\0\1": ("a", b"\x7f\0\0\1"), b"\0\x1c": ("aaaa", bytes(15) + b"\1")}
RCODES = {"empty": 0, "formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5}
GOOD = "good" in sys.argv


def response(query, tcp):
    """What to send, or None for nothing at all."""
    end = query.index(b"\0", 12) + 5  # the question: a name, its type and class
    label = query[13 : 13 + query[12]].decode().lower()
    kind = query[end - 4 : end - 2]
    family, address = ADDRESSES.get(kind, ("", b""))
    which, _, fault = label.partition("-")
    if GOOD or which not in (family, "any"):
        fault = ""
    name = query[12 : end - 4].lower()
    if name.endswith(b"\6absent\4test\0") or name[name[0] + 1] == 0:
        fault = fault or "nxdomain"
    if fault == "silent":
        return None
    truncated = fault in ("truncated", "hung-up") and not tcp
    if fault == "hung-up" and tcp:
        return None
    answers = int(bool(address) and fault not in RCODES and not truncated)
    record = b"\xc0\x0c" + kind + b"\0\1\0\0\0\x3c" + len(address).to_bytes(2, "big") + address
    flags = bytes([0x81 | 2 * truncated, 0x80 | RCODES.get(fault, 0)])
    return query[:2] + flags + b"\0\1\0" + bytes([answers]) + b"\0\0\0\0" + query[12:end] + record * answers


def over_tcp(listener):
    while True:
        connection = listener.accept()[0]
        with connection:
            query = connection.recv(512)
            if answer := response(query[2:], True):
                connection.sendall(len(answer).to_bytes(2, "big") + answer)


address = (sys.argv[1], int((sys.argv[2:] or [53])[0]))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.create_server(address) as listener:
    server.bind(address)
    threading.Thread(target=over_tcp, args=[listener], daemon=True).start()
    print("ready", flush=True)
    while True:
        query, client = server.recvfrom(512)
        if answer := response(query, False):
            server.sendto(answer, client)
