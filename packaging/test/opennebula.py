"""Part of `make test-packages`: docs/opennebula.md, "Moving from opennebula-gate, and back", followed in a Debian
root, a root for rpm, and a root with a real OpenRC: the server's package takes over from an OpenNebula installation, in
a network of its own. Needs root.

systemd itself is tested in a guest (packaging/guest/cloud-init); here its part is played by the unit's own lines.

usage: opennebula.py [Debian|Rpm|OpenRc]...     (all of them without an argument)
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

from roots import TARGET, Apk, Debian, Rpm, run

PACKAGES = pathlib.Path("dist/packages").resolve()
NAME = "onegate-server-lite"
GUIDE = pathlib.Path("docs/opennebula.md").read_text()
SYSTEMD, OPENRC = re.findall(r"```sh\n(.*?)```", GUIDE.split("## What goes upstream")[0], re.S)
# What an operator has changed in the installation's file must hold in the new server.
CONF = """:one_xmlrpc: http://127.0.0.1:2633/RPC2
:oneflow_server: http://127.0.0.1:2474
:host: 127.0.0.1
:port: 5030
:ssl_server: https://gate.example:5443/
:debug_level: 1
:auth: onegate
:core_auth: cipher
:permissions:
  :vm:
    :show: true
"""


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def installation(root):
    """An OpenNebula: its two files, which oneadmin alone may read."""
    with open(root.file("etc/passwd"), "a") as passwd, open(root.file("etc/group"), "a") as group:
        passwd.write("oneadmin:x:9869:9869::/var/lib/one:/bin/sh\n")
        group.write("oneadmin:x:9869:\n")
    for name, text, mode in (("etc/one/onegate-server.conf", CONF, 0o640), ("var/lib/one/.one/onegate_auth", "serveradmin:a-password\n", 0o600)):
        file = root.file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        os.chown(file, 9869, 9869)
    root.file("var/lib/one/.one").chmod(0o700)


class Systemd:
    """What systemd does for our unit, as far as its lines say."""

    def __init__(self, root):
        text = root.file(f"usr/lib/systemd/system/{NAME}.service").read_text().replace("\\\n", "")
        self.unit = dict(line.split("=", 1) for line in reversed(text.splitlines()) if "=" in line and line[0] != "#")
        self.root = root
        self.server = None

    def as_root(self, key):
        command = self.unit[key]
        check(command.startswith("+/bin/sh -c '"), f"{key}={command}")
        self.root.run("/bin/sh", "-c", command.removeprefix("+/bin/sh -c '").removesuffix("'").replace("$$", "$"))

    def start(self):
        self.as_root("ExecStartPre")
        environment = self.root.file(self.unit["EnvironmentFile"]).read_text()
        lines = [line for line in environment.splitlines() if line.startswith("OPTIONS=")]
        check(len(lines) == 1, f"{len(lines)} lines of OPTIONS in {environment}")
        command = self.unit["ExecStart"].replace("$OPTIONS", lines[0].removeprefix("OPTIONS="))
        user = f"--userspec={self.unit['User']}:{self.unit['Group']}"
        self.log = open(self.root.file("server.log"), "w+")
        self.server = subprocess.Popen(["chroot", user, str(self.root.path), *command.split()], stdout=self.log, stderr=self.log)

    def reload(self):
        self.as_root("ExecReload")
        check("ExecReload=/bin/kill -HUP $MAINPID" in self.root.file(f"usr/lib/systemd/system/{NAME}.service").read_text(), "HUP")
        self.server.send_signal(1)

    def follow(self, line):
        if line == f"systemctl enable --now {NAME}":
            self.start()
        else:
            check(line == "systemctl disable --now opennebula-gate", line)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        self.server.terminate()
        check(self.server.wait() == 0, f"the server ends with {self.server.returncode}: {self.said()}")


class OpenRc(Debian):
    """Debian's OpenRC, with the files of the apk: init scripts as Alpine runs them."""

    suffix = "x86_64.apk"

    @staticmethod
    def prepare():
        """The packages, while there is a network."""
        into = TARGET / "openrc-and-logrotate"
        if not into.exists():
            root = Debian()
            shutil.copy("/etc/resolv.conf", root.file("etc/resolv.conf"))
            root.run("apt-get", "update", "-qq")
            root.run("apt-get", "install", "-y", "-qq", "--download-only", "--no-install-recommends", "openrc", "busybox-static", "logrotate")
            for cron in root.file("var/cache/apt/archives").glob("cron*.deb"):
                cron.unlink()  # logrotate is run by hand
            shutil.copytree(root.file("var/cache/apt/archives"), into)

    def __init__(self):
        super().__init__()
        for package in (TARGET / "openrc-and-logrotate").glob("*.deb"):
            shutil.copy(package, self.file("tmp"))
        self.run("sh", "-c", "dpkg --force-unsafe-io --force-depends --install /tmp/*.deb")
        # A boot has happened, and there is a network.
        self.file("run/openrc").mkdir(parents=True, exist_ok=True)
        self.file("run/openrc/softlevel").write_text("default\n")
        self.file("etc/rc.conf").write_text('rc_provide="loopback net"\n')
        self.file("usr/local/bin/wget").symlink_to("/bin/busybox")

    def install(self, package):
        _, scripts, content = Apk.read(package)
        self.file("tmp/script").write_bytes(scripts[".pre-install"])
        for program, real in (("addgroup", "groupadd --system"), ("adduser", "useradd --system --no-create-home -g")):
            self.file(f"usr/local/bin/{program}").write_text(f'#!/bin/sh\nfor name; do :; done; {real} {"$name " if "-g" in real else ""}"$name"\n')
            self.file(f"usr/local/bin/{program}").chmod(0o755)
        self.sh("sh /tmp/script")
        (TARGET / "content.tar").write_bytes(content)
        run("tar", "-C", str(self.path), "-xf", str(TARGET / "content.tar"))

    def sh(self, line):
        """What a command says; a daemon that it starts may keep its output open."""
        environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        said = self.file("tmp/said")
        with open(said, "w") as output:
            subprocess.run(["chroot", str(self.path), "sh", "-c", line], stdout=output, stderr=output, env=environment)
        return said.read_text()


def wait(what, condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"in vain: {what}")


def answer(path, port=5030):
    """What the server says, asked from this network."""
    return subprocess.run(["curl", "-si", f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True).stdout


def commands(block):
    return [line.split("  #")[0].strip() for line in block.splitlines()]


def with_systemd(root):
    kind = type(root).__name__
    installation(root)
    package, = PACKAGES.glob(f"{NAME}[-_]*{root.suffix}")
    install, edit, disable, enable, ask = commands(SYSTEMD)
    check(install == f"apt install ./{NAME}_*_amd64.deb", install)
    root.install(package)
    root.run("sh", "-c", edit)
    root.run("sh", "-c", edit)  # once more changes nothing
    systemd = Systemd(root)
    systemd.follow(disable)
    systemd.follow(enable)
    wait(f"{kind}: it listens\n{systemd.said()}", lambda: answer("/vm"))
    said = run("sh", "-c", ask)
    check(" 401 " in said, f"{kind}: {ask}: {said}")
    common(kind, root, systemd.reload, systemd.said)
    systemd.stop()
    print(f"ok: {kind}: docs/opennebula.md, as written", flush=True)


def with_openrc(root):
    installation(root)
    root.file("proc").mkdir(exist_ok=True)
    run("mount", "-t", "proc", "proc", str(root.file("proc")))
    package, = PACKAGES.glob(f"{NAME}_*{root.suffix}")
    install, edit, add, start, ask = commands(OPENRC)
    check(install == f"apk add --allow-untrusted {NAME}_*_x86_64.apk", install)
    root.install(package)
    for line in (edit, edit, add):
        root.sh(line)
    said = root.sh(start)
    log = root.file(f"var/log/{NAME}.log")
    wait(f"OpenRC: it listens: {said}", lambda: answer("/vm"))
    check("401" in root.sh(ask), f"{ask}: {root.sh(ask)}")
    check(len(re.findall("^OPTIONS=", root.file(f"etc/{NAME}.env").read_text(), re.M)) == 1, "two lines of OPTIONS")
    check("started" in root.sh(f"rc-service {NAME} status"), root.sh(f"rc-service {NAME} status"))
    check(NAME in root.sh("rc-update show default"), "it is in no runlevel")
    common("OpenRC", root, lambda: root.sh(f"rc-service {NAME} reload"), log.read_text)
    rotation(root, log)
    said = root.sh(f"rc-service {NAME} stop")
    wait(f"OpenRC: it stops: {said}", lambda: not answer("/vm"))
    # With a mistake in the configuration it stays down, and the log says why.
    root.file("etc/one/onegate-server.conf").write_text(":port: here\n")
    root.sh(start)
    wait("OpenRC: the log names the mistake", lambda: ":port" in log.read_text())
    run("umount", str(root.file("proc")))
    print("ok: OpenRC: docs/opennebula.md, as written; start, reload, status, stop and logrotate", flush=True)


def rotation(root, log):
    """logrotate, while guests ask: every request has its line, the latest in the new file, and the old ones end up compressed."""
    root.file("etc/one/onegate-server.conf").write_text(CONF.replace(":debug_level: 1", ":debug_level: 2"))
    root.sh(f"rc-service {NAME} stop")
    wait("OpenRC: it stops", lambda: not answer("/vm"))
    root.sh(f"rc-service {NAME} start")
    answered = []

    def ask():
        if answer("/vm"):
            answered.append(True)
        return answered

    wait("OpenRC: it listens again", ask)
    for _ in range(2):
        done = threading.Event()
        guest = threading.Thread(target=lambda: [ask() for _ in iter(done.is_set, True)], daemon=True)
        guest.start()
        said = root.sh(f"logrotate --force /etc/logrotate.d/{NAME}")
        wait(f"OpenRC: logrotate: the new file has lines: {said}", lambda: "method=GET" in log.read_text())
        done.set()
        guest.join()
        check(not said, f"OpenRC: logrotate says: {said}")
    owner = log.stat()
    check(owner.st_mode & 0o777 == 0o640 and owner.st_uid, f"the new log has mode {owner.st_mode:o} and owner {owner.st_uid}")
    count = f"zcat -f /var/log/{NAME}.log* | grep -c method=GET"
    wait(f"OpenRC: {len(answered)} answers have a line each, of {root.sh(count)}", lambda: int(root.sh(count)) == len(answered))
    check(root.file(f"var/log/{NAME}.log.2.gz").exists(), "the second rotation has compressed nothing")
    root.file("etc/one/onegate-server.conf").write_text(CONF)


def common(kind, root, reload, log):
    """What the old server's file says holds, and what a reload changes."""
    for name in ("onegate_auth", "onegate-server.conf"):
        status = root.file(f"run/{NAME}/{name}").stat()
        check(status.st_uid == 0 and status.st_mode & 0o777 == 0o640, f"{kind}: {name} has mode {status.st_mode:o}")
    check("method=GET" not in log(), f"{kind}: :debug_level 1, warnings and errors, is not kept: {log()}")
    conf = root.file("etc/one/onegate-server.conf")
    conf.write_text(CONF.replace(":show: true", ":shows: true"))
    reload()
    wait(f"{kind}: a reload reads the installation's file", lambda: "shows" in log())
    conf.write_text(CONF)


def main():
    inside = sys.argv[1:2] == ["--inside"]
    wanted = sys.argv[2 if inside else 1:]
    if not inside:
        check(os.geteuid() == 0, "needs root, for roots of its own")
        OpenRc.prepare()
        namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        # The shell reaps what daemons leave behind, as an init does.
        again = ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-B", __file__, "--inside", *wanted]
        sys.exit(subprocess.run(namespaces + again).returncode)
    run("busybox", "ip", "link", "set", "lo", "up")
    for kind, follow in ((Debian, with_systemd), (Rpm, with_systemd), (OpenRc, with_openrc)):
        if not wanted or kind.__name__ in wanted:
            follow(kind())


if __name__ == "__main__":
    main()
