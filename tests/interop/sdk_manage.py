"""Buckets, scopes, collections, users and groups through the official Python SDK."""
import uuid
from datetime import timedelta

from couchbase.exceptions import (AuthenticationException, BucketAlreadyExistsException, BucketDoesNotExistException,
                                  BucketNotFlushableException, CollectionAlreadyExistsException,
                                  CollectionNotFoundException, CouchbaseException, DocumentNotFoundException, GroupNotFoundException,
                                  InvalidArgumentException, ScopeAlreadyExistsException, ScopeNotFoundException,
                                  UserNotFoundException)
from couchbase.management.buckets import (BucketSettings, BucketType, CompressionMode, ConflictResolutionType, CreateBucketSettings,
                                          EvictionPolicyType)
from couchbase.durability import DurabilityLevel
from couchbase.management.collections import CreateCollectionSettings, UpdateCollectionSettings
from couchbase.management.users import Group, Role, User

from sdk import PLACE, connect, eventually, expect, test


def name(kind):
    return kind + uuid.uuid4().hex[:8]


@test
def bucket_life(c):
    buckets, bucket = c.cluster.buckets(), name("py")
    buckets.create_bucket(CreateBucketSettings(
        name=bucket, ram_quota_mb=100, num_replicas=0, flush_enabled=True, max_expiry=timedelta(hours=1),
        bucket_type=BucketType.COUCHBASE, compression_mode=CompressionMode.ACTIVE,
        conflict_resolution_type=ConflictResolutionType.TIMESTAMP, eviction_policy=EvictionPolicyType.FULL,
        minimum_durability_level=DurabilityLevel.NONE))
    try:
        seen = eventually(lambda: buckets.get_bucket(bucket))
        assert (seen.name, seen.ram_quota_mb, seen.num_replicas, seen.flush_enabled) == (bucket, 100, 0, True), seen
        assert seen.bucket_type == BucketType.COUCHBASE and seen.compression_mode == CompressionMode.ACTIVE
        assert seen.eviction_policy == EvictionPolicyType.FULL and seen.max_expiry == timedelta(hours=1)
        expect(BucketAlreadyExistsException,
               lambda: buckets.create_bucket(CreateBucketSettings(name=bucket, ram_quota_mb=100)))
        collection = c.cluster.bucket(bucket).default_collection()
        eventually(lambda: collection.upsert("k", 1))
        buckets.update_bucket(BucketSettings(name=bucket, ram_quota_mb=128, num_replicas=0, flush_enabled=True))
        assert buckets.get_bucket(bucket).ram_quota_mb == 128
        buckets.flush_bucket(bucket)
        eventually(lambda: expect(DocumentNotFoundException, lambda: collection.get("k")), AssertionError)
        buckets.update_bucket(BucketSettings(name=bucket, ram_quota_mb=128, num_replicas=0, flush_enabled=False))
        expect(BucketNotFlushableException, lambda: buckets.flush_bucket(bucket))
    finally:
        buckets.drop_bucket(bucket)
    eventually(lambda: expect(BucketDoesNotExistException, lambda: buckets.get_bucket(bucket)), AssertionError)
    for call in (lambda: buckets.drop_bucket(bucket), lambda: buckets.flush_bucket(bucket)):
        expect(BucketDoesNotExistException, call)


@test
def ephemeral_bucket(c):
    buckets, bucket = c.cluster.buckets(), name("eph")
    buckets.create_bucket(CreateBucketSettings(name=bucket, ram_quota_mb=100, num_replicas=0,
                                               bucket_type=BucketType.EPHEMERAL))
    try:
        assert eventually(lambda: buckets.get_bucket(bucket)).bucket_type == BucketType.EPHEMERAL
        collection = c.cluster.bucket(bucket).default_collection()
        eventually(lambda: collection.upsert("k", 1))
        assert collection.get("k").content_as[int] == 1
    finally:
        buckets.drop_bucket(bucket)


@test
def bucket_settings_are_checked(c):
    for settings in (dict(ram_quota_mb=1), dict(ram_quota_mb=100, num_replicas=9)):
        expect((InvalidArgumentException, CouchbaseException), lambda: c.cluster.buckets().create_bucket(
            CreateBucketSettings(name=name("bad"), **settings)))


@test
def scopes_and_collections(c):
    manager, scope = c.bucket.collections(), name("s")
    expect(ScopeNotFoundException, lambda: manager.create_collection(scope, "a"))
    manager.create_scope(scope)
    expect(ScopeAlreadyExistsException, lambda: manager.create_scope(scope))
    manager.create_collection(scope, "a", CreateCollectionSettings(max_expiry=timedelta(hours=1)))
    manager.create_collection(scope, "never", CreateCollectionSettings(max_expiry=timedelta(seconds=-1)))
    expect(CollectionAlreadyExistsException, lambda: manager.create_collection(scope, "a"))
    expect(CollectionNotFoundException, lambda: manager.drop_collection(scope, "nobody"))
    expect(ScopeNotFoundException, lambda: manager.drop_scope(name("s")))
    expect((InvalidArgumentException, CouchbaseException), lambda: manager.create_scope("a b"))

    def collections():
        found = next(s for s in manager.get_all_scopes() if s.name == scope)
        return {x.name: x.max_expiry for x in found.collections}

    assert collections() == {"a": timedelta(hours=1), "never": timedelta(seconds=-1)}, collections()
    manager.update_collection(scope, "a", UpdateCollectionSettings(max_expiry=timedelta(hours=2)))
    assert collections()["a"] == timedelta(hours=2)
    inner = c.bucket.scope(scope).collection("a")
    inner.upsert("k", 1)
    manager.drop_collection(scope, "a")
    manager.create_collection(scope, "a")
    eventually(lambda: expect(DocumentNotFoundException, lambda: inner.get("k")), AssertionError)
    manager.drop_scope(scope)


@test
def users(c):
    manager, user = c.cluster.users(), name("u")
    manager.upsert_user(User(username=user, display_name="Uma", password="password",
                             roles={Role("data_reader", bucket=PLACE["bucket"])}))
    seen = manager.get_user(user).user
    assert (seen.username, seen.display_name) == (user, "Uma")
    assert {(r.name, r.bucket) for r in seen.roles} == {("data_reader", PLACE["bucket"])}
    assert user in {u.user.username for u in manager.get_all_users()}
    key = c.key()
    c.collection.upsert(key, 1)
    reader = connect("password", user)
    try:
        theirs = reader.bucket(PLACE["bucket"]).default_collection()
        assert theirs.get(key).content_as[int] == 1
        expect((AuthenticationException, CouchbaseException), lambda: theirs.upsert(key, 2))
        manager.upsert_user(User(username=user, roles={Role("data_reader", bucket="*"), Role("data_writer", bucket="*")}))
        eventually(lambda: theirs.upsert(key, 3))  # the connection stays, its rights change
    finally:
        reader.close()
    manager.drop_user(user)
    expect(UserNotFoundException, lambda: manager.get_user(user))
    assert expect(CouchbaseException, lambda: manager.drop_user(user)).error_code == 603  # this SDK has no class for it here
    expect((InvalidArgumentException, CouchbaseException), lambda: manager.upsert_user(
        User(username=user, password="password", roles={Role("no_such_role")})))


@test
def groups(c):
    manager, group, user = c.cluster.users(), name("g"), name("u")
    manager.upsert_group(Group(name=group, description="readers", roles={Role("data_reader", bucket="*")}))
    seen = manager.get_group(group)
    assert (seen.name, seen.description, {r.name for r in seen.roles}) == (group, "readers", {"data_reader"})
    assert group in {g.name for g in manager.get_all_groups()}
    manager.upsert_user(User(username=user, password="password", groups={group}, roles=set()))
    found = manager.get_user(user)
    assert found.user.groups == {group} and "data_reader" in {r.role.name for r in found.effective_roles}
    manager.drop_user(user)
    manager.drop_group(group)
    expect(GroupNotFoundException, lambda: manager.get_group(group))
    assert expect(CouchbaseException, lambda: manager.drop_group(group)).error_code == 604
    assert {"admin", "data_reader", "data_writer", "bucket_admin"} <= {r.role.name for r in manager.get_roles()}


@test
def change_password(c):
    manager, user = c.cluster.users(), name("u")
    manager.upsert_user(User(username=user, password="password", roles={Role("admin")}))
    theirs = connect("password", user)
    theirs.users().change_password("other-password")
    theirs.close()
    expect(AuthenticationException, lambda: connect("password", user, bootstrap_timeout=timedelta(seconds=5)))
    connect("other-password", user).close()
    manager.drop_user(user)
