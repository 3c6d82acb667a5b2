"""Scans through the official Python SDK."""
import uuid

from couchbase.exceptions import InvalidArgumentException, CollectionNotFoundException, CouchbaseException
from couchbase.kv_range_scan import PrefixScan, RangeScan, SamplingScan, ScanTerm
from couchbase.mutation_state import MutationState
from couchbase.options import ScanOptions

from sdk import expect, test


class Here:
    """A collection of its own, with 300 documents."""

    def __init__(self, c):
        self.manager, self.scope = c.bucket.collections(), "scan" + uuid.uuid4().hex[:8]
        self.manager.create_scope(self.scope)
        self.manager.create_collection(self.scope, "many")
        self.collection = c.bucket.scope(self.scope).collection("many")
        self.documents = {"%s-%03d" % ("ab"[n % 2], n): {"n": n} for n in range(300)}
        stored = self.collection.upsert_multi(self.documents)
        assert stored.all_ok
        self.state = MutationState(*stored.results.values())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.manager.drop_scope(self.scope)

    def scan(self, kind, **options):
        return list(self.collection.scan(kind, ScanOptions(consistent_with=self.state, **options)))


@test
def scan_everything(c):
    with Here(c) as here:
        rows = here.scan(RangeScan())
        assert {row.id: row.content_as[dict] for row in rows} == here.documents and len(rows) == 300
        assert all(row.cas for row in rows)


@test
def scan_ranges(c):
    with Here(c) as here:
        keys = sorted(here.documents)
        rows = here.scan(RangeScan(ScanTerm("a-100"), ScanTerm("b-050")), ids_only=True)
        assert sorted(row.id for row in rows) == [k for k in keys if "a-100" <= k <= "b-050"]
        rows = here.scan(RangeScan(ScanTerm("a-100", exclusive=True), ScanTerm("a-110", exclusive=True)), ids_only=True)
        assert sorted(row.id for row in rows) == ["a-102", "a-104", "a-106", "a-108"]
        rows = here.scan(RangeScan(start=ScanTerm("b-290")), ids_only=True, batch_item_limit=1, concurrency=4)
        assert sorted(row.id for row in rows) == ["b-291", "b-293", "b-295", "b-297", "b-299"]
        assert here.scan(RangeScan(ScanTerm("x"), ScanTerm("y"))) == []


@test
def scan_prefixes(c):
    with Here(c) as here:
        rows = here.scan(PrefixScan("b-"))
        assert {row.id: row.content_as[dict] for row in rows} == {k: v for k, v in here.documents.items() if k[0] == "b"}
        assert here.scan(PrefixScan("nobody")) == []


@test
def scan_samples(c):
    with Here(c) as here:
        rows = here.scan(SamplingScan(20, 42))
        assert 0 < len(rows) <= 20 and all(row.content_as[dict] == here.documents[row.id] for row in rows)
        assert {row.id for row in here.scan(SamplingScan(20, 42), ids_only=True)} == {row.id for row in rows}
        assert len(here.scan(SamplingScan(1000), ids_only=True)) == 300
        expect((InvalidArgumentException, ValueError), lambda: here.scan(SamplingScan(0)))


@test
def scan_of_no_collection(c):
    nowhere = c.bucket.scope("_default").collection("nobody")
    expect((CollectionNotFoundException, CouchbaseException), lambda: list(nowhere.scan(RangeScan())))
