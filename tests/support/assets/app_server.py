"""An app's own server, as a developer would write one, with switches.

It takes pushes at any path below /push, verifies them (Standard Webhooks with
the package standardwebhooks, RongCloud's form by its rule), keeps what it saw,
and answers as it was told:

GET  /control/received          everything that came, in order
POST /control/behave            a list of behaviours, the first that fits counts:
    {"kind": "status", "status": 500, "headers": {}, "body": "", "times": 2, "containing": "text"}
    kinds: status, hang (until /control/release), drop (the connection breaks off),
    huge (200 and a body without end), slow (200 after its body in small pieces)
POST /control/release           lets what hangs go
POST /control/secrets           {"webhook": [...], "rongcloud": "..."}

Usage: app_server.py SECRETS-AS-JSON [PORT]. Prints a line of JSON when it
listens, and ends when its standard input does.
"""

import hashlib
import hmac
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from standardwebhooks import Webhook

LOCK = threading.Lock()
RECEIVED = []
BEHAVIOURS = []
SECRETS = json.loads(sys.argv[1])
RELEASED = threading.Event()


def verify(path, headers, body):
    """How the push is signed, and what is wrong with that."""
    if "webhook-id" in headers:
        errors = []
        for secret in SECRETS.get("webhook", []):
            try:
                Webhook(secret).verify(body, headers)
                return "standard-webhooks", None
            except Exception as error:  # the package's own words
                errors.append(str(error))
        return "standard-webhooks", "; ".join(errors) or "no secret"
    query = {key: values[0] for key, values in parse_qs(urlsplit(path).query).items()}
    if "signature" in query:
        text = SECRETS.get("rongcloud", "") + query["nonce"] + query["signTimestamp"]
        expected = hashlib.sha1(text.encode()).hexdigest()
        if not hmac.compare_digest(expected, query["signature"]):
            return "rongcloud", "the signature differs"
        age = abs(time.time() - int(query["signTimestamp"]) / 1000)
        return "rongcloud", None if age < 300 else "the time is too far away"
    return "none", "not signed"


def parse(kind, body):
    if kind == "standard-webhooks":
        return json.loads(body)
    form = {key: values[0] for key, values in parse_qs(body, strict_parsing=True).items()}
    form["content"] = json.loads(form["content"])
    return form


def behaviour_for(body):
    for behaviour in BEHAVIOURS:
        if behaviour.get("times", 1) != 0 and behaviour.get("containing", "") in body:
            if behaviour.get("times", 1) > 0:
                behaviour["times"] = behaviour.get("times", 1) - 1
            return dict(behaviour)
    return {"kind": "status", "status": 200, "body": "ok"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", 0))).decode()

    def answer(self, status, body=b"ok", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with LOCK:
            body = json.dumps(RECEIVED).encode()
        self.answer(200, body, [("content-type", "application/json")])

    def do_POST(self):
        global BEHAVIOURS, SECRETS
        body = self.body()
        if self.path.startswith("/control/"):
            with LOCK:
                if self.path == "/control/behave":
                    BEHAVIOURS = json.loads(body)
                    RELEASED.clear()
                elif self.path == "/control/secrets":
                    SECRETS = json.loads(body)
                elif self.path == "/control/release":
                    RELEASED.set()
            return self.answer(200)
        self.push(body)

    def push(self, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        kind, wrong = verify(self.path, headers, body)
        with LOCK:
            behaviour = behaviour_for(body)
            RECEIVED.append(
                {
                    "path": self.path,
                    "headers": headers,
                    "format": kind,
                    "wrong": wrong,
                    "raw": body,
                    "push": parse(kind, body) if wrong is None else None,
                    "behaviour": behaviour["kind"],
                    "status": behaviour.get("status", 200),
                }
            )
        getattr(self, "do_" + behaviour["kind"])(behaviour)

    def do_status(self, behaviour):
        headers = behaviour.get("headers", {}).items()
        self.answer(behaviour["status"], behaviour.get("body", "").encode(), headers)

    def do_hang(self, behaviour):
        RELEASED.wait(60)
        self.close_connection = True

    def do_drop(self, behaviour):
        self.close_connection = True
        self.connection.close()

    def do_huge(self, behaviour):
        self.send_response(200)
        self.send_header("content-length", str(1 << 40))
        self.end_headers()
        self.close_connection = True
        try:
            for _ in range(4096):
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def do_slow(self, behaviour):
        self.send_response(200)
        self.send_header("content-length", "100")
        self.end_headers()
        self.close_connection = True
        try:
            for _ in range(100):
                if RELEASED.wait(0.1):
                    break
                self.wfile.write(b".")
                self.wfile.flush()
        except OSError:
            pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def main():
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d" % server.server_address[1]
    print(json.dumps({"event": "ready", "url": url}), flush=True)
    sys.stdin.read()


main()
