#!/usr/bin/env python3
"""test_node.py BUILD: a divand process from start to end: signals, state that survives, refusals, TLS."""
import base64
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import local  # noqa: E402

BUILD = sys.argv.pop(1)
DIVAND = os.path.join(BUILD, "bin", "divand")


class Node:
    """A divand on free ports; what it prints when ready is in `place`."""

    def __init__(self, *options):
        self.process = subprocess.Popen([DIVAND, "--any-port", "--json", "--vbuckets", "16", *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("divand did not start: " + self.process.stderr.read())
        self.place = json.loads(line)

    def ask(self, method, path, form=None, auth=("Administrator", "password"), tls=None):
        port, headers = self.place["mgmt"], {}
        if auth:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if tls:
            connection = http.client.HTTPSConnection("localhost", tls[0], timeout=20, context=tls[1])
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request(method, path, urllib.parse.urlencode(form) if form is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        try:
            return self.process.wait(20)
        finally:
            self.process.stdout.close()
            self.process.stderr.close()


class Test(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir, True)

    def node(self, *options):
        node = Node(*options)
        self.addCleanup(lambda: node.process.poll() is None and node.end(signal.SIGKILL))
        return node

    def refusal(self, *options):
        done = subprocess.run([DIVAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
        return done.returncode, done.stderr

    def test_signals_end_it_cleanly(self):
        for how in signal.SIGTERM, signal.SIGINT:
            node = self.node()
            self.assertEqual(node.ask("GET", "/pools", auth=None)[1]["pools"], [])
            start = time.monotonic()
            self.assertEqual(node.end(how), 0)
            self.assertLess(time.monotonic() - start, 5)

    def test_what_was_set_up_survives_a_kill(self):
        options = "--data", self.dir, "--init", "Administrator:password:B"
        node = self.node(*options)
        for method, path, form in (("POST", "/pools/default/buckets/B/scopes", {"name": "s"}),
                                   ("POST", "/pools/default/buckets/B/scopes/s/collections", {"name": "c"}),
                                   ("POST", "/pools/default/buckets", {"name": "C", "ramQuotaMB": "100"}),
                                   ("PUT", "/settings/rbac/users/local/u", {"password": "secret1", "roles": "data_reader[B:s:c]"})):
            self.assertIn(node.ask(method, path, form)[0], (200, 202), path)
        before = node.ask("GET", "/pools/default/b/B")[1]
        certificate = node.ask("GET", "/pools/default/certificate")[1]
        node.end(signal.SIGKILL)
        again = self.node(*options)
        after = again.ask("GET", "/pools/default/b/B", auth=("u", "secret1"))[1]
        self.assertEqual(after["uuid"], before["uuid"])
        self.assertGreater(after["rev"], before["rev"])
        self.assertEqual(after["collectionsManifestUid"], "3")
        self.assertEqual(again.place["uuid"], node.place["uuid"])
        self.assertEqual(again.ask("GET", "/pools/default/certificate")[1], certificate)
        self.assertEqual([b["bucketName"] for b in again.ask("GET", "/pools/default")[1]["bucketNames"]], ["B", "C"])
        self.assertEqual(again.end(), 0)

    def test_a_folder_has_one_manager(self):
        self.node("--data", self.dir)
        status, sentence = self.refusal("--any-port", "--data", self.dir)
        self.assertEqual(status, 1)
        self.assertIn("manager.sqlite", sentence)

    def test_a_taken_port_is_named(self):
        base = local.free_base()
        first = subprocess.Popen([DIVAND, "--port-base", str(base)], stdout=subprocess.PIPE)
        try:
            self.assertTrue(first.stdout.readline())
            status, sentence = self.refusal("--port-base", str(base))
        finally:
            first.terminate()
            first.wait(20)
            first.stdout.close()
        self.assertEqual(status, 1)
        self.assertIn(str(base + 10), sentence)

    def test_a_wrong_command_line_is_told(self):
        for options in (["--nope"], ["--port-base", "x"], ["--vbuckets", "0"], ["--vbuckets", "2000"], ["--manager", "nowhere"],
                        ["--init", "user"], ["--log", "loud"], ["stray"], ["--data"]):
            status, sentence = self.refusal(*options)
            self.assertEqual(status, 2, options)
            self.assertIn("--help", sentence)
        self.assertEqual(self.refusal("--data", os.path.join(self.dir, "not", "there"))[0], 1)
        self.assertEqual(self.refusal("--any-port", "--init", "Administrator:abc")[0], 1)

    def test_tls_is_trusted_by_the_certificate_of_the_cluster(self):
        node = self.node("--init", "Administrator:password:B")
        context = ssl.create_default_context(cadata=node.ask("GET", "/pools/default/certificate", auth=None)[1])
        port = node.ask("GET", "/pools/default/nodeServices")[1]["nodesExt"][0]["services"]["mgmtSSL"]
        self.assertEqual(node.ask("GET", "/pools/default/b/B", tls=(port, context))[1]["name"], "B")
        with self.assertRaises(ssl.SSLCertVerificationError):
            node.ask("GET", "/pools", tls=(port, ssl.create_default_context()))

    def test_it_is_small_and_quick(self):
        with open(DIVAND, "rb") as f:
            program = f.read()
        sanitized = b"__asan_init" in program or b"__tsan_init" in program
        times = []
        for _ in range(5):
            start = time.monotonic()
            node = self.node()
            times.append((time.monotonic() - start) * 1000)
            with open("/proc/%d/status" % node.process.pid) as f:
                rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024
            node.end()
        print("ready after %.0f ms, %.1f MB" % (min(times), rss), file=sys.stderr)
        if not sanitized:
            self.assertLess(min(times), 100)
            self.assertLess(rss, 20)


unittest.main(verbosity=1)
