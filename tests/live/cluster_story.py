#!/usr/bin/env python3
"""cluster_story.py BUILD: four lone divands become a cluster and live through everything a cluster may: nodes join, leave,
are swapped, killed, paused, failed over gracefully, by hand and by themselves, and come back, while two writers go on.
At the end every acknowledged write is there."""
import os
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import local  # noqa: E402
from cluster_client import Client, Management  # noqa: E402

DOCUMENTS, KEYS, VBUCKETS = 1000, 200, "64"
MAJORITY, IMPOSSIBLE, AMBIGUOUS = 1, 0xa1, 0xa3


class Nodes:
    def __init__(self, build, count):
        self.program, self.bases, self.processes = os.path.join(build, "bin", "divand"), [], []
        for _ in range(count):
            base = local.free_base()
            while any(abs(base - other) < 60 for other in self.bases):
                base = local.free_base()
            self.bases.append(base)
        self.processes = [self.start(i) for i in range(count)]

    def start(self, i):
        return subprocess.Popen([self.program, "--memory", "--port-base", str(self.bases[i]), "--vbuckets", VBUCKETS])

    def name(self, i):
        return "n_%d@127.0.0.1" % self.bases[i]

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


class Writer(threading.Thread):
    """Writes rising numbers; remembers the last one acknowledged of each key, and what may or may not have happened."""

    def __init__(self, base, number, level):
        super().__init__()
        self.client, self.prefix, self.level = Client(base), b"w%d-" % number, level
        self.acknowledged, self.open, self.stopping, self.errors, self.writes, self.longest = {}, {}, False, [], 0, 0.0

    def run(self):
        number = 0
        while not self.stopping:
            number += 1
            key = self.prefix + b"%d" % (number % KEYS)
            self.open.setdefault(key, []).append(number)
            begun = time.monotonic()
            try:
                status = self.client.set(key, b"%d" % number, self.level)
            except TimeoutError as error:
                self.errors.append(str(error))
                continue
            if status == 0:
                self.acknowledged[key], self.open[key] = number, []
                self.longest = max(self.longest, time.monotonic() - begun)
                self.writes += 1
            elif status == IMPOSSIBLE:
                self.open[key].remove(number)
                time.sleep(0.005)
            elif status != AMBIGUOUS:
                self.errors.append("write of %r: status 0x%x" % (key, status))

    def check(self):
        for key, number in self.acknowledged.items():
            status, value = self.client.get(key)
            got = int(value) if status == 0 else None
            if got is None or (got < number and got not in self.open[key]):
                yield "%r is %s, %d was acknowledged" % (key, got, number)


def main():
    nodes = Nodes(sys.argv[1], 4)
    try:
        return story(nodes)
    finally:
        nodes.stop()


def story(nodes):
    m = Management(nodes.bases[0])
    m.wait_up()
    for base in nodes.bases[1:]:
        Management(base).wait_up()

    def add(i):
        m.must("POST", "/controller/addNode", hostname="127.0.0.1:%d" % nodes.bases[i], user="x", password="secret", services="kv")

    def rebalance(*ejected):
        m.must("POST", "/controller/rebalance", knownNodes=",".join(m.names()), ejectedNodes=",".join(ejected))
        error = m.wait_idle()
        if error:
            raise SystemExit("the rebalance failed: " + error)
        if not m.get("/pools/default")["balanced"]:
            raise SystemExit("it is not balanced after a rebalance")

    m.must("POST", "/clusterInit", hostname="127.0.0.1", username="Administrator", password="password", services="kv",
           memoryQuota="600", port="SAME")
    m.must("POST", "/settings/autoFailover", enabled="false")
    m.must("POST", "/pools/default/buckets", name="B", ramQuotaMB="200", replicaNumber="1")
    add(1)
    add(2)
    rebalance()
    client = Client(nodes.bases[0])
    for i in range(DOCUMENTS):
        assert client.set(b"d%d" % i, b"value %d" % i) == 0

    def check(what):
        for i in range(DOCUMENTS):
            status, value = client.get(b"d%d" % i)
            if status or value != b"value %d" % i:
                raise SystemExit("%s: document %d: status 0x%x, %r" % (what, i, status, value))
        print("%-34s %5d + %d writes, longest %.3f and %.3f s" % (
            what, *(w.writes for w in writers), *(w.longest for w in writers)), flush=True)
        for w in writers:
            w.longest = 0.0

    writers = [Writer(nodes.bases[0], 0, 0), Writer(nodes.bases[0], 1, MAJORITY)]
    for w in writers:
        w.start()
    try:
        add(3)
        rebalance()
        check("a fourth node")
        rebalance(nodes.name(3))
        check("out again")
        add_when_left(m, nodes, add, 3)
        rebalance(nodes.name(2))
        check("one for another")
        add_when_left(m, nodes, add, 2)
        rebalance()
        m.must("POST", "/controller/startGracefulFailover", otpNode=nodes.name(1))
        m.wait_idle()
        check("graceful failover")
        m.must("POST", "/controller/setRecoveryType", otpNode=nodes.name(1), recoveryType="delta")
        rebalance()
        check("delta recovery")
        m.must("POST", "/controller/failOver", otpNode=nodes.name(2))
        check("hard failover of a living node")
        m.must("POST", "/controller/setRecoveryType", otpNode=nodes.name(2), recoveryType="full")
        rebalance()
        check("full recovery")
        m.must("POST", "/settings/autoFailover", enabled="true", timeout="1", maxCount="3")
        nodes.processes[1].kill()
        m.wait_membership(nodes.name(1), "inactiveFailed")
        check("killed and failed over by itself")
        nodes.processes[3].send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        nodes.processes[3].send_signal(signal.SIGCONT)
        check("paused for half a second")
        nodes.processes[1].wait()
        nodes.processes[1] = nodes.start(1)
        m.must("POST", "/controller/ejectNode", otpNode=nodes.name(1))
        Management(nodes.bases[1]).wait_up()
        add(1)
        rebalance()
        check("the killed one is back")
    finally:
        for w in writers:
            w.stopping = True
        for w in writers:
            w.join()
    flaws = [flaw for w in writers for flaw in [*w.errors, *w.check()]]
    print("\n".join(flaws[:20]) or "nothing was lost")
    return 1 if flaws else 0


def add_when_left(m, nodes, add, i):
    """A node that left is a lone one a second later."""
    Management(nodes.bases[i]).wait_uninitialised()
    add(i)


sys.exit(main())
