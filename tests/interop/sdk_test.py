"""The official Python SDK against a cluster of one: whole documents, then everything of sdk_*.py."""
import os
import signal
import sys
import time
import uuid
from datetime import timedelta

from couchbase.durability import DurabilityLevel, ServerDurability
from couchbase.exceptions import (AmbiguousTimeoutException, AuthenticationException, BucketNotFoundException,
                                  CasMismatchException, DocumentExistsException,
                                  DocumentNotFoundException, UnAmbiguousTimeoutException)
from couchbase.options import (DecrementOptions, GetOptions, IncrementOptions,
                               InsertOptions, RemoveOptions, ReplaceOptions, SignedInt64, DeltaValue, UpsertOptions,
                               WaitUntilReadyOptions)
from couchbase.diagnostics import ServiceType
from couchbase.transcoder import RawBinaryTranscoder

from sdk import PLACE, connect, expect, run, test


@test
def wait_until_ready(c):
    c.cluster.wait_until_ready(timedelta(seconds=10), WaitUntilReadyOptions(service_types=[ServiceType.KeyValue]))


@test
def ping(c):
    reports = c.bucket.ping().endpoints[ServiceType.KeyValue]
    assert reports and all(r.state.value == "ok" for r in reports), reports


@test
def upsert_and_get(c):
    key, document = c.key(), {"a": [1, 2.5, None, True], "text": "ç€😀"}
    stored = c.collection.upsert(key, document)
    got = c.collection.get(key)
    assert got.content_as[dict] == document
    assert got.cas == stored.cas != 0


@test
def large_and_binary_values(c):
    key, text = c.key(), "x" * (1 << 20)
    c.collection.upsert(key, text)
    assert c.collection.get(key).content_as[str] == text
    raw = bytes(range(256)) * 8
    c.collection.upsert(key, raw, UpsertOptions(transcoder=RawBinaryTranscoder()))
    assert c.collection.get(key, GetOptions(transcoder=RawBinaryTranscoder())).content_as[bytes] == raw


@test
def insert_refuses_what_exists(c):
    key = c.key()
    c.collection.insert(key, 1)
    expect(DocumentExistsException, lambda: c.collection.insert(key, 2))
    assert c.collection.get(key).content_as[int] == 1


@test
def missing_documents(c):
    key = c.key()
    for call in (lambda: c.collection.get(key), lambda: c.collection.replace(key, 1),
                 lambda: c.collection.remove(key), lambda: c.collection.touch(key, timedelta(seconds=5))):
        expect(DocumentNotFoundException, call)
    assert c.collection.exists(key).exists is False


@test
def cas(c):
    key = c.key()
    old = c.collection.upsert(key, 1).cas
    new = c.collection.replace(key, 2, ReplaceOptions(cas=old)).cas
    assert new != old
    expect(CasMismatchException, lambda: c.collection.replace(key, 3, ReplaceOptions(cas=old)))
    expect(CasMismatchException, lambda: c.collection.remove(key, RemoveOptions(cas=old)))
    c.collection.remove(key, RemoveOptions(cas=new))
    assert c.collection.exists(key).exists is False


@test
def exists(c):
    key = c.key()
    stored = c.collection.upsert(key, {})
    answer = c.collection.exists(key)
    assert answer.exists and answer.cas == stored.cas


@test
def counters(c):
    key, binary = c.key(), c.collection.binary()
    assert binary.increment(key, IncrementOptions(initial=SignedInt64(5))).content == 5
    assert binary.increment(key, IncrementOptions(delta=DeltaValue(7))).content == 12
    assert binary.decrement(key, DecrementOptions(delta=DeltaValue(2))).content == 10
    assert binary.decrement(key, DecrementOptions(delta=DeltaValue(100))).content == 0
    expect(DocumentNotFoundException, lambda: binary.increment(c.key(), IncrementOptions(initial=SignedInt64(-1))))


@test
def append_and_prepend(c):
    key, binary = c.key(), c.collection.binary()
    c.collection.upsert(key, b"b", UpsertOptions(transcoder=RawBinaryTranscoder()))
    binary.append(key, b"c")
    binary.prepend(key, b"a")
    assert c.collection.get(key, GetOptions(transcoder=RawBinaryTranscoder())).content_as[bytes] == b"abc"


@test
def expiry(c):
    key = c.key()
    c.collection.upsert(key, 1, UpsertOptions(expiry=timedelta(seconds=1)))
    c.collection.get(key)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            c.collection.get(key)
        except DocumentNotFoundException:
            return
        time.sleep(0.1)
    raise AssertionError("still there after 5 s")


@test
def touch_and_get_and_touch(c):
    key = c.key()
    c.collection.upsert(key, {"x": 1}, UpsertOptions(expiry=timedelta(seconds=2)))
    c.collection.touch(key, timedelta(hours=1))
    got = c.collection.get_and_touch(key, timedelta(hours=2))
    assert got.content_as[dict] == {"x": 1}


@test
def mutation_tokens(c):
    first = c.collection.upsert(c.key(), 1)
    token = first.mutation_token()
    assert token is not None and token.bucket_name == PLACE["bucket"]
    assert token.partition_uuid and token.sequence_number > 0


@test
def durability_on_one_node(c):
    key, level = c.key(), ServerDurability(DurabilityLevel.MAJORITY)
    c.collection.insert(key, 1, InsertOptions(durability=level))
    c.collection.replace(key, 2, ReplaceOptions(durability=level))
    c.collection.remove(key, RemoveOptions(durability=level))
    assert c.collection.exists(key).exists is False


@test
def collections(c):
    manager, scope, name = c.bucket.collections(), "s" + uuid.uuid4().hex[:8], "people"
    manager.create_scope(scope)
    manager.create_collection(scope, name)
    inner, key = c.bucket.scope(scope).collection(name), c.key()
    inner.upsert(key, {"in": name})
    assert inner.get(key).content_as[dict] == {"in": name}
    expect(DocumentNotFoundException, lambda: c.collection.get(key))
    names = {s.name: {x.name for x in s.collections} for s in manager.get_all_scopes()}
    assert names[scope] == {name} and "_default" in names["_default"]
    manager.drop_collection(scope, name)
    manager.drop_scope(scope)
    assert scope not in {s.name for s in manager.get_all_scopes()}


@test
def multi(c):
    documents = {c.key(): {"n": n} for n in range(200)}
    assert c.collection.upsert_multi(documents).all_ok
    got = c.collection.get_multi(list(documents))
    assert got.all_ok and {k: r.content_as[dict] for k, r in got.results.items()} == documents


@test
def buckets(c):
    names = [b.name for b in c.cluster.buckets().get_all_buckets()]
    assert PLACE["bucket"] in names


@test
def wrong_password(_):
    error = expect(AuthenticationException, lambda: connect(password="wrong", bootstrap_timeout=timedelta(seconds=5)))
    assert error


@test
def unknown_bucket(c):
    expect(BucketNotFoundException, lambda: c.cluster.bucket("nobody").default_collection().get("k"))


@test
def timeouts(c):
    key, pid = c.key(), PLACE["nodes"][0]["pid"]
    c.collection.upsert(key, 1)
    short = timedelta(milliseconds=300)
    os.kill(pid, signal.SIGSTOP)
    try:
        expect(UnAmbiguousTimeoutException, lambda: c.collection.get(key, GetOptions(timeout=short)))
        expect(AmbiguousTimeoutException,
               lambda: c.collection.upsert(key, 2, UpsertOptions(timeout=short)))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert c.collection.get(key).content_as[int] in (1, 2)


import sdk_subdoc  # noqa: E402,F401 each adds its tests behind those above
import sdk_scan  # noqa: E402,F401
import sdk_manage  # noqa: E402,F401 last: the SDK goes on asking for buckets that it dropped

sys.exit(run())
