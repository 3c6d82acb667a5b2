"""What the tests of the commands share: a class that runs them on the cluster PLACE of a build."""
import json
import os
import subprocess
import sys
import unittest

import local

BUILD = sys.argv.pop(1) if len(sys.argv) > 1 else "build"
DIVAN = os.path.join(BUILD, "bin", "divan")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("DIVAN_", "CB_"))}
PLACE = {}


def environment(env=None):
    return {**CLEAN, "DIVAN_DIR": PLACE["dir"], **(env or {})}


def divan(*args, stdin=b"", env=None):
    """Runs the command on the cluster; returns (status, standard output, standard error)."""
    done = subprocess.run([DIVAN, *args], input=stdin, capture_output=True, timeout=60, env=environment(env))
    return done.returncode, done.stdout, done.stderr.decode()


class Case(unittest.TestCase):
    def setUp(self):
        self.key = "cli-" + self.id().split(".")[-1]

    def ok(self, *args, **more):
        status, out, err = divan(*args, **more)
        self.assertEqual((status, err), (0, ""), args)
        return out

    def object(self, *args, **more):
        return json.loads(self.ok(*args, "--json", **more))

    def refused(self, word, *args, **more):
        status, out, err = divan(*args, **more)
        self.assertEqual(status, 1, (args, err))
        self.assertIn(word, err)
        return out

    def trouble(self, word, *args, **more):
        status, out, err = divan(*args, **more)
        self.assertEqual(status, 2, (args, out, err))
        self.assertIn(word, err)
        self.assertEqual(err.count("\n"), 1, err)


def main():
    with local.cluster(BUILD, "--port-base", "auto", "--bucket", "cli") as place:
        PLACE.update(place)
        unittest.main()
