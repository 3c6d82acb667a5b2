#!/usr/bin/env python3
"""test_cli_commands.py BUILD: the commands on documents, map and bench, against a cluster of one."""
import json
import socket
import tempfile
import time

import local
from cli_case import PLACE, Case, divan, main


class Documents(Case):
    def test_life_of_a_document(self):
        self.refused("DOCUMENT_NOT_FOUND", "get", self.key)
        self.refused("DOCUMENT_NOT_FOUND", "replace", self.key, "{}")
        self.refused("DOCUMENT_NOT_FOUND", "remove", self.key)
        self.refused("DOCUMENT_NOT_FOUND", "touch", self.key)
        self.assertEqual(divan("exists", self.key)[:2], (1, b"false\n"))
        self.ok("insert", self.key, '{"n":1}')
        self.refused("DOCUMENT_EXISTS", "insert", self.key, "{}")
        self.assertEqual(self.ok("get", self.key), b'{"n":1}')
        self.assertEqual(divan("exists", self.key)[:2], (0, b"true\n"))
        self.ok("replace", self.key, '{"n":2}')
        self.ok("upsert", self.key, '{"n":3}')
        self.assertEqual(self.ok("get", self.key), b'{"n":3}')
        self.ok("remove", self.key)
        self.refused("DOCUMENT_NOT_FOUND", "get", self.key)

    def test_cas(self):
        stored = self.object("upsert", self.key, "1")
        read = self.object("get", self.key)
        self.assertEqual(read["cas"], stored["cas"])
        self.assertIsInstance(read["cas"], str)
        changed = self.object("replace", self.key, "2", "--cas", read["cas"])
        self.refused("CAS_MISMATCH", "replace", self.key, "3", "--cas", read["cas"])
        self.refused("CAS_MISMATCH", "remove", self.key, "--cas", read["cas"])
        self.refused("CAS_MISMATCH", "append", self.key, "3", "--cas", read["cas"])
        self.ok("remove", self.key, "--cas", changed["cas"])

    def test_values_come_and_go_byte_for_byte(self):
        every = bytes(range(256)) * 3 + b"\n\n"
        self.ok("upsert", self.key, "-", stdin=every)
        self.assertEqual(self.ok("get", self.key), every)
        with tempfile.NamedTemporaryFile() as file:
            file.write(every[::-1])
            file.flush()
            self.ok("upsert", self.key, "@" + file.name)
            self.assertEqual(self.ok("get", self.key), every[::-1])
            self.ok("upsert", self.key, "--file", file.name, "--flags", "7")
        self.assertEqual(self.object("get", self.key)["flags"], 7)
        self.ok("upsert", self.key, "--", "--dash")
        self.assertEqual(self.ok("get", self.key), b"--dash")
        self.ok("upsert", self.key, "")
        self.assertEqual(self.ok("get", self.key), b"")
        big = b"x" * (20 << 20)
        self.ok("upsert", self.key, "-", stdin=big)
        self.assertEqual(self.ok("get", self.key), big)
        self.refused("VALUE_TOO_LARGE", "upsert", self.key, "-", stdin=big + b"x")
        self.ok("remove", self.key)

    def test_what_a_value_is(self):
        for value, flags, members in (
                (b'{"a": 1.10}', 0x02000006, {"format": "json", "value": {"a": 1.1}}),
                ("Grüße".encode(), 0x04000004, {"format": "text", "value": "Grüße"}),
                (b"\xff\x00", 0x03000000, {"format": "base64", "value_base64": "/wA="})):
            self.ok("upsert", self.key, "-", stdin=value)
            read = self.object("get", self.key)
            self.assertEqual(read["flags"], flags)
            self.assertEqual({k: read[k] for k in members}, members)

    def test_errors_are_objects_too(self):
        status, out, err = divan("get", "no-such", "--json")
        self.assertEqual(status, 1)
        error = json.loads(out)["error"]
        self.assertEqual((error["code"], error["name"]), (101, "DIVAN_ERR_DOCUMENT_NOT_FOUND"))
        self.assertIn(error["message"], err)

    def test_counters(self):
        self.refused("DOCUMENT_NOT_FOUND", "incr", self.key)
        self.assertEqual(self.ok("incr", self.key, "--initial", "10"), b"10\n")
        self.assertEqual(self.ok("incr", self.key), b"11\n")
        self.assertEqual(self.ok("incr", self.key, "-n", "0x10"), b"27\n")
        self.assertEqual(self.ok("decr", self.key, "--delta", "7"), b"20\n")
        self.assertEqual(self.ok("decr", self.key, "--delta", "100"), b"0\n")
        self.assertEqual(self.object("decr", self.key)["number"], "0")
        self.assertEqual(self.ok("get", self.key), b"0")
        self.ok("upsert", self.key, "text")
        self.refused("DELTA_INVALID", "incr", self.key)

    def test_append_and_prepend(self):
        self.refused("DOCUMENT_NOT_FOUND", "append", self.key, "x")
        self.ok("upsert", self.key, "b")
        self.ok("append", self.key, "c")
        self.ok("prepend", self.key, "-", stdin=b"a")
        self.assertEqual(self.ok("get", self.key), b"abc")

    def test_expiry(self):
        self.ok("upsert", self.key, "1", "--expiry", "1")
        end = time.monotonic() + 10
        while divan("exists", self.key)[0] == 0 and time.monotonic() < end:
            time.sleep(0.2)
        self.assertEqual(divan("exists", self.key)[0], 1)
        self.ok("upsert", self.key, "1", "--expiry", "40d")
        self.ok("touch", self.key, "--expiry", "1h")
        self.assertEqual(self.ok("get", self.key, "--expiry", "0"), b"1")
        self.ok("upsert", self.key, "2", "--keep-expiry")

    def test_durability_where_one_node_satisfies_it(self):
        for level in ("none", "majority", "majorityAndPersistToActive", "PERSIST_TO_MAJORITY"):
            self.ok("upsert", self.key, "1", "--durability", level)
        self.ok("remove", self.key, "--durability", "majority")

    def test_collections(self):
        scopes = "/pools/default/buckets/%s/scopes" % PLACE["bucket"]
        self.assertEqual(local.rest(PLACE, "POST", scopes, {"name": "cli"})[0], 200)
        self.assertEqual(local.rest(PLACE, "POST", scopes + "/cli/collections", {"name": "c1"})[0], 200)
        where = ("--scope", "cli", "--collection", "c1")
        self.ok("upsert", self.key, "here", *where)
        self.assertEqual(self.ok("get", self.key, *where), b"here")
        self.refused("DOCUMENT_NOT_FOUND", "get", self.key)
        self.assertEqual(self.ok("get", self.key, env={"DIVAN_SCOPE": "cli", "CB_COLLECTION": "c1"}), b"here")
        self.trouble("", "get", self.key, "--scope", "cli", "--collection", "c2", "--timeout", "500")

    def test_connection_from_options_and_environment(self):
        connstr, user, password, bucket = (PLACE[k] for k in ("connection_string", "username", "password", "bucket"))
        self.ok("upsert", self.key, "1")
        elsewhere = {"DIVAN_DIR": "", "XDG_STATE_HOME": "/nowhere"}
        self.ok("get", self.key, "-C", connstr, "-u", user, "-p", password, "-b", bucket, env=elsewhere)
        self.ok("get", self.key, "-C", connstr + "/" + bucket, "-u", user, "-p", password, env=elsewhere)
        for prefix, name in (("DIVAN_", "CONNSTR"), ("CB_", "CONNECTION_STRING")):
            self.ok("get", self.key, env={**elsewhere, prefix + name: connstr, prefix + "USERNAME": user,
                                          prefix + "PASSWORD": password, prefix + "BUCKET": bucket})

    def test_trouble_is_told_at_once(self):
        begin = time.monotonic()
        self.trouble("AUTHENTICATION_FAILURE", "get", self.key, "-p", "wrong-password")
        self.trouble("AUTHENTICATION_FAILURE", "get", self.key, "-u", "nobody", "-p", "password")
        self.trouble("BUCKET_NOT_FOUND", "get", self.key, "-b", "no-such-bucket")
        self.trouble("CONNSTR_", "get", self.key, "-C", "couchbase://a b")
        self.trouble("KEY_EMPTY", "get", "")
        self.trouble("KEY_TOO_LONG", "get", "k" * 251)
        self.trouble("did you mean --timeout?", "get", self.key, "--tiemout", "3")
        self.trouble("did you mean \"upsert\"?", "upset", self.key)
        self.trouble("the value is missing", "upsert", self.key)
        self.trouble("is given twice", "upsert", self.key, "1", "--file", "/dev/null")
        self.trouble("FILE_READ", "upsert", self.key, "@/no/such/file")
        self.trouble("--durability takes one of", "upsert", self.key, "1", "--durability", "most")
        self.assertLess(time.monotonic() - begin, 10)

    def test_a_closed_port_is_told(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            where = "couchbase://127.0.0.1:%d" % s.getsockname()[1]
        self.trouble("", "get", self.key, "-C", where, "--timeout", "1000")

    def test_map_with_and_without_a_network(self):
        status, config = local.rest(PLACE, "GET", "/pools/default/b/" + PLACE["bucket"])
        self.assertEqual(status, 200)
        keys = ["user::1", "user::2", "a|b", self.key]
        online = self.ok("map", *keys)
        self.assertEqual(self.ok("map", "--config", "-", *keys, stdin=config.encode()), online)
        lines = [json.loads(line) for line in self.ok("map", "--json", *keys).splitlines()]
        self.assertEqual([line["key"] for line in lines], keys)
        node = PLACE["nodes"][0]
        self.assertEqual({line["nodes"][0] for line in lines}, {"%s:%d" % (node["host"], node["kv"])})
        self.trouble("=http", "map", "k", "-C", "couchbase://127.0.0.1:9")
        self.trouble("AUTHENTICATION_FAILURE", "map", "k", "-p", "wrong-password")
        self.assertEqual(self.ok("map", *keys, "-C", "couchbase://localhost:%d=http" % node["mgmt"]), online)
        self.trouble("CONFIG_NOT_JSON", "map", "--config", "-", "k", stdin=b"{")

    def test_bench(self):
        for options in (["--ops", "get"], ["--batch", "50", "--threads", "2"], ["--ops", "set", "--value-size", "4K"]):
            out = self.object("bench", "--seconds", "1", "--keys", "500", *options)
            self.assertEqual((out["errors"], out["missing"]), (0, 0), out)
            self.assertGreater(out["operations"], 100)
            self.assertEqual(out["gets"] + out["sets"], out["operations"])
            spread = [out["latency_us"][q] for q in ("p50", "p90", "p99", "p99.9", "max")]
            self.assertEqual(spread, sorted(spread))
            self.assertGreater(out["cpu_us_per_operation"], 0)
        self.assertIn(b"p99.9", self.ok("bench", "--seconds", "1", "--keys", "10"))

    def test_connstr(self):
        parsed = json.loads(self.ok("connstr", "couchbases://db1,[::1]:11207/app?kv_timeout=2s"))
        self.assertEqual([h["host"] for h in parsed["hosts"]], ["db1", "::1"])
        self.assertTrue(parsed["tls"])
        self.trouble("CONNSTR_SCHEME", "connstr", "ftp://x")


if __name__ == "__main__":
    main()
