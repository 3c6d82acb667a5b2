// Buckets, scopes, collections, users and groups through the official Node.js SDK.
'use strict'
const assert = require('node:assert/strict')
const couchbase = require('couchbase')
const { place, test, newKey, newName, expectError, connect, eventually } = require('./sdk')

test('bucket life', async ({ cluster }) => {
  const buckets = cluster.buckets()
  const name = newName('node')
  const settings = { name, ramQuotaMB: 100, numReplicas: 0, flushEnabled: true, maxExpiry: 3600 }
  await buckets.createBucket({ ...settings, compressionMode: 'active', evictionPolicy: 'fullEviction' })
  const seen = await eventually(() => buckets.getBucket(name))
  assert.deepEqual(
    [seen.name, seen.ramQuotaMB, seen.numReplicas, seen.flushEnabled, seen.maxExpiry, seen.compressionMode],
    [name, 100, 0, true, 3600, 'active']
  )
  await expectError(couchbase.BucketExistsError, () => buckets.createBucket(settings))
  const collection = cluster.bucket(name).defaultCollection()
  await eventually(() => collection.upsert('k', 1))
  await buckets.updateBucket({ ...settings, ramQuotaMB: 128 })
  assert.equal((await buckets.getBucket(name)).ramQuotaMB, 128)
  await buckets.flushBucket(name)
  await eventually(async () => assert.equal((await collection.exists('k')).exists, false))
  await buckets.updateBucket({ ...settings, flushEnabled: false })
  await expectError(couchbase.BucketNotFlushableError, () => buckets.flushBucket(name))
  await buckets.dropBucket(name)
  await eventually(() => expectError(couchbase.BucketNotFoundError, () => buckets.getBucket(name)))
  await expectError(couchbase.BucketNotFoundError, () => buckets.dropBucket(name))
  await expectError(couchbase.BucketNotFoundError, () => buckets.flushBucket(name))
})

test('scopes and collections', async ({ bucket }) => {
  const manager = bucket.collections()
  const scope = newName('s')
  await expectError(couchbase.ScopeNotFoundError, () => manager.createCollection('a', scope))
  await manager.createScope(scope)
  await expectError(couchbase.ScopeExistsError, () => manager.createScope(scope))
  await manager.createCollection('a', scope, { maxExpiry: 3600 })
  await expectError(couchbase.CollectionExistsError, () => manager.createCollection('a', scope))
  await expectError(couchbase.CollectionNotFoundError, () => manager.dropCollection('nobody', scope))
  await expectError(couchbase.ScopeNotFoundError, () => manager.dropScope(newName('s')))
  const expiry = async () =>
    (await manager.getAllScopes()).find((s) => s.name === scope).collections.find((x) => x.name === 'a').maxExpiry
  assert.equal(await expiry(), 3600)
  await manager.updateCollection('a', scope, { maxExpiry: 7200 })
  assert.equal(await expiry(), 7200)
  await manager.dropCollection('a', scope)
  await manager.dropScope(scope)
})

test('users', async ({ cluster, collection }) => {
  const manager = cluster.users()
  const username = newName('u')
  const reader = { name: 'data_reader', bucket: place.bucket }
  await manager.upsertUser({ username, displayName: 'Uma', password: 'password', roles: [reader] })
  const seen = await manager.getUser(username)
  assert.equal(seen.displayName, 'Uma')
  assert.deepEqual(seen.roles.map((role) => [role.name, role.bucket]), [['data_reader', place.bucket]])
  assert((await manager.getAllUsers()).some((user) => user.username === username))
  const key = newKey()
  await collection.upsert(key, 1)
  const other = await connect({ username, password: 'password' })
  const theirs = other.bucket(place.bucket).defaultCollection()
  assert.equal((await theirs.get(key)).content, 1)
  await expectError(couchbase.AuthenticationFailureError, () => theirs.upsert(key, 2))
  await manager.upsertUser({ username, roles: [reader, { name: 'data_writer', bucket: '*' }] })
  await eventually(() => theirs.upsert(key, 3)) // the connection stays, its rights change
  await other.close()
  await manager.dropUser(username)
  await expectError(couchbase.UserNotFoundError, () => manager.getUser(username))
  await expectError(couchbase.UserNotFoundError, () => manager.dropUser(username))
})

test('groups', async ({ cluster }) => {
  const manager = cluster.users()
  const name = newName('g')
  await manager.upsertGroup({ name, description: 'readers', roles: [{ name: 'data_reader', bucket: '*' }] })
  const seen = await manager.getGroup(name)
  assert.deepEqual([seen.name, seen.description, seen.roles[0].name], [name, 'readers', 'data_reader'])
  assert((await manager.getAllGroups()).some((group) => group.name === name))
  await manager.dropGroup(name)
  await expectError(couchbase.GroupNotFoundError, () => manager.getGroup(name))
  const roles = (await manager.getRoles()).map((role) => role.name)
  for (const role of ['admin', 'data_reader', 'data_writer', 'bucket_admin']) assert(roles.includes(role), role)
})
