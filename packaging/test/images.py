"""`make test-images`: what contrib/ has for those who build images: onegate in a tree of the context packages' shape,
the Packer snippet, the container images; and the example of an apt repository. Needs root and `make package`.
"""

import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile

from roots import TARGET, Debian, run

VERSION = re.search(r'^version = "(.*)"', pathlib.Path("Cargo.toml").read_text(), re.M)[1]
AGENT = pathlib.Path("dist/x86_64/onegate").resolve()
SERVER = pathlib.Path("dist/x86_64/onegate-server-lite").resolve()
passed = 0

# A tree of the shape that one-apps' context-linux has, as far as `apply` looks at it: files with and without tags,
# TAGS and DEPENDS for each target, and a generate.sh that hands fpm an architecture.
TARGETS = """case "${TARGET}" in
    'freebsd')
        TYPE=${TYPE:-freebsd}
        TAGS=${TAGS:-bsd bsd_rc one}
        DEPENDS=${DEPENDS:-sudo bash ruby gawk}
        ;;
    'el9')
        TYPE=${TYPE:-rpm}
        TAGS=${TAGS:-linux rpm systemd one}
        DEPENDS=${DEPENDS:-bash ruby rubygem-json sudo}
        ;;
    'deb')
        TYPE=${TYPE:-deb}
        TAGS=${TAGS:-linux deb systemd one}
        DEPENDS=${DEPENDS:-bash parted ruby acpid|systemd ruby-json}
        ;;
    'alpine')
        TYPE=${TYPE:-apk}
        TAGS=${TAGS:-linux apk one}
        DEPENDS=${DEPENDS:-bash shadow ruby ruby-json bind-tools}
        ;;
esac
"""
GENERATE = """#!/usr/bin/env bash
set -e
source targets.sh
OUT="out/one-context.noarch.${TYPE}"
BUILD_DIR=$(mktemp -d)
trap 'rm -rf "${BUILD_DIR}"' EXIT
while IFS= read -r -d '' SRC; do
    for TAG in $(case $SRC in *'##'*) echo "${SRC##*##}" | tr . ' ' ;; esac); do
        [[ " ${TAGS} " == *" ${TAG} "* ]] || continue 2
    done
    mkdir -p "${BUILD_DIR}/$(dirname "${SRC}")"
    cp "src/${SRC}" "${BUILD_DIR}/${SRC%##*}"
done < <(cd src && find . -type f -print0)
if [ "${TYPE}" = 'dir' ]; then
    cp -rT "${BUILD_DIR}" "${OUT}"
else
@ARCH@
    # shellcheck disable=SC2086
    fpm --name one-context \\
        --architecture @VALUE@ --license 'Apache 2.0' \\
        --output-type "${TYPE}" --input-type dir --chdir "${BUILD_DIR}" \\
        ${DEPENDS:+ --depends ${DEPENDS// / --depends }} \\
        --package "${OUT}"
fi
basename "${OUT}"
"""
# How generate.sh has named the architecture: for all formats, and since it knows apk's own name for none.
SHAPES = {
    "all": ("", "all"),
    "_ARCH": ("    _ARCH='all'\n    [ \"${TYPE}\" != 'apk' ] || _ARCH='noarch'", '"${_ARCH}"'),
}


def ok(what):
    global passed
    passed += 1
    print(f"ok: {what}", flush=True)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def make_tree(shape):
    tree = TARGET / "context-linux"
    shutil.rmtree(tree, ignore_errors=True)
    arch, value = SHAPES[shape]
    files = {"usr/bin/onegate": "wrapper", "usr/bin/onegate.rb": "ruby client", "usr/bin/one_cloudinit.rb": "cloudinit",
             "usr/bin/cloudinit_cc_run_cmd.rb": "cloudinit", "etc/one-context.d/net-96-cloudinit": "cloudinit",
             "etc/one-context.d/net-99-report-ready": "report", "etc/devd/one-context.conf##bsd": "devd"}
    for name, text in files.items():
        (tree / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "src" / name).write_text(text)
    (tree / "targets.sh").write_text(TARGETS)
    (tree / "generate.sh").write_text(GENERATE.replace("@ARCH@", arch).replace("@VALUE@", value))
    # In fpm's place: its arguments, and the tree that it would pack.
    (tree / "fpm").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >arguments\nwhile [ "$1" != --chdir ]; do shift; done\n'
                              'rm -rf packed; cp -r "$2" packed\n')
    (tree / "fpm").chmod(0o755)
    return tree


def generate(tree, target):
    """(fpm's arguments, the packed tree, the package's name)"""
    name = run("bash", "generate.sh", cwd=tree, env={"PATH": f"{tree}:{os.environ['PATH']}", "TARGET": target})
    return (tree / "arguments").read_text().splitlines(), tree / "packed", name.split()[-1]


def one_context():
    for shape in SHAPES:
        for without_ruby in (False, True):
            tree = make_tree(shape)
            apply = ["contrib/one-context/apply", *(["--without-ruby"] if without_ruby else []), str(tree), str(AGENT)]
            run(*apply)
            run(*apply)  # once more changes nothing
            for target, arch in (("deb", "amd64"), ("el9", "x86_64"), ("alpine", "x86_64"), ("freebsd", "all")):
                where = f"{shape}, {target}, {'without' if without_ruby else 'with'} Ruby"
                arguments, packed, name = generate(tree, target)
                check(arguments[arguments.index("--architecture") + 1] == arch, f"{where}: {arguments}")
                client, program = packed / "usr/bin/onegate", packed / "usr/bin/onegate.rb"
                depends = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--depends"]
                if target == "freebsd":
                    check(client.read_text() == "wrapper" and program.read_text() == "ruby client", f"{where}: BSD's client")
                    check((packed / "usr/bin/one_cloudinit.rb").exists() and "ruby" in depends, f"{where}: BSD's Ruby")
                    continue
                check(run(str(client), "--version").split()[-1] == VERSION, f"{where}: onegate")
                check(f".{arch}." in name, f"{where}: {name}")
                check("bash" in depends and len(depends) >= 2, f"{where}: {depends}")
                ruby = [name for name in depends if "ruby" in name] + [p.name for p in packed.rglob("*.rb")]
                check(bool(ruby) != without_ruby, f"{where}: {ruby}")
                check(bool(list(packed.rglob("net-9*-cloudinit*"))) != without_ruby, f"{where}: cloud-init's user data")
                check((packed / "etc/one-context.d/net-99-report-ready").exists(), f"{where}: report-ready")
    ok("one-context: a tree of its shape, with and without _ARCH, for deb, rpm, apk and BSD")


def repository(root):
    run("packaging/repository")
    shutil.copytree("dist/repository", root.file("repository"))
    root.file("etc/apt/sources.list.d").mkdir(exist_ok=True)
    root.file("etc/apt/sources.list").write_text("deb [signed-by=/repository/key.asc] file:/repository stable main\n")
    apt = ["apt-get", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]
    root.run(*apt, "update", "--error-on=any")
    root.run(*apt, "install", "-y", "onegate", "onegate-server-lite")
    check(root.run("onegate", "--version").split()[-1] == VERSION, "apt's onegate")
    index = root.file("repository/dists/stable/InRelease")
    index.write_text(index.read_text().replace("Suite: stable", "Suite: stables"))
    try:
        root.run(*apt, "update", "--error-on=any")
        raise AssertionError("apt took a repository with a broken signature")
    except RuntimeError as error:
        check("BADSIG" in str(error), f"apt says of a broken signature: {error}")
    root.run(*apt, "remove", "-y", "onegate", "onegate-server-lite")
    root.file("etc/apt/sources.list").write_text("")
    ok("repository: apt installs from it, and refuses it once it has been changed")


def packer(root):
    hcl = "import hcl2, json, sys; print(json.dumps(hcl2.load(open(sys.argv[1]))))"
    snippet = run("target/tools/venv/bin/python", "-c", hcl, "contrib/packer/onegate.pkr.hcl")
    for word in ("install-onegate", "PACKAGE=", '"provisioner"', '"variable"'):
        check(word in snippet, f"the snippet has no {word}: {snippet}")
    package = next(pathlib.Path("dist/packages").glob("onegate_*_amd64.deb"))
    shutil.copy(package, root.file("tmp") / package.name)
    shutil.copy("contrib/packer/install-onegate", root.file("tmp/install-onegate"))
    said = root.run("/usr/bin/env", f"PACKAGE=/tmp/{package.name}", "sh", "/tmp/install-onegate")
    check(said.splitlines()[-1].split()[-1] == VERSION, f"install-onegate says {said}")
    check(not root.exists(f"/tmp/{package.name}"), "install-onegate leaves the package in the image")
    ok("Packer: the snippet is HCL, and its script installs the package in a Debian root")


def make_image(role, binary, *more):
    """(the image's root, its configuration); every digest is checked."""
    file = TARGET / f"{role}.oci.tar"
    run("contrib/container/build", "--output", str(file), role, str(binary), *more)
    first = file.read_bytes()
    run("contrib/container/build", "--output", str(file), role, str(binary), *more)
    check(file.read_bytes() == first, f"{role}: a second image has other bits")
    with tarfile.open(file) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}

    def blob(part):
        content = files["blobs/sha256/" + part["digest"].removeprefix("sha256:")]
        check(hashlib.sha256(content).hexdigest() == part["digest"].removeprefix("sha256:"), f"{role}: digest of {part}")
        check(len(content) == part["size"], f"{role}: size of {part}")
        return content

    check(json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}, f"{role}: oci-layout")
    manifest = json.loads(blob(json.loads(files["index.json"])["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    root = TARGET / f"container-{role}"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(layer))) as tar:
            tar.extractall(root, filter="fully_trusted")
    docker = json.loads(files["manifest.json"])[0]
    check(docker["Config"].endswith(manifest["config"]["digest"].split(":")[1]), f"{role}: manifest.json")
    return root, config


def start(root, config, arguments, environment):
    """A container's process, as far as a root and a user make one."""
    def enter():
        os.chroot(root)
        os.chdir(config["config"]["WorkingDir"])
        user = int(config["config"]["User"])
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)

    return subprocess.Popen(config["config"]["Entrypoint"] + arguments, preexec_fn=enter, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def container():
    root, config = make_image("server", SERVER)
    arguments = [word.replace("0.0.0.0:5030", "127.0.0.1:0") for word in config["config"]["Cmd"]]
    check("127.0.0.1:0" in arguments and config["config"]["ExposedPorts"] == {"5030/tcp": {}}, f"the server's image: {config}")
    server = start(root, config, arguments, {})
    try:
        line = next((line for line in server.stdout if "listening" in line), "")
        check("http://" in line, f"the server's container ended with {server.poll()}")
        endpoint = line.split()[-1]
        check(any((root / "state").iterdir()), "the server keeps nothing in /state")
        token = run(str(SERVER), "token", "8", "--state", str(root / "state")).strip()

        bundle = TARGET / "bundle.pem"
        bundle.write_text("")
        root, config = make_image("agent", AGENT, str(bundle))
        check((root / "etc/ssl/certs/ca-certificates.crt").exists(), "the agent's image has no authorities")
        environment = {"ONEGATE_ENDPOINT": endpoint, "VMID": "8", "TOKENTXT": token}
        agent = start(root, config, config["config"]["Cmd"], environment)
        said = agent.communicate()[0]
        check(agent.returncode == 0 and "master_0_(service_1)" in said, f"the agent's container says {said}")
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate()
    check(server.returncode == 0, f"the server's container ends with {server.returncode}")
    ok("containers: two images from scratch, each digest right; the agent in one talks to the server in the other")


def main():
    if os.geteuid() != 0:
        sys.exit("test-images: needs root, for roots of its own")
    TARGET.mkdir(parents=True, exist_ok=True)
    one_context()
    container()
    root = Debian()
    packer(root)
    root.run("dpkg", "--purge", "onegate")
    repository(root)
    print(f"{passed} passed, 0 failed, 0 skipped")


if __name__ == "__main__":
    main()
