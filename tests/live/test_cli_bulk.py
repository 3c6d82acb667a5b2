#!/usr/bin/env python3
"""test_cli_bulk.py BUILD: scan, import and export, against a cluster of one."""
import json
import os
import signal
import subprocess
import tempfile
import time
import uuid

from cli_case import DIVAN, Case, divan, environment, main


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Bulk(Case):
    def setUp(self):
        super().setUp()
        self.collection = "c" + uuid.uuid4().hex[:8]
        self.ok("collection", "create", self.collection)
        self.where = ("--collection", self.collection)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = lambda name: os.path.join(folder.name, name)

    def put(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return self.path(name)

    def documents(self):
        lines = self.ok("scan", *self.where).splitlines()
        return {line["key"]: line for line in map(json.loads, lines)}

    def put_many(self, count):
        return self.put("many", "".join('{"key":"k-%05d","value":{"n":%d}}\n' % (n, n) for n in range(count)))

    def imported(self, *args, status=0, **more):
        got, out, err = divan("import", "--json", "-q", *args, *self.where, **more)
        self.assertEqual(got, status, err)
        return json.loads(out), err

    def test_scan(self):
        self.imported(self.put_many(300))
        keys = ["k-%05d" % n for n in range(300)]
        found = self.documents()
        self.assertEqual(sorted(found), keys)
        self.assertEqual(found["k-00007"]["value"], {"n": 7})
        self.assertEqual((found["k-00007"]["format"], found["k-00007"]["flags"]), ("json", 0x02000006))
        self.assertTrue(int(found["k-00007"]["cas"]))

        def ids(*args):
            return sorted(self.ok("scan", "--ids-only", *args, *self.where).decode().split())

        self.assertEqual(ids(), keys)
        self.assertEqual(ids("--prefix", "k-0001"), keys[10:20])
        self.assertEqual(ids("--from", "k-00290"), keys[290:])
        self.assertEqual(ids("--from", "k-00010", "--to", "k-00020"), keys[10:21])
        self.assertEqual(ids("--from", "k-00010", "--to", "k-00020", "--exclude-from", "--exclude-to"), keys[11:20])
        self.assertEqual(len(ids("--limit", "7")), 7)
        sample = ids("--sample", "20", "--seed", "3")
        self.assertTrue(0 < len(sample) <= 20)
        self.assertEqual(len(set(sample)), len(sample))
        self.assertEqual(ids("--prefix", "nobody"), [])
        self.assertEqual(json.loads(self.ok("scan", "--ids-only", "--json", "--limit", "1", *self.where)).keys(), {"key"})
        self.trouble("SCAN_RANGE", "scan", "--sample", "3", "--prefix", "k", *self.where)

    def test_what_is_exported_comes_back(self):
        values = {"json": b'{"a": [1, 2.50]}', "breaks": b'{\n "a": 1\n}', "text": "Grüße\n\"".encode(), "raw": b"\xff\x00\n",
                  "empty": b"", "ü\n": b"1"}
        for key, value in values.items():
            self.ok("upsert", key, "-", *self.where, stdin=value)
        self.ok("upsert", "flags", "1", "--flags", "7", "--expiry", "1h", *self.where)
        before = self.documents()
        summary = json.loads(divan("export", self.path("out"), "--json", *self.where)[1])
        self.assertEqual((summary["documents"], summary["bytes"]), (7, os.path.getsize(self.path("out"))))
        self.assertEqual(os.listdir(os.path.dirname(self.path("out"))), ["out"])
        status, streamed, _ = divan("export", *self.where)
        self.assertEqual(sorted(streamed.splitlines()), sorted(read(self.path("out")).splitlines()))
        for key in before:
            self.ok("remove", *self.where, "--", key)
        told, _ = self.imported(self.path("out"))
        self.assertEqual((told["stored"], told["refused"], told["complete"]), (7, 0, True))
        after = self.documents()
        for lines in (before, after):
            for line in lines.values():
                del line["cas"]
                line["expiry"] = round(line.get("expiry", 0) / 10)
        self.assertEqual(after, before)
        for key, value in values.items():
            self.assertEqual(self.ok("get", *self.where, "--", key), b'{"a":1}' if key == "breaks" else value)

    def test_documents_alone(self):
        path = self.put("values", '\ufeff{"id":1,"a":{"b":"x"}}\r\n\n{"id":"two","a":{"b":true}}')
        told, _ = self.imported("--lines", "values", "--key", "u::{id}-{a.b}-{#}", path)
        self.assertEqual(told["stored"], 2)
        self.assertEqual(sorted(self.documents()), ["u::1-x-1", "u::two-true-3"])
        self.ok("upsert", "raw", "-", *self.where, stdin=b"\xff")
        status, out, err = divan("export", "--lines", "values", *self.where)
        self.assertEqual(status, 1)
        self.assertIn("1 are not JSON and were left out", err)
        self.assertEqual(sorted(out.splitlines()), [b'{"id":"two","a":{"b":true}}', b'{"id":1,"a":{"b":"x"}}'])
        self.trouble("make them with --key", "import", "--lines", "values", path)
        self.trouble("not well-formed at", "import", "--key", "{a", path)

    def test_bad_lines_are_told_and_kept(self):
        bad = ["not json", '{"key":"k"}', '{"value":1}', '{"key":"","value":1}', '{"key":"%s","value":1}' % ("x" * 251), "[]"]
        good = ['{"key":"a","value":1}', '{"key":"b","value":2}']
        path = self.put("lines", "\n".join([good[0], *bad, good[1]]))
        told, err = self.imported(path, "--rejects", self.path("rejects"), status=1)
        self.assertEqual((told["stored"], told["refused"], told["last_line"]), (2, len(bad), 8))
        for line in range(2, 8):
            self.assertIn("divan import: line %d: " % line, err)
        self.assertEqual(sorted(read(self.path("rejects")).decode().splitlines()), sorted(bad))
        self.assertEqual(sorted(self.documents()), ["a", "b"])

    def test_store(self):
        path = self.put("lines", '{"key":"a","value":1}\n{"key":"b","value":2}\n')
        self.ok("upsert", "a", "0", *self.where)
        told, err = self.imported(path, "--store", "insert", status=1)
        self.assertEqual((told["stored"], told["refused"]), (1, 1))
        self.assertIn("line 1: ", err)
        self.assertIn("DOCUMENT_EXISTS", err)
        self.ok("remove", "b", *self.where)
        told, err = self.imported(path, "--store", "replace", "--expiry", "1h", status=1)
        self.assertIn("line 2: ", err)
        self.assertEqual(list(self.documents()), ["a"])
        self.assertAlmostEqual(self.documents()["a"]["expiry"], time.time() + 3600, delta=20)
        told, _ = self.imported("-", stdin=b'{"key":"old","value":1,"expiry":1000}')
        self.assertEqual((told["stored"], told["expired"]), (0, 1))

    def test_skip(self):
        path = self.put_many(20)
        told, _ = self.imported(path, "--skip", "15")
        self.assertEqual((told["stored"], told["first_line"], told["last_line"]), (5, 16, 20))
        told, _ = self.imported("-", "--skip", "19", stdin=read(path))
        self.assertEqual(told["stored"], 1)
        self.trouble("20 lines only", "import", path, "--skip", "21", "-q")

    def test_an_import_goes_on_where_it_was_ended(self):
        """A pipe that stays open: the import has stored what came, and waits; then it is interrupted, and killed."""
        checkpoint, lines = self.path("at"), read(self.put_many(30)).splitlines(keepends=True)
        lines[4] = b"bad\n"
        command = [DIVAN, "import", "--checkpoint", checkpoint, "--rejects", self.path("rejects"), "-q", *self.where]

        def run_until(count, given, number):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=environment())
            process.stdin.write(b"".join(lines[:given]))
            process.stdin.flush()
            end = time.monotonic() + 20
            while len(self.documents()) < count and time.monotonic() < end:
                time.sleep(0.05)
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
            return process.returncode, err.decode()

        status, err = run_until(9, 10, signal.SIGINT)
        self.assertEqual(status, 2, err)
        self.assertIn("done up to line 10; the same command goes on there", err)
        at = json.loads(read(checkpoint))
        self.assertEqual((at["line"], at["stored"], at["bad"]), (10, 9, 1))
        status, err = run_until(19, 20, signal.SIGKILL)
        self.assertEqual(status, -signal.SIGKILL)
        done = subprocess.run(command, input=b"".join(lines), capture_output=True, timeout=60, env=environment())
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertEqual(len(self.documents()), 29)
        self.assertEqual(read(self.path("rejects")), b"bad\n")
        self.assertFalse(os.path.exists(checkpoint))
        self.trouble("is not a checkpoint", "import", "--checkpoint", self.path("rejects"), "-q", *self.where)

    def test_a_lost_cluster_ends_the_run(self):
        path = self.put_many(3)
        status, out, err = divan("import", path, "-q", "--collection", "nobody", "--timeout", "300")
        self.assertEqual(status, 2, err)
        self.assertIn("done up to line 0", err)

    def test_half_an_export_has_no_name(self):
        self.trouble("FILE_WRITE", "export", "/no/such/folder/x", "-q", *self.where)
        status, _, err = divan("export", self.path("x"), "-q", "--collection", "nobody", "--timeout", "500")
        self.assertEqual(status, 2, err)
        self.assertEqual(os.listdir(os.path.dirname(self.path("x"))), [])


if __name__ == "__main__":
    main()
