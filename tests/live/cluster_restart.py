#!/usr/bin/env python3
"""cluster_restart.py BUILD: processes die at bad moments, with folders for their data. The node that carries the manager is
killed in the middle of a rebalance: the others answer with 503 and serve on; when it is back the rebalance ends by itself.
Then the whole cluster is killed and comes back as it was."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import local  # noqa: E402
from cluster_client import Client, Management  # noqa: E402

DOCUMENTS, COUNT, MAJORITY = 1000, 4, 1


def main():
    program, folder, bases, processes = os.path.join(sys.argv[1], "bin", "divand"), tempfile.mkdtemp(), [], {}
    while len(bases) < COUNT:
        base = local.free_base()
        if all(abs(base - other) >= 60 for other in bases):
            bases.append(base)

    def start(i):
        data = os.path.join(folder, str(i))
        os.makedirs(data, exist_ok=True)
        processes[i] = subprocess.Popen([program, "--data", data, "--port-base", str(bases[i]), "--vbuckets", "256"])
        Management(bases[i]).wait_up()

    def kill(i):
        processes[i].kill()
        processes[i].wait()

    try:
        for i in range(COUNT):
            start(i)
        return story(bases, start, kill)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def story(bases, start, kill):
    m = Management(bases[0])

    def add(i):
        m.must("POST", "/controller/addNode", hostname="127.0.0.1:%d" % bases[i], user="x", password="secret", services="kv")

    def begin():
        m.must("POST", "/controller/rebalance", knownNodes=",".join(m.names()), ejectedNodes="")

    def check(what):
        client = Client(bases[0])
        lost = [i for i in range(DOCUMENTS) if client.get(b"d%d" % i) != (0, b"value %d" % i)]
        print("%-34s %d documents are lost, balanced: %s" % (what, len(lost), m.get("/pools/default")["balanced"]), flush=True)
        if lost:
            raise SystemExit("lost: %s" % lost[:20])

    m.must("POST", "/clusterInit", hostname="127.0.0.1", username="Administrator", password="password", services="kv",
           memoryQuota="600", port="SAME")
    m.must("POST", "/pools/default/buckets", name="B", ramQuotaMB="200", replicaNumber="1")
    add(1)
    add(2)
    begin()
    m.wait_idle()
    client = Client(bases[0])
    for i in range(DOCUMENTS):
        assert client.set(b"d%d" % i, b"value %d" % i, MAJORITY) == 0
    add(3)
    begin()
    time.sleep(0.1)
    kill(0)
    other = Management(bases[1])
    other.wait("a clear answer while the manager is away",
               lambda: other.call("POST", "/controller/rebalance", {"knownNodes": "x"})[0] == 503)
    start(0)
    error = m.wait_idle()
    check("the manager was killed in a rebalance")
    if error:
        raise SystemExit(error)
    begin()
    m.wait_idle()
    for i in range(COUNT):
        kill(i)
    for i in range(COUNT):
        start(i)
    m.wait("all nodes to be healthy", lambda: all(n["status"] == "healthy" for n in m.get("/pools/default")["nodes"]))
    check("everybody was killed")
    return 0


sys.exit(main())
