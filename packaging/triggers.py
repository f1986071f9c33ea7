"""Adds to nfpm's rpm and apk of the agent the trigger that nfpm can't declare: run take-over whenever one-context has
been installed, upgraded or removed. Unsigned packages only: sign afterwards.

usage: triggers.py PACKAGE.rpm|PACKAGE.apk
"""

import gzip
import hashlib
import io
import struct
import sys
import tarfile
import zlib

PROGRAM = "/usr/libexec/onegate/take-over"
OTHER = "one-context"

# --- rpm: a header is an index of tags and a store of their values (rpm's docs/manual/format_v4) ---------------

INT8, INT16, INT32, INT64, STRING, BIN, STRINGS, I18N = 2, 3, 4, 5, 6, 7, 8, 9
WIDTH = {INT8: 1, INT16: 2, INT32: 4, INT64: 8, BIN: 1}
MAGIC = bytes.fromhex("8eade80100000000")
REGION_SIGNATURE, REGION_HEADER = 62, 63
SHA1, SHA256, SIZE, MD5 = 269, 273, 1000, 1004  # of the signature
TRIGGERIN, TRIGGERPOSTUN = 1 << 16, 1 << 18


def read_header(data, at):
    """(tags as {tag: (type, count, value)}, where it ends)"""
    if data[at : at + 8] != MAGIC:
        sys.exit("triggers.py: this is no rpm header")
    count, size = struct.unpack(">II", data[at + 8 : at + 16])
    store = at + 16 + 16 * count
    tags = {}
    for i in range(count):
        tag, kind, offset, n = struct.unpack(">IIII", data[at + 16 + 16 * i : at + 32 + 16 * i])
        start = end = store + offset
        if kind in WIDTH:
            end += WIDTH[kind] * n
        else:
            for _ in range(n):
                end = data.index(b"\0", end) + 1
        tags[tag] = (kind, n, data[start:end])
    return tags, store + size


def write_header(tags, region):
    """The header's bytes: the region's tag first, as it covers all the others."""
    store, entries = b"", b""
    for tag, (kind, n, value) in sorted(tags.items()):
        if tag == region:
            continue
        store += b"\0" * (-len(store) % WIDTH.get(kind, 1))
        entries += struct.pack(">IIII", tag, kind, len(store), n)
        store += value
    count = len(tags)
    first = struct.pack(">IIII", region, BIN, len(store), 16)
    store += struct.pack(">IIiI", region, BIN, -16 * count, 16)
    return MAGIC + struct.pack(">II", count, len(store)) + first + entries + store


def strings(*values):
    return (STRINGS, len(values), b"".join(v.encode() + b"\0" for v in values))


def integers(*values):
    return (INT32, len(values), struct.pack(f">{len(values)}I", *values))


def add_to_rpm(data):
    signature, at = read_header(data, 96)
    at += -at % 8
    header, at = read_header(data, at)
    payload = data[at:]
    header |= {
        1065: strings(PROGRAM, PROGRAM),  # TRIGGERSCRIPTS
        1092: strings("/bin/sh", "/bin/sh"),  # TRIGGERSCRIPTPROG
        1066: strings(OTHER, OTHER),  # TRIGGERNAME
        1067: strings("", ""),  # TRIGGERVERSION
        1068: integers(TRIGGERIN, TRIGGERPOSTUN),  # TRIGGERFLAGS
        1069: integers(0, 1),  # TRIGGERINDEX
    }
    new = write_header(header, REGION_HEADER)
    fresh = {
        SHA1: (STRING, 1, hashlib.sha1(new).hexdigest().encode() + b"\0"),
        SHA256: (STRING, 1, hashlib.sha256(new).hexdigest().encode() + b"\0"),
        MD5: (BIN, 16, hashlib.md5(new + payload).digest()),
        SIZE: integers(len(new) + len(payload)),
    }
    signature |= {tag: value for tag, value in fresh.items() if tag in signature}
    signed = write_header(signature, REGION_SIGNATURE)
    return data[:96] + signed + b"\0" * (-len(signed) % 8) + new + payload


# --- apk: a gzipped tar of .PKGINFO and scripts, not closed, then one of the files ------------------------------


def add_to_apk(data):
    unpack = zlib.decompressobj(31)
    control = unpack.decompress(data)
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(control)) as old, tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as new:
        for member in old:
            content = old.extractfile(member).read()
            if member.name == ".PKGINFO":
                content += b"triggers = /usr/bin\n"
                member.size = len(content)
            script = member if member.name == ".post-install" else None
            new.addfile(member, io.BytesIO(content))
            if script:
                script.name = ".trigger"
                new.addfile(script, io.BytesIO(content))
        end = new.offset
    return gzip.compress(out.getvalue()[:end], mtime=0) + unpack.unused_data


def main():
    path = sys.argv[1]
    with open(path, "rb") as package:
        data = package.read()
    data = add_to_rpm(data) if path.endswith(".rpm") else add_to_apk(data)
    with open(path, "wb") as package:
        package.write(data)


if __name__ == "__main__":
    main()
