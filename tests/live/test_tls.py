#!/usr/bin/env python3
"""test_tls.py BUILD: the client library over TLS against a cluster of this build, by the command line program."""
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import local  # noqa: E402

BUILD = sys.argv.pop(1)
DIVAN = os.path.join(BUILD, "bin", "divan")
WHO = ["-u", "Administrator", "-p", "password"]


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = local.cluster(BUILD, "--nodes", "2", "--vbuckets", "64")
        place = cls.context.__enter__()
        node = place["nodes"][0]
        cls.plain, cls.tls, cls.mgmt = node["kv"], node["kv_tls"], node["mgmt"]
        request = urllib.request.Request("http://127.0.0.1:%d/pools/default/certificate" % cls.mgmt)
        file, cls.ca = tempfile.mkstemp(suffix=".pem")
        with os.fdopen(file, "wb") as out, urllib.request.urlopen(request, timeout=20) as answer:
            out.write(answer.read())

    @classmethod
    def tearDownClass(cls):
        os.unlink(cls.ca)
        cls.context.__exit__(None, None, None)

    def run_cli(self, *command):
        done = subprocess.run([DIVAN, *command, *WHO], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def refused(self, connstr, code, *options):
        status, _, err = self.run_cli("get", "-C", connstr, *options, "k")
        self.assertEqual(status, 2)
        self.assertIn(code, err)
        return err

    def test_documents_and_management(self):
        connstr = "couchbases://127.0.0.1:%d/default" % self.tls
        for i in range(8):  # both nodes
            self.assertEqual(self.run_cli("upsert", "-C", connstr, "--ca", self.ca, "k%d" % i, '{"n":%d}' % i)[0], 0)
            self.assertEqual(self.run_cli("get", "-C", connstr, "--ca", self.ca, "k%d" % i)[1].strip(), '{"n":%d}' % i)
        status, out, err = self.run_cli("ping", "-C", connstr, "--ca", self.ca)
        self.assertEqual(status, 0, err)
        self.assertEqual(out.count(" ok "), 4, out)  # two nodes, key-value and management
        self.assertEqual(self.run_cli("bucket", "list", "-C", connstr, "--ca", self.ca)[0], 0)

    def test_by_the_connection_string(self):
        for options in ("trust_certificate=" + self.ca, "tls_verify=none"):
            connstr = "couchbases://localhost:%d/default?%s" % (self.tls, options)
            self.assertEqual(self.run_cli("exists", "-C", connstr, "nothing")[0], 1)

    def test_what_is_not_trusted_is_named(self):
        err = self.refused("couchbases://127.0.0.1:%d" % self.tls, "DIVAN_ERR_TLS_CERTIFICATE")
        self.assertIn("issuer", err)
        self.refused("couchbases://127.0.0.1:%d" % self.tls, "DIVAN_ERR_FILE_READ", "--ca", "/nowhere/ca.pem")

    def test_wrong_ports_are_told(self):
        self.refused("couchbases://127.0.0.1:%d" % self.plain, "DIVAN_ERR_TLS_NOT_OFFERED", "--ca", self.ca)
        self.refused("couchbases://127.0.0.1:%d=kv" % self.mgmt, "DIVAN_ERR_TLS_NOT_OFFERED", "--ca", self.ca)
        self.assertIn("couchbases://", self.refused("couchbase://127.0.0.1:%d" % self.tls, "DIVAN_ERR_"))


if __name__ == "__main__":
    unittest.main()
