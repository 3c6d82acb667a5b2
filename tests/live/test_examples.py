#!/usr/bin/env python3
"""test_examples.py BUILD: the example programs against a node of their own."""
import json
import os
import subprocess
import sys
import unittest

BUILD = sys.argv.pop(1)


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = subprocess.Popen(
            [os.path.join(BUILD, "bin", "divand"), "--memory", "--any-port", "--json", "--vbuckets", "16", "--init",
             "Administrator:password:default"], stdout=subprocess.PIPE, text=True)
        place = json.loads(cls.node.stdout.readline())
        cls.connstr = "couchbase://127.0.0.1:%d/default" % place["kv"]

    @classmethod
    def tearDownClass(cls):
        cls.node.terminate()
        cls.node.wait(20)
        cls.node.stdout.close()

    def run_example(self, name, password="password"):
        program = os.path.join(BUILD, "examples", name)
        return subprocess.run([program, self.connstr, "Administrator", password], capture_output=True, text=True, timeout=30)

    def test_hello(self):
        done = self.run_example("hello")
        self.assertEqual((done.returncode, done.stdout), (0, 'ada: {"born": 1815}\n'), done.stderr)

    def test_parts(self):
        self.run_example("hello")
        done = self.run_example("parts")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[:5], ["ada: visit 1", "ada: visit 2", 'ada, spec 0: "/notes"', "ada, spec 1: false",
                                     "ada, spec 2: 0"])
        self.assertEqual(sorted(lines[5:]), ['p:1 = {"name":"Grace"}', 'p:2 = {"name":"Edsger"}', 'p:3 = {"name":"Barbara"}'])

    def test_wrong_password(self):
        done = self.run_example("hello", "wrong")
        self.assertEqual(done.returncode, 1)
        self.assertIn("password", done.stderr)


if __name__ == "__main__":
    unittest.main()
