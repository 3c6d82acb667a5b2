#!/usr/bin/env python3
"""test_disk.py BUILD [KILLS]: a divand with --data is killed again and again under load; what was acknowledged as persisted is
there afterwards, and every vBucket is at one of the states it had."""
import base64
import http.client
import json
import os
import random
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import zlib

BUILD = sys.argv[1]
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
DIVAND = os.path.join(BUILD, "bin", "divand")
VBUCKETS, KEYS = 16, 40
SUCCESS, ENOENT, TMPFAIL, AMBIGUOUS = 0x00, 0x01, 0x86, 0xA3
OP_GET, OP_SET, OP_DELETE, OP_STAT, OP_HELLO, OP_SASL, OP_SELECT = 0x00, 0x01, 0x04, 0x10, 0x1F, 0x21, 0x89
OP_SEQNO_PERSISTENCE, OP_FAILOVER_LOG = 0xB7, 0x96
PERSIST = {"active": 2, "majority": 3}


class Refused(Exception):
    pass


class Connection:
    """One request at a time, as bytes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.call(OP_HELLO, key=b"test", value=struct.pack(">4H", 0x04, 0x08, 0x11, 0x07))  # seqno, xerror, durability, ...
        self.must(OP_SASL, key=b"PLAIN", value=b"\0Administrator\0password")
        self.must(OP_SELECT, key=b"default")

    def call(self, op, vbucket=0, key=b"", extras=b"", value=b"", level=0):
        frames = bytes([0x11, level]) if level else b""
        if level:
            head = struct.pack(">BBBBBBHIIQ", 0x08, op, len(frames), len(key), len(extras), 0, vbucket,
                               len(frames) + len(extras) + len(key) + len(value), 0, 0)
        else:
            head = struct.pack(">BBHBBHIIQ", 0x80, op, len(key), len(extras), 0, vbucket,
                               len(extras) + len(key) + len(value), 0, 0)
        self.socket.sendall(head + frames + extras + key + value)
        return self.answer()

    def answer(self):
        head = self.take(24)
        magic, _, a, b, extras, _, status, body, _, cas = struct.unpack(">BBBBBBHIIQ", head)
        frames, key = (a, b) if magic == 0x18 else (0, a << 8 | b)
        body = self.take(body)
        return status, body[frames:frames + extras], body[frames + extras:frames + extras + key], body[
            frames + extras + key:], cas

    def take(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("closed")
            data += more
        return data

    def must(self, op, **more):
        got = self.call(op, **more)
        if got[0]:
            raise Refused("operation 0x%02x: status 0x%02x %r" % (op, got[0], got[3]))
        return got

    def stats(self, group):
        self.socket.sendall(struct.pack(">BBHBBHIIQ", 0x80, OP_STAT, len(group), 0, 0, 0, len(group), 0, 0) + group)
        found = {}
        while True:
            status, _, key, value, _ = self.answer()
            if status or not key:
                return found
            found[key.decode()] = value.decode()


class Node:
    all = []

    def __init__(self, folder, **more):
        self.process = subprocess.Popen([DIVAND, "--any-port", "--json", "--vbuckets", str(VBUCKETS), "--data", folder, "--init",
                                         "Administrator:password:default"], stdout=subprocess.PIPE, text=True, **more)
        Node.all.append(self.process)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("divand did not start")
        self.place = json.loads(line)
        end = time.monotonic() + 20
        while True:
            try:
                self.connect()
                break
            except (OSError, Refused):
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def connect(self):
        return Connection(self.place["kv"])

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        status = self.process.wait(30)
        self.process.stdout.close()
        return status

    def rest(self, method, path, form=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.place["mgmt"], timeout=20)
        credentials = base64.b64encode(b"Administrator:password").decode()
        connection.request(method, path, urllib.parse.urlencode(form or {}),
                           {"Authorization": "Basic " + credentials, "Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text


def vbucket_of(key):
    return ((zlib.crc32(key) >> 16) & 0x7FFF) % VBUCKETS


class Writer(threading.Thread):
    """Writes its own keys, one operation at a time, and remembers every value and what it was told."""

    def __init__(self, node, number, state, seed):
        super().__init__()
        self.node, self.number, self.state, self.random = node, number, state, random.Random(seed)

    def run(self):
        try:
            c = self.node.connect()
            while True:
                self.step(c)
        except (OSError, struct.error):
            pass  # the node is no more: what was under way may have happened

    def step(self, c):
        key = b"w%d-%d" % (self.number, self.random.randrange(KEYS))
        level = self.random.choice((0, 0, 0, 1, PERSIST["active"], PERSIST["majority"]))
        entry = self.state.setdefault(key, {"values": [None], "sure": 0, "cas": 0})
        delete = entry["values"][-1] is not None and self.random.random() < 0.15
        value = None if delete else b"%d" % self.random.getrandbits(60)
        entry["values"].append(value)  # from now on it may be there
        at = len(entry["values"]) - 1
        if delete:
            status, _, _, _, cas = c.call(OP_DELETE, vbucket_of(key), key, level=level)
        else:
            status, _, _, _, cas = c.call(OP_SET, vbucket_of(key), key, struct.pack(">II", 0, 0), value, level)
        if status == SUCCESS:
            if level in PERSIST.values():
                entry["sure"] = at
            if cas <= entry["cas"]:
                raise SystemExit("the CAS of %r went back" % key)
            entry["cas"] = cas
        elif status == ENOENT and delete:  # an earlier write was lost with the node, which is allowed
            entry["values"].pop()
        elif status not in (TMPFAIL, AMBIGUOUS):
            raise SystemExit("status 0x%02x for %r" % (status, key))


def check(node, state):
    """Each key has a value it had at or after the last one that was acknowledged as persisted."""
    c, sure = node.connect(), 0
    for key, entry in state.items():
        status, _, _, value, cas = c.call(OP_GET, vbucket_of(key), key)
        if status not in (SUCCESS, ENOENT):
            raise SystemExit("reading %r: status 0x%02x" % (key, status))
        found = value if status == SUCCESS else None
        allowed = entry["values"][entry["sure"]:]
        if found not in allowed:
            raise SystemExit("%r is %r: none of the %d values since the last persisted one, %r" % (key, found, len(allowed), allowed[0]))
        sure += entry["sure"] > 0
        at = len(entry["values"]) - 1 - entry["values"][::-1].index(found)
        entry["values"], entry["sure"] = [None, entry["values"][at]], 1
    return sure


def kill_loop(folder):
    state, total = {}, 0
    node = Node(folder)
    rng = random.Random(4)
    branches = None
    for round in range(KILLS):
        writers = [Writer(node, n, state, round * 10 + n) for n in range(3)]
        for w in writers:
            w.start()
        time.sleep(rng.uniform(0.02, 0.25))
        node.end(signal.SIGKILL)
        for w in writers:
            w.join()
        node = Node(folder)
        c = node.connect()
        failovers = c.stats(b"failovers")
        now = int(failovers["vb_0:num_entries"])
        if branches is not None and now <= branches and now < 25:
            raise SystemExit("a kill left no new entry in the failover log (%d, %d before)" % (now, branches))
        branches = now
        total += check(node, state)
    print("%d kills, %d keys, %d times a persisted value was looked for" % (KILLS, len(state), total))
    return node, state


def clean_restart(node, folder, state):
    c = node.connect()
    c.must(OP_SET, vbucket=vbucket_of(b"plain"), key=b"plain", extras=struct.pack(">II", 0, 0), value=b"not durable")
    state[b"plain"] = {"values": [None, b"not durable"], "sure": 1, "cas": 0}
    before = c.stats(b"failovers")["vb_0:num_entries"]
    if node.end():
        raise SystemExit("the node did not stop well")
    node = Node(folder)
    check(node, state)
    if node.connect().stats(b"failovers")["vb_0:num_entries"] != before:
        raise SystemExit("an orderly stop changed the failover log")
    return node


def seqno_persistence(node):
    c = node.connect()
    c.must(OP_SET, vbucket=3, key=b"s", extras=struct.pack(">II", 0, 0), value=b"1")
    high = int(c.stats(b"vbucket-seqno 3")["vb_3:high_seqno"])
    c.must(OP_SEQNO_PERSISTENCE, vbucket=3, extras=struct.pack(">Q", high))
    if int(c.stats(b"vbucket-seqno 3")["vb_3:last_persisted_seqno"]) < high:
        raise SystemExit("SEQNO_PERSISTENCE answered before the seqno was persisted")


def full_disk(folder):
    """A limit on the size of files stands for a full disk: it can be lifted from outside."""
    limit = 6 << 20
    no_limit = resource.RLIM_INFINITY

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, no_limit))
    node = Node(folder, preexec_fn=small, restore_signals=False, stderr=subprocess.DEVNULL)
    try:
        c, kept = node.connect(), {}
        value = b"x" * 20000
        end = time.monotonic() + 30
        while True:  # every write is taken or refused, and none is lost
            key = b"full%d" % len(kept)
            status = c.call(OP_SET, vbucket_of(key), key, struct.pack(">II", 0, 0), value)[0]
            if status == TMPFAIL:
                break
            if status or time.monotonic() > end:
                raise SystemExit("a full disk was not told: status 0x%02x after %d documents" % (status, len(kept)))
            kept[key] = value
            if len(kept) % 50 == 0:
                time.sleep(0.02)
        if c.call(OP_GET, vbucket_of(b"full0"), b"full0")[3] != value:
            raise SystemExit("a full disk is in the way of reading")
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (no_limit, no_limit))
        end = time.monotonic() + 10
        while c.call(OP_SET, 0, b"after", struct.pack(">II", 0, 0), b"1", PERSIST["majority"])[0] != SUCCESS:
            if time.monotonic() > end:
                raise SystemExit("writes are refused for ever")
            time.sleep(0.02)
        for v in range(VBUCKETS):
            high = int(c.stats(b"vbucket-seqno %d" % v)["vb_%d:high_seqno" % v])
            c.must(OP_SEQNO_PERSISTENCE, vbucket=v, extras=struct.pack(">Q", high))
        node.end(signal.SIGKILL)
        node = Node(folder)
        c = node.connect()
        for key, value in kept.items():
            if c.call(OP_GET, vbucket_of(key), key)[3] != value:
                raise SystemExit("%r was lost when the disk was full" % key)
        print("a full disk: %d documents taken before, none lost" % len(kept))
    finally:
        node.end(signal.SIGKILL)


def bucket_is_dropped(node, folder):
    files = [f for f in os.listdir(folder) if f.endswith(".documents.sqlite")]
    assert len(files) == 1, files
    status, text = node.rest("DELETE", "/pools/default/buckets/default")
    assert status == 200, text
    end = time.monotonic() + 10
    while any(".documents.sqlite" in f for f in os.listdir(folder)):
        if time.monotonic() > end:
            raise SystemExit("the file of a deleted bucket stays")
        time.sleep(0.05)


def main():
    folder = tempfile.mkdtemp()
    try:
        node, state = kill_loop(folder)
        node = clean_restart(node, folder, state)
        seqno_persistence(node)
        bucket_is_dropped(node, folder)
        os.mkdir(folder + "/full")
        full_disk(folder + "/full")
    finally:
        for process in Node.all:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
