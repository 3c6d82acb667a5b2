// The official Node.js SDK against a cluster of one: whole documents, then everything of sdk_*.js.
'use strict'
const assert = require('node:assert/strict')
const { randomUUID } = require('node:crypto')
const couchbase = require('couchbase')
const { place, test, newKey, pause, expectError, connect, run } = require('./sdk')

test('upsert and get', async ({ collection }) => {
  const key = newKey()
  const document = { a: [1, 2.5, null, true], text: 'ç€😀' }
  const stored = await collection.upsert(key, document)
  const got = await collection.get(key)
  assert.deepEqual(got.content, document)
  assert.equal(got.cas.toString(), stored.cas.toString())
})

test('ping', async ({ bucket }) => {
  const report = await bucket.ping({ serviceTypes: [couchbase.ServiceType.KeyValue] })
  const endpoints = Object.values(report.services).flat()
  assert(endpoints.length > 0)
  for (const endpoint of endpoints) assert.equal(endpoint.state, couchbase.PingState.Ok)
})

test('large and binary values', async ({ collection }) => {
  const key = newKey()
  const text = 'x'.repeat(1 << 20)
  await collection.upsert(key, text)
  assert.equal((await collection.get(key)).content, text)
  const raw = Buffer.from(Array.from({ length: 2048 }, (_, i) => i % 256))
  await collection.upsert(key, raw)
  assert((await collection.get(key)).content.equals(raw))
})

test('insert refuses what exists', async ({ collection }) => {
  const key = newKey()
  await collection.insert(key, 1)
  await expectError(couchbase.DocumentExistsError, () => collection.insert(key, 2))
  assert.equal((await collection.get(key)).content, 1)
})

test('missing documents', async ({ collection }) => {
  const key = newKey()
  for (const call of [
    () => collection.get(key),
    () => collection.replace(key, 1),
    () => collection.remove(key),
    () => collection.touch(key, 5),
    () => collection.getAndTouch(key, 5),
  ])
    await expectError(couchbase.DocumentNotFoundError, call)
  assert.equal((await collection.exists(key)).exists, false)
})

test('cas', async ({ collection }) => {
  const key = newKey()
  const old = (await collection.upsert(key, 1)).cas
  const now = (await collection.replace(key, 2, { cas: old })).cas
  assert.notEqual(now.toString(), old.toString())
  await expectError(couchbase.CasMismatchError, () => collection.replace(key, 3, { cas: old }))
  await expectError(couchbase.CasMismatchError, () => collection.remove(key, { cas: old }))
  await collection.remove(key, { cas: now })
  assert.equal((await collection.exists(key)).exists, false)
})

test('exists', async ({ collection }) => {
  const key = newKey()
  const stored = await collection.upsert(key, {})
  const answer = await collection.exists(key)
  assert.equal(answer.exists, true)
  assert.equal(answer.cas.toString(), stored.cas.toString())
})

test('counters', async ({ collection }) => {
  const key = newKey()
  const binary = collection.binary()
  assert.equal((await binary.increment(key, 1, { initial: 5 })).value, 5)
  assert.equal((await binary.increment(key, 7)).value, 12)
  assert.equal((await binary.decrement(key, 2)).value, 10)
  assert.equal((await binary.decrement(key, 100)).value, 0)
  await expectError(couchbase.DocumentNotFoundError, () => binary.increment(newKey(), 1))
  const text = newKey()
  await collection.upsert(text, { no: 'number' })
  await expectError(couchbase.DeltaInvalidError, () => binary.increment(text, 1))
})

test('append and prepend', async ({ collection }) => {
  const key = newKey()
  await collection.upsert(key, Buffer.from('b'))
  await collection.binary().append(key, Buffer.from('c'))
  await collection.binary().prepend(key, Buffer.from('a'))
  assert.equal((await collection.get(key)).content.toString(), 'abc')
})

test('expiry', async ({ collection }) => {
  const key = newKey()
  await collection.upsert(key, 1, { expiry: 1 })
  await collection.get(key)
  const until = Date.now() + 5000
  for (;;) {
    const { exists } = await collection.exists(key)
    if (!exists) return
    assert(Date.now() < until, 'still there after 5 s')
    await pause(100)
  }
})

test('touch, get and touch', async ({ collection }) => {
  const key = newKey()
  await collection.upsert(key, { x: 1 }, { expiry: 2 })
  await collection.touch(key, 3600)
  assert.deepEqual((await collection.getAndTouch(key, 7200)).content, { x: 1 })
})

test('mutation tokens', async ({ collection }) => {
  const { token } = await collection.upsert(newKey(), 1)
  assert(token)
  const { bucket_name: bucket, sequence_number: seqno } = token.toJSON()
  assert.equal(bucket, place.bucket)
  assert.notEqual(seqno, '0')
})

test('durability on one node', async ({ collection }) => {
  const key = newKey()
  const options = { durabilityLevel: couchbase.DurabilityLevel.Majority }
  await collection.insert(key, 1, options)
  await collection.replace(key, 2, options)
  await collection.remove(key, options)
  assert.equal((await collection.exists(key)).exists, false)
})

test('collections', async ({ bucket, collection }) => {
  const manager = bucket.collections()
  const scope = 's' + randomUUID().slice(0, 8)
  await manager.createScope(scope)
  await manager.createCollection('people', scope)
  const inner = bucket.scope(scope).collection('people')
  const key = newKey()
  await inner.upsert(key, { in: 'people' })
  assert.deepEqual((await inner.get(key)).content, { in: 'people' })
  await expectError(couchbase.DocumentNotFoundError, () => collection.get(key))
  const found = (await manager.getAllScopes()).find((s) => s.name === scope)
  assert.deepEqual(found.collections.map((x) => x.name), ['people'])
  await manager.dropCollection('people', scope)
  await manager.dropScope(scope)
  assert(!(await manager.getAllScopes()).some((s) => s.name === scope))
})

test('many at once', async ({ collection }) => {
  const keys = Array.from({ length: 500 }, newKey)
  await Promise.all(keys.map((key, n) => collection.upsert(key, { n })))
  const got = await Promise.all(keys.map((key) => collection.get(key)))
  got.forEach((result, n) => assert.deepEqual(result.content, { n }))
})

test('buckets', async ({ cluster }) => {
  const all = await cluster.buckets().getAllBuckets()
  assert(all.some((b) => b.name === place.bucket))
})

test('wrong password', async () => {
  const error = await expectError(Error, () => connect({ password: 'wrong', timeouts: { bootstrapTimeout: 5000 } }))
  assert(error instanceof couchbase.AuthenticationFailureError, `${error.name}: ${error.message}`)
})

test('unknown bucket', async ({ cluster }) => {
  await expectError(couchbase.BucketNotFoundError, () => cluster.buckets().getBucket('nobody'))
})

test('timeouts', async ({ collection }) => {
  const key = newKey()
  const { pid } = place.nodes[0]
  await collection.upsert(key, 1)
  process.kill(pid, 'SIGSTOP')
  try {
    await expectError(couchbase.UnambiguousTimeoutError, () => collection.get(key, { timeout: 300 }))
    await expectError(couchbase.AmbiguousTimeoutError, () => collection.upsert(key, 2, { timeout: 300 }))
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  assert([1, 2].includes((await collection.get(key)).content))
})

require('./sdk_subdoc')
require('./sdk_scan')
require('./sdk_manage')
run()
