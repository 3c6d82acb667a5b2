#!/usr/bin/env python3
"""cluster_rest.py BUILD: replays the recorded calls of a cluster's life (joins, rebalances, failovers, recoveries) and the
settings around them against four lone divands with 64 vBuckets."""
import contextlib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import local  # noqa: E402

SETS = (("rest_02_init_stepwise.json", "rest_09_settings_alternate.json"), ("rest_cfg64_calls.json",))
# Services that are announced only where they run; this cluster offers no projector.
EXPECTED = {"rest_09_settings_alternate.json": 1}


def replay(build, files, folder):
    with contextlib.ExitStack() as stack:
        urls = ["http://127.0.0.1:%d" % stack.enter_context(local.node(build, "--vbuckets", "64"))[0] for _ in range(4)]
        done = subprocess.run([sys.executable, os.path.join(local.ROOT, "tests", "golden-cluster", "replay_rest.py"), urls[0],
                               "--nodes", ",".join(urls[1:]), *[os.path.join(folder, f) for f in files]],
                              stdout=subprocess.PIPE, text=True, timeout=240)
    print(done.stdout)
    failed = int(done.stdout.split(" failed")[-2].split()[-1]) if " failed" in done.stdout else 1
    return failed <= sum(EXPECTED.get(f, 0) for f in files)


def main():
    folder = local.recordings("golden-cluster", "tests/golden-cluster")
    return 0 if all([replay(sys.argv[1], files, folder) for files in SETS]) else 1


sys.exit(main())
