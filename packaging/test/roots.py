"""Roots to install packages in: a real Debian, a root for rpm and dnf, and a busybox one for apk's archives."""

import io
import os
import pathlib
import shutil
import stat
import subprocess
import tarfile
import zlib

TARGET = pathlib.Path("target/test-packages").resolve()


def run(*argv, **options):
    """Runs a program; its output is shown only if it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}\nexit {done.returncode}\n{done.stdout}")
    return done.stdout


class Root:
    """A root directory; install, upgrade and remove are its package manager's."""

    def __init__(self, name):
        self.path = TARGET / name
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)

    def run(self, *argv):
        return run("chroot", str(self.path), *argv, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"})

    def file(self, name):
        return self.path / name.lstrip("/")

    def exists(self, name):
        return os.path.lexists(self.file(name))

    def text(self, name):
        """What a program run in this root would read there, absolute links included."""
        return self.run("cat", name)

    def busybox(self):
        for directory in ("dev", "bin", "sbin", "usr/bin", "usr/sbin", "etc", "var/lib", "var/log", "tmp"):
            self.file(directory).mkdir(parents=True, exist_ok=True)
        shutil.copy(shutil.which("busybox"), self.file("bin/busybox"))
        self.run("/bin/busybox", "--install", "-s", "/bin")
        self.file("etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        self.file("etc/group").write_text("root:x:0:\n")
        os.mknod(self.file("dev/null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        # Debian's busybox cannot add users: these note the name, which stands last.
        note = 'for name; do :; done\n'
        user, group = 'echo "$name:x:999:999::/:/bin/sh" >>/etc/passwd\n', 'echo "$name:x:999:" >>/etc/group\n'
        self.program("useradd", note + user + group)
        self.program("adduser", note + user)
        self.program("addgroup", note + group)
        # Nor does it have coreutils' install, of which the services need this.
        self.program("install", """while getopts dm:g: option; do
    case $option in d) directory=yes ;; m) mode=$OPTARG ;; g) group=$OPTARG ;; esac
done
shift $((OPTIND - 1))
if [ "${directory:-}" ]; then mkdir -p "$1" && to=$1; else cp "$1" "$2" && to=$2/${1##*/}; fi
chgrp "$group" "$to" && chmod "$mode" "$to"
""")

    def program(self, name, text):
        self.file(f"bin/{name}").write_text(f"#!/bin/sh\n{text}")
        self.file(f"bin/{name}").chmod(0o755)


class Debian(Root):
    """debootstrap's smallest Debian, with Ruby; made once."""

    suffix = "amd64.deb"

    def __init__(self):
        super().__init__("debian")
        base = TARGET / "debian.tar"
        if not base.exists():
            made = TARGET / "debootstrap"
            shutil.rmtree(made, ignore_errors=True)
            run("debootstrap", "--variant=minbase", "--include=ruby,curl", "bookworm", str(made))
            run("chroot", str(made), "apt-get", "clean")
            run("tar", "-C", str(made), "-cf", f"{base}.part", ".")
            os.rename(f"{base}.part", base)
            shutil.rmtree(made)
        run("tar", "-C", str(self.path), "-xf", str(base))

    def install(self, package):
        shutil.copy(package, self.file("tmp/package.deb"))
        # As an unattended upgrade does it: a configuration file that was changed stays.
        return self.run("dpkg", "--force-unsafe-io", "--force-confdef", "--force-confold", "--install", "/tmp/package.deb")

    upgrade = downgrade = install

    def remove(self, name):
        return self.run("dpkg", "--force-unsafe-io", "--remove", name)

    def purge(self, name):
        return self.run("dpkg", "--force-unsafe-io", "--purge", name)

    def left(self):
        return self.run("dpkg-divert", "--list", "*onegate*")


class Rpm(Root):
    """A root with busybox for the scriptlets."""

    suffix = "x86_64.rpm"

    def __init__(self):
        super().__init__("rpm")
        self.busybox()
        run("rpm", "--root", str(self.path), "--initdb")
        # As a distribution's shell does, for our scriptlets.
        shell = TARGET / "shell.yaml"
        shell.write_text("{name: shell, arch: all, version: '1', maintainer: nobody, description: a shell, provides: [/bin/sh]}")
        run("nfpm", "package", "--config", str(shell), "--packager", "rpm", "--target", str(TARGET / "shell.rpm"))
        self.install(TARGET / "shell.rpm")

    def install(self, package):
        return run("rpm", "--root", str(self.path), "--install", "--verbose", "--nosignature", str(package))

    def upgrade(self, package):
        return run("rpm", "--root", str(self.path), "--upgrade", "--verbose", "--nosignature", str(package))

    def downgrade(self, package):
        return run("rpm", "--root", str(self.path), "--upgrade", "--oldpackage", "--nosignature", str(package))

    def remove(self, name):
        return run("rpm", "--root", str(self.path), "--erase", name)

    def left(self):
        return ""

    def dnf(self, *argv):
        return run("dnf", "--assumeyes", f"--installroot={self.path}", "--disablerepo=*", "--setopt=gpgcheck=0",
                   "--releasever=1", *argv)


class Apk(Root):
    """apk-tools in short, for want of the real one: its order of scripts, files and triggers (apk-package(5))."""

    suffix = "x86_64.apk"

    def __init__(self):
        super().__init__("apk")
        self.busybox()
        self.installed = {}  # name: (files, scripts, triggers)

    @staticmethod
    def read(package):
        """(.PKGINFO, scripts, files) of an archive: gzip members, one after the other, tar within."""
        data, streams = pathlib.Path(package).read_bytes(), []
        while data:
            unpack = zlib.decompressobj(31)
            streams.append(unpack.decompress(data))
            data = unpack.unused_data
        control, content = streams[-2:]
        with tarfile.open(fileobj=io.BytesIO(control)) as tar:
            members = {m.name: tar.extractfile(m).read() for m in tar}
        pairs = [line.split(" = ", 1) for line in members.pop(".PKGINFO").decode().splitlines() if " = " in line]
        return pairs, members, content

    def script(self, scripts, name):
        if name in scripts:
            self.file("tmp/script").write_bytes(scripts[name])
            self.file("tmp/script").chmod(0o755)
            self.run("/tmp/script")

    def commit(self, changed):
        for _, scripts, triggers in list(self.installed.values()):
            if changed & set(triggers):
                self.script(scripts, ".trigger")

    def install(self, package):
        info, scripts, content = self.read(package)
        name = dict(info)["pkgname"]
        triggers = [v for k, value in info if k == "triggers" for v in value.split()]
        old, _, _ = self.installed.get(name, (set(), None, None))
        phase = "upgrade" if old else "install"
        self.script(scripts, f".pre-{phase}")
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            files = {f"/{m.name}" for m in tar if not m.isdir()}
            for other, (theirs, _, _) in self.installed.items():
                if other != name and files & theirs:
                    raise RuntimeError(f"{name} overwrites files of {other}: {files & theirs}")
            for file in files:
                self.file(file).unlink(missing_ok=True)
            tar.extractall(self.path, filter="fully_trusted")
        for gone in old - files:
            self.file(gone).unlink(missing_ok=True)
        self.installed[name] = (files, scripts, triggers)
        self.script(scripts, f".post-{phase}")
        self.commit({os.path.dirname(f) for f in files | old})

    upgrade = install

    def remove(self, name):
        files, scripts, _ = self.installed[name]
        self.script(scripts, ".pre-deinstall")
        for file in files:
            self.file(file).unlink(missing_ok=True)
        del self.installed[name]
        self.script(scripts, ".post-deinstall")
        self.commit({os.path.dirname(f) for f in files})

    def left(self):
        return ""
