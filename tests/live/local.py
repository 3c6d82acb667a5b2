"""Starts the programs of a build for a test, on ports that are free, and stops them again."""
import base64
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OFFSETS = (0, 2, 3, 7, 10, 50, 52, 53)  # what a node may listen on, from its port base
SKIP = 77


def skip(reason):
    print("SKIPPED:", reason)
    sys.exit(SKIP)


def free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_base():
    """Below the range from which the kernel hands out ports to connecting sockets."""
    while True:
        base = random.randrange(11000, 32000, 10)
        if all(free(base + offset) for offset in OFFSETS):
            return base


def recordings(inside, own):
    """The folder of recordings beside the repository when it is there, else the repository's own copy."""
    shared = os.path.join(os.environ.get("DIVAN_SHARED", os.path.join(ROOT, "..", "shared")), inside)
    return shared if os.path.isdir(shared) else os.path.join(ROOT, own)


@contextlib.contextmanager
def cluster(build, *options):
    """`divan up`: yields what it printed, as a dict."""
    divan, folder = os.path.join(build, "bin", "divan"), tempfile.mkdtemp()
    where = ["--dir", folder]
    try:
        up = subprocess.run([divan, "up", "--detach", "--json", "--port-base", "auto", *where, *options], stdout=subprocess.PIPE, timeout=60)
        if up.returncode:
            raise SystemExit("divan up failed with status %d" % up.returncode)
        yield json.loads(up.stdout)
    finally:
        subprocess.run([divan, "down", *where], stdout=subprocess.DEVNULL, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def node(build, *options):
    """A lone `divand --memory`, uninitialised: yields (management port, key-value port)."""
    base = free_base()
    process = subprocess.Popen([os.path.join(build, "bin", "divand"), "--memory", "--host", "127.0.0.1",
                                "--port-base", str(base), *options])
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", base), timeout=1):
                break
            time.sleep(0.01)
        else:
            raise SystemExit("divand does not listen (status %s)" % process.poll())
        yield base, base + 10
    finally:
        status = stop(process)
    if status not in (0, -signal.SIGTERM):
        raise SystemExit("divand ended with status %s" % status)


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "killed: it did not stop within 20 s"


def rest(place, method, path, form=None):
    """One management request with the administrator's credentials; returns (status, text)."""
    mgmt = place["nodes"][0]["mgmt"]
    host, _, port = mgmt.rpartition(":") if isinstance(mgmt, str) else (place["nodes"][0]["host"], "", mgmt)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    credentials = base64.b64encode(("%s:%s" % (place["username"], place["password"])).encode()).decode()
    try:
        connection.request(method, path, urllib.parse.urlencode(form or {}),
                           {"Authorization": "Basic " + credentials, "Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf8", "replace")
    finally:
        connection.close()


def kv_address(place):
    kv = place["nodes"][0]["kv"]
    host, _, port = kv.rpartition(":") if isinstance(kv, str) else (place["nodes"][0]["host"], "", kv)
    return host, int(port)
