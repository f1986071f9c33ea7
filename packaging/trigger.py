"""Adds to nfpm's apk of the agent the trigger that nfpm can't declare: run take-over whenever one-context has been
installed, upgraded or removed. For unsigned packages: sign afterwards.

usage: trigger.py PACKAGE.apk
"""

import gzip
import io
import sys
import tarfile
import zlib


def add_trigger(data):
    """An apk is a gzipped tar of .PKGINFO and scripts, not closed, and then one of the files."""
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
    with open(sys.argv[1], "rb") as package:
        data = package.read()
    with open(sys.argv[1], "wb") as package:
        package.write(add_trigger(data))


if __name__ == "__main__":
    main()
