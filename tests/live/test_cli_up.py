#!/usr/bin/env python3
"""test_cli_up.py BUILD: starting, watching and stopping local clusters, and the demo."""
import contextlib
import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import local

BUILD = sys.argv.pop(1) if len(sys.argv) > 1 else "build"
DIVAN = os.path.join(BUILD, "bin", "divan")
CODES = "/usr/share/iso-codes/json"


def gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


class Up(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("DIVAN_", "CB_"))}
        self.env["XDG_STATE_HOME"] = self.home
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.addCleanup(self.divan, "down", "--all")

    def divan(self, *args):
        done = subprocess.run([DIVAN, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=self.env)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def up(self, *args):
        status, out, err = self.divan("up", "--detach", "--json", "--port-base", "auto", *args)
        self.assertEqual((status, err), (0, ""))
        return json.loads(out)

    def start(self, *args, **more):
        """In the foreground, on a range of free ports."""
        return subprocess.Popen([DIVAN, "up", "--port-base", "auto", *args], env=self.env, stdin=subprocess.DEVNULL,
                                **more)

    def test_up_status_down(self):
        self.assertEqual(self.divan("status")[0], 1)
        self.assertEqual(self.divan("status", "--json")[:2], (1, '{"running":false}\n'))
        place = self.up("--bucket", "app", "--bucket", "cache", "--user", "me", "--password", "secret-1", "--vbuckets", "64")
        self.assertEqual((place["username"], place["password"], place["bucket"]), ("me", "secret-1", "app"))
        self.assertEqual(place["buckets"], ["app", "cache"])
        self.assertTrue(place["dir"].startswith(self.home))
        self.assertEqual(len(place["nodes"]), 1)
        node = place["nodes"][0]
        self.assertEqual(node["kv"], node["mgmt"] + 10)
        self.assertFalse(gone(node["pid"]))
        self.assertEqual(self.divan("upsert", "k", "v")[0], 0)
        self.assertEqual(self.divan("get", "k", "-b", "cache")[0], 1)
        self.assertEqual(self.divan("get", "k")[:2], (0, "v"))
        status, out, _ = self.divan("status", "--json")
        told = json.loads(out)
        self.assertEqual((status, told["running"], told["alive"]), (0, True, [True]))
        self.assertEqual(told["cluster"], place)
        self.assertEqual(sorted(b["name"] for b in told["buckets"]), ["app", "cache"])
        status, out, _ = self.divan("status")
        self.assertIn(place["connection_string"], out)
        self.assertNotIn("\033", out)
        self.assertEqual(self.divan("down")[0], 0)
        self.assertTrue(wait(lambda: gone(node["pid"]) and gone(place["pid"])))
        self.assertEqual(self.divan("status")[0], 1)
        self.assertEqual(self.divan("down")[0], 0)  # nothing to do is no error

    def test_one_cluster_per_folder(self):
        place = self.up()
        status, out, err = self.divan("up", "--detach", "--port-base", "auto")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("running", err)
        self.assertIn(str(place["pid"]), err)
        self.assertIn("divan down", err)
        other = self.up("--dir", os.path.join(self.home, "other"))
        self.assertNotEqual(place["connection_string"], other["connection_string"])
        self.assertEqual(self.divan("down", "--all")[0], 0)
        self.assertTrue(wait(lambda: gone(place["pid"]) and gone(other["pid"])))

    def test_data_is_kept(self):
        for value in (b"1", b"2"):
            self.up("--data", "-n", "2", "--vbuckets", "16")
            if value == b"2":
                self.assertEqual(self.divan("get", "kept")[1], "1")
            self.assertEqual(self.divan("upsert", "kept", value.decode())[0], 0)
            self.assertEqual(self.divan("down")[0], 0)
        status, _, err = self.divan("up", "--detach", "--port-base", "auto", "--data", "-n", "3")
        self.assertNotEqual(status, 0)
        self.assertIn("keeps a cluster of 2 nodes", err)
        self.assertEqual(self.divan("up", "--data", "--memory")[0], 2)

    def test_a_killed_cluster_leaves_nothing_in_the_way(self):
        place = self.up()
        os.kill(place["pid"], signal.SIGKILL)
        self.assertTrue(wait(lambda: gone(place["nodes"][0]["pid"])), "the node outlived its cluster")
        self.assertEqual(self.divan("status")[0], 1)
        self.up()

    def test_a_taken_port_is_named(self):
        base = local.free_base()
        with socket.socket() as s:
            s.bind(("127.0.0.1", base + 10))
            s.listen()
            status, out, err = self.divan("up", "--detach", "--json", "--port-base", str(base))
        self.assertEqual((status, out), (2, ""))
        self.assertIn("PORT_IN_USE", err)
        self.assertIn(str(base + 10), err)
        self.assertIn("--port-base", err)
        self.assertEqual(self.divan("status")[0], 1)

    def test_bad_options(self):
        for args, word in ((["--port-base", "65500"], "65535"), (["--port-base", "x"], "whole number"),
                           (["--nodes", "0"], "at least 1"), (["--vbuckets", "1025"], "at most 1024"),
                           (["--bucket", "a/b"], "ucket"), (["--password", "short"], "assword"),
                           (["--dir", "/proc/nothing"], "/proc/nothing")):
            status, out, err = self.divan("up", "--detach", *args)
            self.assertEqual((status, out), (2, ""), args)
            self.assertIn(word, err)

    def test_the_end_of_a_node_is_told(self):
        up = self.start("--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        place = json.loads(up.stdout.readline())
        os.kill(place["nodes"][0]["pid"], signal.SIGKILL)
        out, err = up.communicate(timeout=20)
        self.assertEqual(up.returncode, 2)
        self.assertIn("node 1 was killed by signal 9", err.decode())

    def test_the_foreground_ends_on_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            up = self.start(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertIn(b"ready: couchbase://127.0.0.1:", up.stdout.readline())
            up.send_signal(number)
            out, err = up.communicate(timeout=20)
            self.assertEqual((up.returncode, err), (0, b""))
            self.assertNotIn(b"\033", out)

    def test_the_screen_on_a_terminal(self):
        main, side = pty.openpty()
        up = subprocess.Popen([DIVAN, "up", "--port-base", "auto"], env={**self.env, "TERM": "xterm"}, stdin=side,
                              stdout=side, stderr=side, start_new_session=True)
        os.close(side)
        seen = b""
        with contextlib.suppress(OSError):  # the other end closes
            end = time.monotonic() + 20
            pressed = False
            while time.monotonic() < end:
                if select.select([main], [], [], 0.2)[0]:
                    seen += os.read(main, 65536)
                if not pressed and b"q or Ctrl-C stops" in seen and b"default" in seen:
                    os.write(main, b"q")
                    pressed = True
        self.assertEqual(up.wait(20), 0, seen)
        os.close(main)
        self.assertIn(b"couchbase://127.0.0.1:", seen)

    def test_demo(self):
        if not os.path.isdir(CODES):
            self.skipTest("the package iso-codes is not installed")
        before = set(os.listdir(tempfile.gettempdir()))
        status, out, err = self.divan("demo")
        self.assertEqual((status, err), (0, ""), out)
        self.assertIn("documents were read back as they were stored", out)
        self.assertNotIn("\033", out)
        self.assertNotIn("\r", out)
        left = [n for n in set(os.listdir(tempfile.gettempdir())) - before if n.startswith("divan-demo")]
        self.assertEqual(left, [])

    def test_demo_cleans_up_when_interrupted(self):
        demo = subprocess.Popen([DIVAN, "demo", "--window", "1"], env=self.env, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        while b"cluster" not in demo.stdout.readline():
            pass
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=30)
        self.assertIn(demo.returncode, (0, 2), err)  # 0: it was done before


if __name__ == "__main__":
    unittest.main()
