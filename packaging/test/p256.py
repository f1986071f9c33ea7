"""Does the agent's P-256 (packaging/static/p256.c) agree with OpenSSL's? usage: p256.py COUNT COMMAND...

COMMAND is what runs the agent. COUNT connections, each with new keys on P-256 alone: an authority, a certificate that it
signs, and the key exchange. Then, as often, a certificate whose signature has one bit wrong, which must be refused.
"""

import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import threading
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer

COUNT, COMMAND = int(sys.argv[1]), sys.argv[2:]
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
CONFIG = """[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = onegate.test
[authority]
basicConstraints = critical,CA:TRUE
[server]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1
"""


class Vm(BaseHTTPRequestHandler):
    """One VM for everybody."""

    def do_GET(self):
        body = b'{"VM": {"ID": "8", "NAME": "p256"}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make(at):
    """An authority, and a certificate of the server by it."""
    cnf = at / "cnf"
    cnf.write_text(CONFIG)
    openssl("req", "-x509", *KEY, "-days", "2", "-config", cnf, "-keyout", at / "ca.key", "-out", at / "ca.pem")
    openssl("req", *KEY, "-config", cnf, "-keyout", at / "key", "-out", at / "csr")
    openssl("x509", "-req", "-in", at / "csr", "-CA", at / "ca.pem", "-CAkey", at / "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", cnf, "-extensions", "server", "-out", at / "cert")


def spoil(at, bit):
    """One bit of the signature, which a certificate ends with."""
    der = bytearray(b64decode(re.sub(r"-----.*?-----", "", (at / "cert").read_text())))
    der[-1 - bit // 8] ^= 1 << bit % 8
    (at / "cert").write_text(f"-----BEGIN CERTIFICATE-----\n{b64encode(der).decode()}\n-----END CERTIFICATE-----\n")


def ask(at):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ecdh_curve("prime256v1")
    context.load_cert_chain(at / "cert", at / "key")
    server = HTTPServer(("127.0.0.1", 0), Vm)
    # The handshake belongs to the connection's own handling: a refusal there is no failure of the server.
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=lambda: server.handle_request(), daemon=True).start()
    environment = {**os.environ, "ONEGATE_ENDPOINT": f"https://127.0.0.1:{server.server_port}", "VMID": "8", "TOKENTXT": "t",
                   "ONEGATE_CA_CERT": b64encode((at / "ca.pem").read_bytes()).decode()}
    said = subprocess.run([*COMMAND, "vm", "show", "--get", "NAME"], env=environment, text=True,
                          capture_output=True)
    server.server_close()
    return said


for count in range(COUNT):
    with tempfile.TemporaryDirectory() as scratch:
        at = pathlib.Path(scratch)
        make(at)
        said = ask(at)
        if said.stdout != "p256\n":
            sys.exit(f"connection {count}: {said.stdout}{said.stderr}")
        spoil(at, count % 128)
        said = ask(at)
        if said.returncode == 0 or "signature" not in said.stderr.lower():
            sys.exit(f"connection {count}, a wrong signature: {said.stdout}{said.stderr}")
