#!/usr/bin/env python3
"""test_cli_manage.py BUILD: the commands that manage buckets, collections and users, against a cluster of one."""
import json
import time

from cli_case import Case, divan, main


class Manage(Case):
    def rows(self, *args):
        lines = self.ok(*args).decode().splitlines()
        return {line.split()[0]: line.split()[1:] for line in lines[2:]}

    def eventually(self, status, *args):
        end = time.monotonic() + 10
        while divan(*args)[0] != status and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(divan(*args)[0], status, args)

    def test_buckets(self):
        self.assertIn("cli", self.rows("bucket", "list"))
        self.ok("bucket", "create", "shop", "--ram", "128M", "--replicas", "0", "--flush", "yes", "--max-expiry", "1d")
        self.refused("BUCKET_EXISTS", "bucket", "create", "shop")
        self.assertEqual(self.rows("bucket", "list")["shop"][:4], ["couchbase", "128", "MiB", "0"])
        listed = next(b for b in self.object("bucket", "list") if b["name"] == "shop")
        self.assertEqual((listed["maxTTL"], listed["replicaNumber"]), (86400, 0))
        self.eventually(0, "upsert", "k", "1", "-b", "shop")
        self.ok("bucket", "flush", "shop")
        self.eventually(1, "get", "k", "-b", "shop")
        self.assertEqual(self.object("bucket", "update", "shop", "--flush", "no", "--ram", "100M"),
                         {"action": "update", "bucket": "shop"})
        self.refused("BUCKET_NOT_FLUSHABLE", "bucket", "flush", "shop")
        self.ok("bucket", "create", "memory", "--type", "ephemeral", "--eviction", "none", "--replicas", "0")
        self.assertEqual(self.rows("bucket", "list")["memory"][0], "ephemeral")
        self.ok("bucket", "remove", "shop", "memory")
        self.refused("BUCKET_NOT_FOUND", "bucket", "remove", "shop")
        self.trouble("100 MiB", "bucket", "create", "small", "--ram", "10M")
        self.trouble("BUCKET_NAME", "bucket", "create", "a b")

    def test_scopes_and_collections(self):
        self.ok("scope", "create", "inventory", "sales")
        self.refused("SCOPE_EXISTS", "scope", "create", "sales")
        self.ok("collection", "create", "inventory.hotels", "inventory.x", "--max-expiry", "30d")
        self.ok("collection", "create", "plain", "--no-expiry")
        self.refused("COLLECTION_EXISTS", "collection", "create", "inventory.hotels")
        self.refused("SCOPE_NOT_FOUND", "collection", "create", "nobody.x")
        self.assertEqual(self.rows("scope", "list")["inventory"][1], "2")
        collections = self.rows("collection", "list")
        self.assertEqual(collections["inventory.hotels"][1], "2592000")
        self.assertEqual(collections["_default.plain"][1], "never")
        self.ok("collection", "update", "inventory.x", "--max-expiry", "7d")
        self.assertEqual(self.rows("collection", "list")["inventory.x"][1], "604800")
        self.ok("upsert", "k", "1", "--scope", "inventory", "--collection", "hotels")
        self.ok("collection", "remove", "inventory.hotels")
        self.refused("COLLECTION_NOT_FOUND", "collection", "remove", "inventory.hotels")
        self.ok("scope", "remove", "inventory", "sales")
        self.refused("SCOPE_NOT_FOUND", "scope", "remove", "sales")
        self.assertNotIn("inventory", {s["name"] for s in self.object("scope", "list")["scopes"]})

    def test_users_and_groups(self):
        self.ok("group", "create", "readers", "--role", "data_reader[*]", "--description", "who reads")
        self.ok("user", "create", "app", "--new-password", "-", "--role", "data_reader[cli]", "--role",
                "data_writer[cli:_default:_default]", "--full-name", "App", stdin=b"secret\n")
        self.ok("user", "create", "ann", "--new-password", "secret", "--group", "readers")
        users = self.rows("user", "list")
        self.assertEqual(users["app"], ["local", "data_reader[cli],", "data_writer[cli:_default:_default]", "App"])
        self.assertEqual(users["ann"], ["local", "data_reader[*]", "readers"])
        self.assertEqual(self.rows("group", "list")["readers"], ["data_reader[*]", "who", "reads"])
        as_app, as_ann = ("-u", "app", "-p", "secret"), ("-u", "ann", "-p", "secret")
        self.eventually(0, "upsert", self.key, "1", *as_app)
        self.assertEqual(self.ok("get", self.key, *as_ann), b"1")
        self.trouble("AUTHENTICATION_FAILURE", "upsert", self.key, "2", *as_ann)
        self.ok("user", "create", "ann", "--role", "admin")  # keeps the password
        self.eventually(0, "upsert", self.key, "2", *as_ann)
        self.assertEqual([u["id"] for u in self.object("user", "list") if u["id"] == "app"], ["app"])
        status, out, _ = divan("user", "create", "bad", "--role", "nonsense", "--new-password", "secret", "--json")
        self.assertEqual((status, json.loads(out)["error"]["name"]), (2, "DIVAN_ERR_INVALID_ARGUMENT"))
        self.ok("user", "remove", "app", "ann")
        self.refused("USER_NOT_FOUND", "user", "remove", "app")
        self.ok("group", "remove", "readers")
        self.refused("GROUP_NOT_FOUND", "group", "remove", "readers")

    def test_stats(self):
        self.ok("upsert", self.key, "1")
        figures = self.rows("stats")
        self.assertEqual(figures["ep_bucket_type"], ["persistent"])
        self.assertGreaterEqual(int(figures["curr_items"][0]), 1)
        (where, members), = self.object("stats", "vbucket-details 7").items()
        self.assertRegex(where, r"^127\.0\.0\.1:\d+$")
        self.assertEqual(members["vb_7"], "active")
        self.trouble("has no statistics", "stats", "nonsense")
        self.trouble("BUCKET_NOT_FOUND", "stats", "-b", "nobody")
        self.trouble("AUTHENTICATION_FAILURE", "stats", "-p", "wrong-password")

    def test_what_is_no_action(self):
        self.trouble('did you mean "list"?', "bucket", "lst")
        self.trouble("divan scope takes list, create, remove", "scope", "paint")
        self.trouble("a name is missing", "user", "create")
        self.trouble("takes no name", "collection", "list", "x")
        self.trouble("do not agree", "collection", "create", "x", "--max-expiry", "1", "--no-expiry")


if __name__ == "__main__":
    main()
