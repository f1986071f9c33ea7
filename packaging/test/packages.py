"""`make test-packages`: the packages installed, run, upgraded, removed and purged in roots of their own, beside a
stand-in of one-context in every order. Needs root; says SKIPPED for what can't be had.

usage: packages.py [Debian|Rpm|Apk]...     (all of them without an argument)
"""

import gzip
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from roots import TARGET, Apk, Debian, Rpm, run

PACKAGES = pathlib.Path("dist/packages").resolve()
NEWER = TARGET / "newer"
NEWS = "# What the newer version says here."
TOOLS = pathlib.Path("target/tools/bin").resolve()
THEIRS = TARGET / "one-context"
OLD_VERSION = re.search(r'^version = "(.*)"', pathlib.Path("Cargo.toml").read_text(), re.M)[1]
NEW_VERSION = OLD_VERSION + ".1"
passed = skipped = 0


def ok(what):
    global passed
    passed += 1
    print(f"ok: {what}", flush=True)


def skip(what):
    global skipped
    skipped += 1
    print(f"SKIPPED: {what}", flush=True)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def find(directory, name, suffix):
    """The package of this name and format."""
    wanted = {"deb": f"{name}_*", "rpm": f"{name}-[0-9]*", "apk": f"{name}_*"}[suffix.rsplit(".")[-1]]
    form = {"amd64.deb": "deb", "x86_64.rpm": "rpm", "x86_64.apk": "apk"}[suffix]
    found = [p for p in directory.glob(f"{wanted}.{form}") if suffix in p.name or name == "one-context"]
    check(len(found) == 1, f"{directory}: {name} {suffix}: {found}")
    return found[0]


def make_packages():
    """A newer version of ours, whose configuration file differs too, and two of theirs."""
    tree = TARGET / "newer-tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    run("sh", "-c", 'git ls-files -z | tar -cf - --null -T - | tar -C "$0" -xf -', str(tree))
    shutil.copytree("dist", tree / "dist", ignore=shutil.ignore_patterns("packages", "repository"))
    with open(tree / "packaging/server/onegate-server-lite.env", "a") as options:
        options.write(f"{NEWS}\n")
    date = run("git", "log", "-1", "--format=%ct").strip()
    run("packaging/build", cwd=tree, env={**os.environ, "VERSION": NEW_VERSION, "OUT": str(NEWER), "ARCHS": "x86_64",
                                          "SOURCE_DATE_EPOCH": date, "PATH": f"{TOOLS}:{os.environ['PATH']}"})
    for version in ("1", "2"):
        out = THEIRS / version
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        (out / "onegate").write_text(f'#!/bin/sh\n# one-context {version}\nexec ruby /usr/bin/onegate.rb "$@"\n')
        (out / "onegate.rb").write_text(f"#!/usr/bin/env ruby\n# one-context {version}\nputs 'Ruby {version}: ' + ARGV.join(' ')\n")
        for form in ("deb", "rpm", "apk"):
            run("nfpm", "package", "--packager", form, "--target", ".",
                "--config", str(pathlib.Path("packaging/test/one-context.yaml").resolve()), cwd=out,
                env={**os.environ, "VERSION": version, "MAINTAINER": "nobody <nobody@packages.invalid>"})


def check_both(root, ours, theirs, after):
    """What /usr/bin must hold, given the versions installed (None: not)."""
    where = f"{type(root).__name__}: after {after}"
    if ours:
        check(root.run("/usr/bin/onegate", "--version").split()[-1] == OLD_VERSION, f"{where}: onegate is not ours")
        shown = subprocess.run(["chroot", root.path, "/usr/bin/onegate", "--help"], capture_output=True, text=True)
        check("vm show" in shown.stdout + shown.stderr, f"{where}: onegate --help")
    elif theirs:
        check(f"one-context {theirs}" in root.text("/usr/bin/onegate"), f"{where}: theirs did not come back")
    else:
        check(not root.exists("/usr/bin/onegate"), f"{where}: an onegate is left")
    if theirs:
        check(f"one-context {theirs}" in root.text("/usr/bin/onegate.rb"), f"{where}: onegate.rb is not theirs")
        if isinstance(root, Debian):
            said = root.run("ruby", "/usr/bin/onegate.rb", "vm", "show")
            check(said == f"Ruby {theirs}: vm show\n", f"{where}: ruby onegate.rb says {said}")
    else:
        check(not root.exists("/usr/bin/onegate.rb"), f"{where}: onegate.rb is left")
    if not (ours and theirs):
        check(not root.exists("/usr/bin/onegate.one-context"), f"{where}: onegate.one-context is left")
    if not ours:
        check(root.left() == "", f"{where}: {root.left()}")


def every_order(root):
    """Install, upgrade and remove of both packages: all twenty ways to interleave the six steps."""
    ours = {1: find(PACKAGES, "onegate", root.suffix), 2: find(NEWER, "onegate", root.suffix)}
    theirs = {1: find(THEIRS / "1", "one-context", root.suffix), 2: find(THEIRS / "2", "one-context", root.suffix)}
    orders = 0
    for places in itertools.combinations(range(6), 3):
        state, done = {"ours": 0, "theirs": 0}, []
        for step in range(6):
            whose = "ours" if step in places else "theirs"
            packages, name = (ours, "onegate") if whose == "ours" else (theirs, "one-context")
            state[whose] = (state[whose] + 1) % 3
            now = state[whose]
            done.append(f"{whose} {('removed', 'installed', 'upgraded')[now]}")
            if now == 0:
                root.remove(name)
            else:
                (root.install, root.upgrade)[now - 1](packages[now])
            check_both(root, state["ours"], state["theirs"], ", ".join(done))
        orders += 1
    ok(f"{type(root).__name__}: {orders} orders of installing, upgrading and removing onegate and one-context")


def files(root):
    """What the agent's package brings, and that all of it goes."""
    before = {p for p in root.path.rglob("*")}
    root.install(find(PACKAGES, "onegate", root.suffix))
    for name in ("/usr/share/man/man1/onegate.1.gz", "/usr/share/bash-completion/completions/onegate",
                 "/usr/share/fish/vendor_completions.d/onegate.fish", "/usr/share/doc/onegate/contrib/README.md"):
        check(root.exists(name), f"{name} is missing")
    root.remove("onegate")
    if isinstance(root, Debian):
        root.purge("onegate")
    stray = {p for p in root.path.rglob("*") if not p.is_dir()} - before
    stray = [p for p in stray if not re.search(r"/var/(lib|log|cache)/|/tmp/", str(p))]
    check(not stray, f"left behind: {stray}")
    ok(f"{type(root).__name__}: the agent's files come and go")


def server(root):
    """The server's package: its user, its files, its configuration kept."""
    root.install(find(PACKAGES, "onegate-server-lite", root.suffix))
    check(root.run("/usr/bin/onegate-server-lite", "--version").split()[-1] == OLD_VERSION, "server --version")
    check("onegate-server-lite" in root.file("etc/passwd").read_text(), "the server has no user")
    service = "etc/init.d" if isinstance(root, Apk) else "usr/lib/systemd/system"
    check(list(root.file(service).glob("onegate-server-lite*")), f"there is no service in {service}")
    options = root.file("etc/onegate-server-lite.env")
    options.write_text(options.read_text() + "# mine\n")
    if not isinstance(root, Apk):  # apk itself keeps changed files of /etc; the emulation here doesn't
        root.upgrade(find(NEWER, "onegate-server-lite", root.suffix))
        check("# mine" in options.read_text() and NEWS not in options.read_text(), "an upgrade lost the configuration")
        beside = root.file("etc/onegate-server-lite.env" + (".dpkg-dist" if isinstance(root, Debian) else ".rpmnew"))
        check(NEWS in beside.read_text(), f"the new version's configuration is not in {beside}")
        root.downgrade(find(PACKAGES, "onegate-server-lite", root.suffix))
        check("# mine" in options.read_text(), "a rollback lost the configuration")
        check(root.run("/usr/bin/onegate-server-lite", "--version").split()[-1] == OLD_VERSION, "no rollback")
        beside.unlink(missing_ok=True)
    root.file("var/lib/onegate-server-lite").mkdir(exist_ok=True)
    root.remove("onegate-server-lite")
    check(not root.exists("/usr/bin/onegate-server-lite"), "the server is left behind")
    if isinstance(root, Debian):
        check(options.exists() and root.exists("/var/lib/onegate-server-lite"), "a removal lost the state")
        root.purge("onegate-server-lite")
        check(not options.exists() and not root.exists("/var/lib/onegate-server-lite"), "a purge left the state")
    ok(f"{type(root).__name__}: the server's package comes, is upgraded beside a changed configuration, rolled back, and goes")


def dnf(root):
    """The same through dnf."""
    root.install(find(THEIRS / "1", "one-context", root.suffix))
    root.dnf("install", str(find(PACKAGES, "onegate", root.suffix)))
    check_both(root, 1, 1, "dnf install")
    root.dnf("install", str(find(NEWER, "onegate", root.suffix)))
    check_both(root, 2, 1, "dnf upgrade")
    root.dnf("remove", "onegate")
    check_both(root, 0, 1, "dnf remove")
    root.remove("one-context")
    ok("dnf: install, upgrade, remove")


def aarch64():
    """The aarch64 packages hold a binary that runs."""
    for form in ("deb", "rpm", "apk"):
        package = next(p for p in PACKAGES.iterdir() if re.search(rf"(arm64|aarch64)\.{form}$", p.name))
        root = unpack(package, TARGET / "aarch64")
        binary = next(p for p in root.rglob("onegate") if p.is_file() and p.stat().st_size > 100_000)
        check(run("qemu-aarch64-static", str(binary), "--version").split()[-1] == OLD_VERSION, f"{package}: --version")
    ok("aarch64: deb, rpm and apk hold a binary that runs")


def unpack(package, into):
    """The files of a package, whatever its format."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    command = {".deb": "dpkg-deb -x {} {}", ".rpm": "rpm2cpio {} | (cd {} && cpio --quiet -idm)",
               ".apk": "tar -xzf {} -C {} 2>/dev/null"}[package.suffix]
    run("sh", "-c", command.format(package, into))
    return into


def contents():
    """Every package holds the SBOM of what is linked, a licence notice for each part of it, and the changes."""
    for package in sorted(p for p in PACKAGES.iterdir() if p.suffix in (".deb", ".rpm", ".apk")):
        name = re.match(r"(onegate(-server-lite)?)[-_]", package.name)[1]
        root = unpack(package, TARGET / "contents")
        docs = root / "usr/share/doc" / name
        notices = (docs if package.suffix == ".deb" else root / "usr/share/licenses" / name) / "NOTICES.gz"
        text = gzip.decompress(notices.read_bytes()).decode()
        parts = {part["name"]: part["version"] for part in json.loads((docs / "sbom.cdx.json").read_text())["components"]}
        check({"ring", "rustls", "subtle", "musl", "rust-std"} <= parts.keys(), f"{package.name}: SBOM of {parts}")
        # What is built for building: macros, and what build scripts use.
        check(not {"syn", "quote", "serde_derive", "cc"} & parts.keys(), f"{package.name}: the SBOM has what isn't linked")
        check(name == "onegate-server-lite" or "redb" not in parts, f"{package.name}: the SBOM has the server's crates")
        for part, version in parts.items():
            part = {"rust-std": "Rust's standard library"}.get(part, part)
            check(f"{part} {version} (" in text, f"{package.name}: no notice for {part} {version}")
        for words in ("Permission is hereby granted", "Neither the name", "Permission to use, copy, modify"):
            check(words in text, f"{package.name}: the notices lack '{words}'")  # MIT, BSD, ISC
        check(f"## {OLD_VERSION}" in (docs / "CHANGELOG.md").read_text(), f"{package.name}: no change of {OLD_VERSION}")
    ok("every package holds its SBOM, the notices of all that is linked, and the changes")
    validate = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
for path in sys.argv[1:]:
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(path).read())
    if error: sys.exit(f"{path}: {error}")
"""
    run("target/tools/venv/bin/python", "-c", validate, *map(str, pathlib.Path("dist").glob("*.cdx.json")))
    ok("the SBOMs keep to CycloneDX 1.5")


def readme():
    """The packages that README.md installs are there."""
    names = re.findall(r"dist/packages/\S+", pathlib.Path("README.md").read_text())
    check(len(names) >= 3, f"README.md installs {names}")
    for name in names:
        check(pathlib.Path(name).exists(), f"README.md installs {name}, which is not there")
    ok("README.md installs what there is")


def lint():
    run("lintian", "--allow-root", "--fail-on=error", *map(str, PACKAGES.glob("*.deb")))
    ok("lintian finds no error")
    run("rpmlint", "--config", "packaging/rpmlint.toml", *map(str, PACKAGES.glob("*.rpm")))
    ok("rpmlint finds no error")


def hardening():
    """The unit's exposure, as systemd-analyze scores it: 0 is none, 10 is all."""
    unit = "packaging/server/onegate-server-lite.service"
    said = run("systemd-analyze", "security", "--offline=true", "--threshold=15", unit)
    ok("systemd-analyze: " + said.strip().splitlines()[-1].lstrip("→ "))


def reproducible():
    again = TARGET / "again"
    run("packaging/build", env={**os.environ, "OUT": str(again)})
    check((again / "SHA256SUMS").read_text() == (PACKAGES / "SHA256SUMS").read_text(), "another build has other bits")
    ok("a second build of the packages has the same bits")


def main():
    if os.geteuid() != 0:
        skip("packages: needs root to install them into roots of their own")
        print("0 passed, 0 failed, 1 skipped")
        return
    for package in ("debootstrap", "rpm", "dnf", "lintian", "rpmlint", "busybox", "cpio", "qemu-aarch64-static", "systemd-analyze", "nfpm"):
        if not shutil.which(package):
            sys.exit(f"test-packages: {package} is missing. First: make tools")
    TARGET.mkdir(parents=True, exist_ok=True)
    reproducible()
    make_packages()
    readme()
    contents()
    lint()
    hardening()
    for kind in [k for k in (Debian, Rpm, Apk) if not sys.argv[1:] or k.__name__ in sys.argv[1:]]:
        root = kind()
        every_order(root)
        files(root)
        server(root)
        if kind is Rpm:
            dnf(root)
    aarch64()
    skip("apk-tools themselves: no Debian package; the archives' scripts and triggers ran in apk's order")
    print(f"{passed} passed, 0 failed, {skipped} skipped")


if __name__ == "__main__":
    main()
