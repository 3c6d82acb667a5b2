#!/usr/bin/env python3
"""test_cli_subdoc.py BUILD: the commands on parts of documents and on locks, against a cluster of one."""
import json
import time

from cli_case import Case, divan, main


class Parts(Case):
    def setUp(self):
        super().setUp()
        self.ok("upsert", self.key, '{"name": "Ada", "n": 1, "tags": ["a", "b"], "a=b": {"c": null}}')

    def get(self):
        return json.loads(self.ok("get", self.key))

    def test_lookup_of_one_path(self):
        self.assertEqual(self.ok("lookup", self.key, "name"), b'"Ada"\n')
        self.assertEqual(self.ok("lookup", self.key, "count=tags"), b"2\n")
        self.assertEqual(self.ok("lookup", self.key, "get=tags[-1]"), b'"b"\n')
        self.assertEqual(self.ok("lookup", self.key, "`a=b`.c"), b"null\n")
        self.assertEqual(self.ok("lookup", self.key, "exists=n"), b"true\n")
        self.assertEqual(divan("lookup", self.key, "exists=zip")[:2], (1, b"false\n"))
        self.assertEqual(json.loads(self.ok("lookup", self.key, "")), self.get())

    def test_lookup_of_several_paths(self):
        self.assertEqual(self.ok("lookup", self.key, "name", "count=tags", "`a=b`"),
                         b'name\t"Ada"\ncount=tags\t2\n`a=b`\t{"c":null}\n')
        out = self.refused('lookup of "zip": the path does not exist', "lookup", self.key, "zip", "n")
        self.assertEqual(out, b"zip\t\nn\t1\n")

    def test_lookup_as_json(self):
        status, out, err = divan("lookup", "--json", self.key, "name", "exists=zip", "zip", "xattr:$document.exptime")
        self.assertEqual(status, 1)
        answer = json.loads(out)
        self.assertEqual(answer["key"], self.key)
        self.assertEqual(answer["cas"], self.object("get", self.key)["cas"])
        self.assertEqual(answer["paths"][:2], [{"op": "get", "path": "name", "value": "Ada"},
                                               {"op": "exists", "path": "zip", "exists": False}])
        self.assertEqual(answer["paths"][2]["error"]["name"], "DIVAN_ERR_PATH_NOT_FOUND")
        self.assertEqual(answer["paths"][3], {"op": "get", "path": "$document.exptime", "xattr": True, "value": 0})

    def test_lookup_refusals(self):
        self.refused("DOCUMENT_NOT_FOUND", "lookup", "nobody", "name")
        self.refused("PATH_MISMATCH", "lookup", self.key, "n.x")
        self.trouble("SPEC_COUNT", "lookup", self.key, *["n"] * 17)
        self.trouble("PATH_TOO_LONG", "lookup", self.key, "x" * 1025)
        self.trouble('did you mean "count"?', "lookup", self.key, "cuont=tags")
        self.trouble("something is missing", "lookup", self.key)

    def test_every_change(self):
        out = self.ok("mutate", self.key, "upsert=name==Grace", "replace=n=10", "append=tags=\"y\",\"z\"",
                      "prepend=tags==x", "insert-at=tags[1]==i", "add=tags==u", "remove=`a=b`", "incr=n=5", "decr=n")
        self.assertEqual(out, b"15\n14\n")
        self.assertEqual(self.get(), {"name": "Grace", "n": 14, "tags": ["x", "i", "a", "b", "y", "z", "u"]})
        self.ok("mutate", self.key, "--create-paths", "upsert=new.way=-", stdin=b'{"in": [1]}')
        self.assertEqual(self.get()["new"], {"way": {"in": [1]}})

    def test_all_or_nothing(self):
        before = self.get()
        status, out, err = divan("mutate", "--json", self.key, "upsert=k=1", "insert=name=2")
        self.assertEqual(status, 1)
        answer = json.loads(out)
        self.assertEqual(answer["error"]["name"], "DIVAN_ERR_PATH_EXISTS")
        self.assertEqual(answer["failed"], {"index": 1, "spec": "insert=name=2"})
        self.refused("PATH_NOT_FOUND", "mutate", self.key, "upsert=no.way=1")
        self.refused("CAS_MISMATCH", "mutate", self.key, "upsert=n=1", "--cas", "1")
        self.refused("DOCUMENT_NOT_FOUND", "mutate", "nobody", "upsert=n=1")
        self.trouble("write == in front", "mutate", self.key, "upsert=name=Ada")
        self.assertEqual(self.get(), before)

    def test_what_becomes_of_the_document(self):
        key = self.key + "-new"
        self.ok("mutate", "--store", "insert", key, "upsert=a=1", "--expiry", "1h")
        self.refused("DOCUMENT_EXISTS", "mutate", "--store", "insert", key, "upsert=a=1")
        self.ok("mutate", "--store", "upsert", key, "upsert=b=2", "--keep-expiry", "--durability", "majority")
        read = self.object("get", key, "--with-expiry")
        self.assertAlmostEqual(read["expiry"], time.time() + 3600, delta=20)
        self.assertEqual(read["value"], {"a": 1, "b": 2})
        self.assertEqual(self.object("get", key, "--project", "b")["value"], {"b": 2})
        self.ok("mutate", key, "remove=")
        self.refused("DOCUMENT_NOT_FOUND", "get", key)

    def test_extended_attributes(self):
        changed = self.object("mutate", self.key, "--create-paths", "upsert=xattr:_a.by==me", "macro=_a.cas=cas", "upsert=n=2")
        answer = self.object("lookup", self.key, "xattr:_a", "n")
        attribute, n = (path["value"] for path in answer["paths"])
        self.assertEqual((attribute["by"], n), ("me", 2))
        self.assertEqual(int.from_bytes(bytes.fromhex(attribute["cas"][2:]), "little"), int(changed["cas"]))
        key = self.key + "-deleted"
        self.ok("mutate", "--store", "upsert", "--create-as-deleted", "--access-deleted", key, "upsert=xattr:_t=1")
        self.refused("DOCUMENT_NOT_FOUND", "lookup", key, "xattr:_t")
        self.assertTrue(self.object("lookup", "--access-deleted", key, "xattr:_t")["deleted"])
        self.ok("mutate", "--access-deleted", "--revive", key, "body-from=_t")
        self.assertEqual(self.ok("get", key), b"1")

    def test_locks(self):
        cas = self.ok("lock", self.key, "--for", "10").decode().strip()
        status, _, err = divan("upsert", self.key, "1", "--timeout", "300")
        self.assertEqual(status, 2, err)
        self.refused("CAS_MISMATCH", "unlock", self.key, "--cas", "5")
        self.ok("unlock", self.key, "--cas", cas)
        self.refused("NOT_LOCKED", "unlock", self.key, "--cas", cas)
        locked = self.object("lock", self.key)
        self.assertEqual(locked["value"]["name"], "Ada")
        self.ok("replace", self.key, "2", "--cas", locked["cas"])
        self.ok("upsert", self.key, "3")
        self.trouble("--cas is missing", "unlock", self.key)
        self.trouble("too large", "lock", self.key, "--for", "31")
        self.refused("DOCUMENT_NOT_FOUND", "lock", "nobody")


if __name__ == "__main__":
    main()
