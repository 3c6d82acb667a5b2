#!/usr/bin/env python3
"""Tests of the tests: builds deliberate faults, one at a time, and sees that a test catches each.

Usage: tools/mutants.py [--list] [--all-tests] [NAME...]

A copy of the sources in build-mutants/ is changed in one place, built and tested; the sources themselves are never touched.
A mutant is text that must occur exactly once, so one that no longer applies is noticed. Exit status 1: one survived, or the
sources as they are do not pass."""
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(ROOT, "build-mutants")
SOURCE, BUILD = os.path.join(WORK, "src"), os.path.join(WORK, "build")
LIMIT_S = 240

# What may catch a mutant: a name, the target to build, and the command in the build folder.
SIM = ("sim 400 seeds", "divan_sim", ["tests/divan_sim", "--seeds", "400", "-j", "2"])
STORIES = ("recorded stories", "divan_story", ["sh", "-c", "exec tests/divan_story stories/cfg64*.json"])


def unit(name):
    return (name, name, ["tests/" + name])


# name, what it breaks, file, text, replacement, tests that are tried in this order
MUTANTS = [
    ("retry-ambiguous", "an increment whose answer was lost is sent again",
     "src/client/retry.c", "enum act act = retry_allowed(reason, idempotent, fail_fast)",
     "enum act act = retry_allowed(reason, true, fail_fast)", [SIM, unit("test_client_faults")]),
    ("unsent", "a lost connection is taken as if nothing had been sent",
     "src/client/connection.c", "op->out_end > conn->flushed ? LOSS_NOT_SENT : LOSS_SENT",
     "op->out_end > conn->flushed ? LOSS_NOT_SENT : LOSS_NOT_SENT", [SIM]),
    ("timeout-unambiguous", "a timeout says that the write was not applied",
     "src/client/retry.c", "return unanswered && !idempotent ? DIVAN_ERR_AMBIGUOUS_TIMEOUT",
     "return unanswered && !unanswered ? DIVAN_ERR_AMBIGUOUS_TIMEOUT", [SIM]),
    ("older-map", "an older map replaces a newer one",
     "src/topology/map.c", "return revision_compare(next->revision, now->revision) > 0;",
     "return revision_compare(next->revision, now->revision) != 0;", [STORIES, SIM]),
    ("late-deadline", "deadlines are noticed 20 ms late",
     "src/client/wheel.c", "uint64_t tick = tick_of(at_ns);", "uint64_t tick = tick_of(at_ns + 20000000);", [SIM]),
    ("no-deadline", "reads have no deadline",
     "src/client/client.c", "op->start_ns + op->timeout_ms * NS_PER_MS)",
     "op->start_ns + (op->kind == 0 ? 100 : 1) * op->timeout_ms * NS_PER_MS)", [SIM]),
    ("complete-twice", "an operation that timed out completes once more when its answer comes",
     "src/client/connection.c", "void connection_forget(struct connection *conn, struct operation *op)\n{",
     "void connection_forget(struct connection *conn, struct operation *op)\n{\n    op_retain(op);\n"
     "    if (conn->slots.used) return;", [unit("test_client_faults"), SIM]),
    ("cancel-twice", "closing completes operations twice",
     "src/client/client.c", "} else c->deliver(c->deliver_user, op);",
     "} else {\n        if (code == DIVAN_ERR_CANCELLED) op_retain(op), c->deliver(c->deliver_user, op);\n"
     "        c->deliver(c->deliver_user, op);\n    }", [unit("test_client_open"), unit("test_client_faults"), SIM]),
    ("lose-parked", "an operation that waits for a connection is forgotten when it is there",
     "src/client/node.c", "    client_route_all(c, &node->waiting);\n    if (bucket->name && !(has_map",
     "    list_take_first(&node->waiting);\n    client_route_all(c, &node->waiting);\n"
     "    if (bucket->name && !(has_map", [STORIES, SIM, unit("test_client_faults")]),
    ("stale-collection", "a collection id that the server refuses is kept",
     "src/client/collections.c", "    collection->state = COLLECTION_UNKNOWN;\n    collection->refusals = 0;\n    return true;",
     "    return false;", [unit("test_client_faults")]),
    ("wrong-hash", "the vBucket of a key is computed from other bits",
     "src/topology/map.h", "crc32_of(key) >> 16 & 0x7fff", "crc32_of(key) >> 15 & 0x7fff", [unit("test_map")]),
    ("never-silent", "a connection that says nothing any more is kept",
     "src/client/connection.c", "SILENCE_MS = 2000,", "SILENCE_MS = 2000000,", [SIM]),
    ("ack-before-majority", "a durable write is acknowledged before the replicas have it",
     "src/node/kv/durable.c", "return chain_has(&d->now, d->now.nodes[0], seqno) &&", "return true ||",
     [unit("test_dcp_durability"), SIM]),
    ("durable-anyway", "a durable write is taken where no majority is possible",
     "src/node/kv/ops.c", "return !level || vbucket_majority_exists(v);", "return !level || level;",
     [unit("test_kv_store"), unit("test_dcp_durability"), unit("test_kv_session")]),
    ("serve-after-failover", "a node that was failed over goes on serving",
     "src/node/placement.c", "return kept ? VBUCKET_DEAD : VBUCKET_ABSENT;", "return VBUCKET_KEEP;",
     [unit("test_cluster_moves"), SIM]),
    ("replica-serves", "a replica takes reads and writes",
     "src/node/request.c", "if (needs & NEED_ACTIVE) return v->mode == VBUCKET_ACTIVE;",
     "if (needs & NEED_ACTIVE) return v->mode == VBUCKET_ACTIVE || v->mode == VBUCKET_REPLICA;",
     [unit("test_kv_session"), unit("test_cluster_moves"), SIM]),
    ("promote-least", "a failover promotes the copy that has least",
     "src/manager/failover.c", "a->prepared > b->prepared;\n    return a->high > b->high;",
     "a->prepared < b->prepared;\n    return a->high < b->high;", [unit("test_manager_topology"), SIM]),
    ("older-document", "a node takes an older document of the manager",
     "src/node/uplink.c", "revision_compare(d->revision, u->doc->revision) < 0)",
     "revision_compare(d->revision, u->doc->revision) < -9)", [unit("test_uplink_documents")]),
    ("deaf-link", "a node does not notice that nothing comes from the manager any more",
     "src/node/uplink.c", "return u->channel && now - u->heard_ns", "return !u->channel && now - u->heard_ns",
     [unit("test_manager_link"), SIM]),
    ("skip-persist", "a write counts as persisted before it is on the disk",
     "src/node/kv/store.h", "return v->store->keeper ? v->persisted_seqno : v->high_seqno;",
     "return v->high_seqno;", [unit("test_disk")]),
]


def run(command, limit=LIMIT_S, folder=BUILD):
    try:
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        return -1, (late.stdout or b"").decode(errors="replace") + "\nit did not end within %d s" % limit


def copy_sources():
    """Only what changed, so that a second run builds little."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.split(b"\0")
    kept = set()
    for name in (f.decode() for f in files if f):
        if not os.path.isfile(os.path.join(ROOT, name)) or name.startswith(("tests/interop", "docs/")):
            continue
        kept.add(name)
        target = os.path.join(SOURCE, name)
        with open(os.path.join(ROOT, name), "rb") as f:
            new = f.read()
        if os.path.isfile(target):
            with open(target, "rb") as f:
                if f.read() == new:
                    continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as f:
            f.write(new)
    for folder, _, names in os.walk(SOURCE):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.relpath(path, SOURCE) not in kept:
                os.remove(path)


def configure():
    launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if run(["ccache", "--version"], folder=ROOT)[0] == 0 else []
    code, text = run(["cmake", "-G", "Ninja", "-S", SOURCE, "-B", BUILD, "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                      "-DDIVAN_WERROR=OFF"] + launcher, folder=ROOT)
    if code:
        sys.exit(text)


def build(targets):
    return run(["cmake", "--build", BUILD, "-j", str(os.cpu_count() or 2), "--target"] + sorted(targets), 1200)


def change(mutant):
    """The file as it was; None when the mutant does not apply."""
    path = os.path.join(SOURCE, mutant[2])
    with open(path) as f:
        before = f.read()
    if before.count(mutant[3]) != 1:
        return None
    with open(path, "w") as f:
        f.write(before.replace(mutant[3], mutant[4]))
    return before


def targets_of(tests):
    return {t[1] for t in tests if target_exists(t[1])}


def target_exists(name):
    return not name.startswith("test_") or any(
        os.path.isfile(os.path.join(SOURCE, "tests", d, name + ".c")) for d in ("unit", "sim"))


def try_mutant(mutant, all_tests):
    """(caught, words)"""
    before = change(mutant)
    if before is None:
        return False, "does not apply any more: its text is not there once"
    caught = []
    try:
        code, text = build(targets_of(mutant[5]))
        if code:
            return False, "does not compile:\n" + text[-2000:]
        for name, target, command in mutant[5]:
            if not target_exists(target):
                continue
            began = time.time()
            if run(command)[0]:
                caught.append("%s (%.0f s)" % (name, time.time() - began))
                if not all_tests:
                    break
    finally:
        with open(os.path.join(SOURCE, mutant[2]), "w") as f:
            f.write(before)
    return bool(caught), ", ".join(caught) or "SURVIVED " + ", ".join(t[0] for t in mutant[5])


def main():
    words = [a for a in sys.argv[1:] if not a.startswith("--")]
    unknown = set(words) - {m[0] for m in MUTANTS}
    if unknown:
        sys.exit("no such mutant: " + ", ".join(sorted(unknown)))
    chosen = [m for m in MUTANTS if not words or m[0] in words]
    if "--list" in sys.argv:
        for m in chosen:
            print("%-22s %s" % (m[0], m[1]))
        return 0
    copy_sources()
    configure()
    tests = {t[0]: t for m in chosen for t in m[5] if target_exists(t[1])}
    code, text = build({t[1] for t in tests.values()})
    if code:
        sys.exit(text[-4000:])
    for name, _, command in tests.values():
        code, text = run(command)
        if code:
            sys.exit("%s fails without any mutant:\n%s" % (name, text[-3000:]))
    print("all %d tests pass without a mutant" % len(tests), flush=True)
    survivors = 0
    for m in chosen:
        caught, by = try_mutant(m, "--all-tests" in sys.argv)
        survivors += not caught
        print("%-8s %-22s %-70s %s" % ("caught" if caught else "FAILED", m[0], m[1], by), flush=True)
    print("%d of %d caught" % (len(chosen) - survivors, len(chosen)))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
