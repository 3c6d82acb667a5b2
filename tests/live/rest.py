#!/usr/bin/env python3
"""rest.py BUILD [FILE...]: replays the recorded management exchanges against a fresh divand with 64 vBuckets."""
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import local  # noqa: E402

FILES = ("01", "03", "04", "05", "06", "08", "11")  # one after the other: 01 and 03 need a node that is not set up


def main():
    build, wanted = sys.argv[1], sys.argv[2:] or FILES
    folder = local.recordings("golden-cluster", "tests/golden-cluster")
    files = [path for number in wanted for path in glob.glob(os.path.join(folder, "rest_%s_*.json" % number))]
    if len(files) != len(wanted):
        raise SystemExit("recordings are missing in " + folder)
    with local.node(build, "--vbuckets", "64") as (management, _):
        done = subprocess.run([sys.executable, os.path.join(local.ROOT, "tests", "golden-cluster", "replay_rest.py"),
                               "http://127.0.0.1:%d" % management, *files])
    return done.returncode


sys.exit(main())
