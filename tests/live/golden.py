#!/usr/bin/env python3
"""golden.py BUILD [GLOB]: replays the recorded key-value scenarios against a cluster of one.

Every scenario has to pass but those of known.json, which says why they do not."""
import fnmatch
import glob
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "golden")]
import engine  # noqa: E402
import local  # noqa: E402

# In this order, so that the ids are those of the recording: collections 8 to b, scope 8.
COLLECTIONS = [("_default", "c1"), ("_default", "c2"), ("s1", None), ("s1", "c1"), ("s1", "c2")]
READER = ("reader", "reader-password")


def need(answer, what):
    status, text = answer
    if status >= 300:
        raise SystemExit("%s: status %d: %s" % (what, status, text))


def prepare(place):
    scopes = "/pools/default/buckets/%s/scopes" % place["bucket"]
    for scope, name in COLLECTIONS:
        form = {"name": name or scope}
        need(local.rest(place, "POST", scopes + ("/%s/collections" % scope if name else ""), form), "create " + str(form))
    users = "/settings/rbac/users/local/"
    status, text = local.rest(place, "PUT", users + READER[0],
                              {"password": READER[1], "roles": "data_reader[%s]" % place["bucket"]})
    local.rest(place, "PUT", users + "nobody", {"password": "password", "roles": ""})
    if status >= 300:
        print("scenarios with a reader are left out: users are not served here (%d %s)" % (status, text[:100]))
        return None
    return READER


def known(scenario, table):
    return any(fnmatch.fnmatch(scenario["name"], pattern) for pattern, _ in table)


def show(name, differences):
    print("FAIL", name)
    for path, want, got in differences:
        print("    %s\n        expected %.300s\n        got      %.300s" % (path, json.dumps(want), json.dumps(got)))


def main():
    build, pattern = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "*"
    with open(os.path.join(HERE, "known.json")) as f:
        table = json.load(f)
    folder = local.recordings("golden/golden", "tests/golden/families")
    totals = {"passed": 0, "failed": 0, "skipped": 0, "different, as known": 0, "no longer different": 0}
    with local.cluster(build) as place:
        reader = prepare(place)
        target = engine.Target(*local.kv_address(place), place["username"], place["password"], place["bucket"], reader, 10.0)
        for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
            with open(path) as f:
                family = json.load(f)
            counts = dict.fromkeys(totals, 0)
            for scenario in family["scenarios"]:
                if not fnmatch.fnmatch(scenario["name"], pattern):
                    continue
                if target.missing(scenario) or not all("expect" in step for step in scenario["steps"]):
                    counts["skipped"] += 1
                    continue
                differences = engine.run_compare(target, scenario)
                if known(scenario, table):
                    counts["different, as known" if differences else "no longer different"] += 1
                    continue
                if differences:
                    show(scenario["name"], differences)
                counts["failed" if differences else "passed"] += 1
            print("%-22s" % family["family"], ", ".join("%d %s" % (n, what) for what, n in counts.items() if n), flush=True)
            for what, n in counts.items():
                totals[what] += n
    print(", ".join("%d %s" % (n, what) for what, n in totals.items()))
    return 1 if totals["failed"] or not totals["passed"] else 0


sys.exit(main())
