"""Parts of documents, locks, expiry and durability through the official Python SDK."""
import json
import threading
import time
import zlib
from datetime import datetime, timedelta, timezone

import couchbase.subdocument as SD
from couchbase.durability import DurabilityLevel, ServerDurability
from couchbase.exceptions import (AmbiguousTimeoutException, CasMismatchException, DeltaInvalidException, DocumentExistsException,
                                  DocumentLockedException, DocumentNotFoundException, DocumentNotJsonException,
                                  DocumentNotLockedException, InvalidArgumentException, InvalidValueException,
                                  PathExistsException, PathInvalidException, PathMismatchException,
                                  PathNotFoundException, UnAmbiguousTimeoutException)
from couchbase.options import (DeltaValue, GetOptions, IncrementOptions, LookupInOptions, MutateInOptions, RemoveOptions,
                               ReplaceOptions, SignedInt64, UpsertOptions)
from couchbase.transcoder import RawBinaryTranscoder

from sdk import eventually, expect, test

DOCUMENT = {"name": "Ada", "n": 1, "tags": ["a", "b"], "deep": {"er": {"est": True}}, "none": None}


def stored(c, document=None):
    key = c.key()
    c.collection.upsert(key, DOCUMENT if document is None else document)
    return key


@test
def lookup_in_paths(c):
    key = stored(c)
    got = c.collection.lookup_in(key, [SD.get("name"), SD.get("deep.er"), SD.get("tags[-1]"), SD.exists("none"),
                                       SD.exists("zip"), SD.count("tags"), SD.count("deep"), SD.get("zip"), SD.get("n.x")])
    assert got.content_as[str](0) == "Ada"
    assert got.content_as[dict](1) == {"est": True}
    assert got.content_as[str](2) == "b"
    assert got.exists(3) and not got.exists(4)
    assert got.content_as[int](5) == 2 and got.content_as[int](6) == 1
    expect(PathNotFoundException, lambda: got.content_as[str](7))
    expect(PathMismatchException, lambda: got.content_as[str](8))
    assert got.cas == c.collection.get(key).cas


@test
def lookup_in_errors(c):
    expect(DocumentNotFoundException, lambda: c.collection.lookup_in(c.key(), [SD.get("a")]))
    key = stored(c)
    broken = c.collection.lookup_in(key, [SD.get("a[")])
    expect(PathInvalidException, lambda: broken.content_as[str](0))
    text = c.key()
    c.collection.upsert(text, b"\xff\x00", UpsertOptions(transcoder=RawBinaryTranscoder()))
    seen = c.collection.lookup_in(text, [SD.get("a")])
    expect(DocumentNotJsonException, lambda: seen.content_as[str](0))
    expect(InvalidArgumentException, lambda: c.collection.lookup_in(key, [SD.get("a")] * 17))


@test
def lookup_in_whole_document(c):
    key = stored(c)
    got = c.collection.lookup_in(key, [SD.get_full(), SD.get("name")])
    assert got.content_as[dict](0) == DOCUMENT and got.content_as[str](1) == "Ada"


@test
def mutate_in_every_operation(c):
    key = stored(c)
    old = c.collection.get(key).cas
    done = c.collection.mutate_in(key, [
        SD.upsert("name", "Grace"), SD.insert("new.way", 7, create_parents=True), SD.replace("n", 10), SD.remove("none"),
        SD.array_append("tags", "y", "z"), SD.array_prepend("tags", "x"), SD.array_insert("tags[1]", "i"),
        SD.array_addunique("tags", "u"), SD.increment("n", 5), SD.decrement("n", 3)])
    assert done.cas not in (0, old)
    got = c.collection.get(key)
    assert got.cas == done.cas
    assert got.content_as[dict] == {"name": "Grace", "n": 12, "tags": ["x", "i", "a", "b", "y", "z", "u"],
                                    "deep": {"er": {"est": True}}, "new": {"way": 7}}
    assert done.mutation_token() is not None
    assert done.content_as[int](8) == 15 and done.content_as[int](9) == 12


@test
def mutate_in_errors_change_nothing(c):
    key = stored(c)
    rows = ((PathExistsException, SD.insert("name", 1)), (PathNotFoundException, SD.replace("zip", 1)),
            (PathNotFoundException, SD.remove("zip")), (PathNotFoundException, SD.upsert("no.way", 1)),
            (PathMismatchException, SD.array_append("name", 1)), (PathExistsException, SD.array_addunique("tags", "a")),
            (PathMismatchException, SD.increment("name", 1)), (PathInvalidException, SD.upsert("a..b", 1)))
    for kind, spec in rows:
        expect(kind, lambda: c.collection.mutate_in(key, [SD.upsert("name", "other"), spec]))
        assert c.collection.get(key).content_as[dict] == DOCUMENT, spec
    expect(DocumentNotFoundException, lambda: c.collection.mutate_in(c.key(), [SD.upsert("a", 1)]))
    expect(CasMismatchException, lambda: c.collection.mutate_in(key, [SD.upsert("a", 1)], MutateInOptions(cas=1)))


@test
def mutate_in_store_semantics(c):
    key = c.key()
    c.collection.mutate_in(key, [SD.upsert("a.b", 1, create_parents=True)],
                           MutateInOptions(store_semantics=SD.StoreSemantics.UPSERT))
    assert c.collection.get(key).content_as[dict] == {"a": {"b": 1}}
    expect(DocumentExistsException, lambda: c.collection.mutate_in(
        key, [SD.upsert("c", 1)], MutateInOptions(store_semantics=SD.StoreSemantics.INSERT)))
    c.collection.mutate_in(key, [SD.replace("", {"whole": True})])
    assert c.collection.get(key).content_as[dict] == {"whole": True}
    c.collection.mutate_in(key, [SD.remove("")])
    assert not c.collection.exists(key).exists


@test
def extended_attributes(c):
    key = stored(c)
    c.collection.mutate_in(key, [SD.insert("_audit.by", "me", create_parents=True, xattr=True), SD.upsert("n", 2),
                                 SD.array_append("_log", 1, xattr=True, create_parents=True)])
    got = c.collection.lookup_in(key, [SD.get("_audit", xattr=True), SD.exists("_audit.at", xattr=True),
                                       SD.count("_log", xattr=True), SD.get("n"), SD.get("$XTOC", xattr=True)])
    assert got.content_as[dict](0) == {"by": "me"}
    assert not got.exists(1) and got.content_as[int](2) == 1 and got.content_as[int](3) == 2
    assert sorted(got.content_as[list](4)) == ["_audit", "_log"]
    assert c.collection.get(key).content_as[dict] == {**DOCUMENT, "n": 2}
    c.collection.mutate_in(key, [SD.remove("_audit", xattr=True)])
    expect(PathNotFoundException,
           lambda: c.collection.lookup_in(key, [SD.get("_audit", xattr=True)]).content_as[dict](0))


@test
def macros(c):
    key = stored(c)
    done = c.collection.mutate_in(key, [
        SD.upsert("_m.cas", SD.MutationMacro.cas(), create_parents=True),
        SD.upsert("_m.seqno", SD.MutationMacro.seq_no(), create_parents=True),
        SD.upsert("_m.crc", SD.MutationMacro.value_crc32c(), create_parents=True), SD.upsert("n", 9)])
    seen = c.collection.lookup_in(key, [SD.get("_m", xattr=True)]).content_as[dict](0)
    assert SD.convert_macro_cas_to_cas(seen["cas"]) == done.cas, seen
    assert int(seen["seqno"], 16) == done.mutation_token().sequence_number, seen
    assert seen["crc"].startswith("0x") and len(seen["crc"]) == 10, seen


@test
def facts_about_the_document(c):
    key = c.key()
    cas = c.collection.upsert(key, {"x": 1}, UpsertOptions(expiry=timedelta(hours=1))).cas
    macro = SD.LookupInMacro
    got = c.collection.lookup_in(key, [SD.get(m, xattr=True) for m in (
        macro.document(), macro.expiry_time(), macro.cas(), macro.seq_no(), macro.is_deleted(), macro.value_size_bytes(),
        macro.rev_id(), macro.last_modified())])
    facts = got.content_as[dict](0)
    assert {"CAS", "exptime", "seqno", "deleted", "value_bytes", "revid", "last_modified", "vbucket_uuid"} <= set(facts), facts
    assert abs(got.content_as[int](1) - time.time() - 3600) < 10
    assert int(got.content_as[str](2), 16) == cas
    assert int(got.content_as[str](3), 16) > 0 and got.content_as[bool](4) is False
    assert got.content_as[int](5) == len(json.dumps({"x": 1})) and got.content_as[str](6) == "1", facts
    assert abs(int(got.content_as[str](7)) - time.time()) < 60


@test
def tombstones(c):
    key = stored(c)
    c.collection.mutate_in(key, [SD.upsert("_keep", 1, xattr=True)])
    c.collection.remove(key)
    expect(DocumentNotFoundException, lambda: c.collection.lookup_in(key, [SD.get("_keep", xattr=True)]))
    got = c.collection.lookup_in(key, [SD.get("_keep", xattr=True)], LookupInOptions(access_deleted=True))
    assert got.content_as[int](0) == 1


@test
def projections(c):
    key = stored(c)
    got = c.collection.get(key, GetOptions(project=["name", "deep.er.est", "tags[1]", "zip"]))
    assert got.content_as[dict] == {"name": "Ada", "deep": {"er": {"est": True}}, "tags": ["b"]}, got.content_as[dict]
    many = {"m%d" % i: i for i in range(30)}
    got = c.collection.get(stored(c, many), GetOptions(project=list(many)))
    assert got.content_as[dict] == many


@test
def locks(c):
    key = stored(c)
    locked = c.collection.get_and_lock(key, timedelta(seconds=15))
    assert locked.content_as[dict] == DOCUMENT
    short = timedelta(milliseconds=300)
    for call in (lambda: c.collection.upsert(key, 1, UpsertOptions(timeout=short)),
                 lambda: c.collection.get_and_lock(key, timedelta(seconds=5), timeout=short)):
        expect((DocumentLockedException, UnAmbiguousTimeoutException, AmbiguousTimeoutException), call)
    assert c.collection.get(key).content_as[dict] == DOCUMENT
    expect((CasMismatchException, DocumentLockedException, UnAmbiguousTimeoutException),
           lambda: c.collection.unlock(key, locked.cas + 1, timeout=short))
    c.collection.unlock(key, locked.cas)
    expect(DocumentNotLockedException, lambda: c.collection.unlock(key, locked.cas))
    c.collection.upsert(key, 2)
    expect(DocumentNotFoundException, lambda: c.collection.get_and_lock(c.key(), timedelta(seconds=5)))
    expect(DocumentNotFoundException, lambda: c.collection.unlock(c.key(), 1))


@test
def locks_open(c):
    key = stored(c)
    locked = c.collection.get_and_lock(key, timedelta(seconds=15))
    c.collection.replace(key, 2, ReplaceOptions(cas=locked.cas))
    c.collection.upsert(key, 3)
    c.collection.get_and_lock(key, timedelta(seconds=1))
    begin = time.monotonic()
    c.collection.upsert(key, 4, UpsertOptions(timeout=timedelta(seconds=10)))
    assert 0.3 < time.monotonic() - begin < 5
    locked = c.collection.get_and_lock(key, timedelta(seconds=15))
    c.collection.remove(key, RemoveOptions(cas=locked.cas))
    assert not c.collection.exists(key).exists


@test
def counters_of_many(c):
    key, binary = c.key(), c.collection.binary()

    def count():
        for _ in range(50):
            binary.increment(key, IncrementOptions(delta=DeltaValue(2), initial=SignedInt64(2)))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert c.collection.get(key).content_as[int] == 400
    expect(DeltaInvalidException, lambda: binary.increment(stored(c)))


@test
def expiry_is_told_and_kept(c):
    key, hour = c.key(), timedelta(hours=1)

    def expires():
        return c.collection.get(key, GetOptions(with_expiry=True)).expiry_time

    c.collection.upsert(key, {"a": 1}, UpsertOptions(expiry=hour))
    first = expires()
    near = datetime.now(timezone.utc).timestamp() + 3600
    assert abs(first.replace(tzinfo=first.tzinfo or timezone.utc).timestamp() - near) < 10, first
    c.collection.upsert(key, {"a": 2}, UpsertOptions(preserve_expiry=True))
    assert expires() == first
    c.collection.replace(key, {"a": 3}, ReplaceOptions(preserve_expiry=True))
    c.collection.mutate_in(key, [SD.upsert("a", 4)], MutateInOptions(preserve_expiry=True))
    assert expires() == first
    c.collection.mutate_in(key, [SD.upsert("a", 5)], MutateInOptions(expiry=timedelta(days=40)))
    assert expires() > first
    c.collection.upsert(key, {"a": 6})
    assert expires() is None
    c.collection.touch(key, timedelta(seconds=1))
    eventually(lambda: expect(DocumentNotFoundException, lambda: c.collection.get(key)), AssertionError)


@test
def durability_levels(c):
    for level in (DurabilityLevel.MAJORITY, DurabilityLevel.MAJORITY_AND_PERSIST_TO_ACTIVE,
                  DurabilityLevel.PERSIST_TO_MAJORITY):
        key, durable = stored(c), ServerDurability(level)
        c.collection.upsert(key, DOCUMENT, UpsertOptions(durability=durable))
        c.collection.mutate_in(key, [SD.upsert("n", 2)], MutateInOptions(durability=durable))
        c.collection.binary().increment(c.key(), IncrementOptions(durability=durable, initial=SignedInt64(1)))
        c.collection.remove(key, RemoveOptions(durability=durable))
        assert not c.collection.exists(key).exists


@test
def values_nobody_takes(c):
    key = stored(c)
    expect((InvalidValueException, Exception), lambda: c.collection.upsert(key, "x" * (21 << 20)))
    assert c.collection.get(key).content_as[dict] == DOCUMENT
    deep = 1
    for _ in range(31):
        deep = {"d": deep}
    c.collection.upsert(key, deep)
    expect(Exception, lambda: c.collection.mutate_in(key, [SD.upsert(".".join(["d"] * 31), {"e": {"f": 1}})]))
    assert zlib.crc32(repr(c.collection.get(key).content_as[dict]).encode()) == zlib.crc32(repr(deep).encode())
