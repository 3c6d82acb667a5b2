// Parts of documents, locks, expiry and durability through the official Node.js SDK.
'use strict'
const assert = require('node:assert/strict')
const couchbase = require('couchbase')
const { test, newKey, pause, expectError, eventually } = require('./sdk')
const { LookupInSpec: Look, MutateInSpec: Change, LookupInMacro, MutateInMacro, StoreSemantics, DurabilityLevel } = couchbase

const document = { name: 'Ada', n: 1, tags: ['a', 'b'], deep: { er: { est: true } }, none: null }

async function stored(collection, content = document) {
  const key = newKey()
  await collection.upsert(key, content)
  return key
}

test('lookup in paths', async ({ collection }) => {
  const key = await stored(collection)
  const { content, cas } = await collection.lookupIn(key, [
    Look.get('name'),
    Look.get('deep.er'),
    Look.get('tags[-1]'),
    Look.exists('none'),
    Look.exists('zip'),
    Look.count('tags'),
    Look.get('zip'),
    Look.get('n.x'),
    Look.get(''),
  ])
  assert.deepEqual(content.slice(0, 6).map((entry) => entry.value), ['Ada', { est: true }, 'b', true, false, 2])
  assert(content[6].error instanceof couchbase.PathNotFoundError)
  assert(content[7].error instanceof couchbase.PathMismatchError)
  assert.deepEqual(content[8].value, document)
  assert.equal(cas.toString(), (await collection.get(key)).cas.toString())
})

test('lookup in errors', async ({ collection }) => {
  const key = await stored(collection)
  await expectError(couchbase.DocumentNotFoundError, () => collection.lookupIn(newKey(), [Look.get('a')]))
  const broken = await collection.lookupIn(key, [Look.get('a[')])
  assert(broken.content[0].error instanceof couchbase.PathInvalidError)
  const raw = newKey()
  await collection.upsert(raw, Buffer.from([0xff, 0]))
  const seen = await collection.lookupIn(raw, [Look.get('a')])
  assert(seen.content[0].error instanceof couchbase.DocumentNotJsonError)
  await expectError(couchbase.InvalidArgumentError, () => collection.lookupIn(key, Array(17).fill(Look.get('a'))))
})

test('mutate in: every operation', async ({ collection }) => {
  const key = await stored(collection)
  const done = await collection.mutateIn(key, [
    Change.upsert('name', 'Grace'),
    Change.insert('new.way', 7, { createPath: true }),
    Change.replace('n', 10),
    Change.remove('none'),
    Change.arrayAppend('tags', ['y', 'z'], { multi: true }),
    Change.arrayPrepend('tags', 'x'),
    Change.arrayInsert('tags[1]', 'i'),
    Change.arrayAddUnique('tags', 'u'),
    Change.increment('n', 5),
    Change.decrement('n', 3),
  ])
  const { content, cas } = await collection.get(key)
  assert.deepEqual(content, {
    name: 'Grace',
    n: 12,
    tags: ['x', 'i', 'a', 'b', 'y', 'z', 'u'],
    deep: { er: { est: true } },
    new: { way: 7 },
  })
  assert.equal(done.cas.toString(), cas.toString())
  assert.deepEqual(done.content.slice(8).map((entry) => entry.value), [15, 12])
  assert(done.token)
})

test('mutate in: errors change nothing', async ({ collection }) => {
  const key = await stored(collection)
  for (const [kind, change] of [
    [couchbase.PathExistsError, Change.insert('name', 1)],
    [couchbase.PathNotFoundError, Change.replace('zip', 1)],
    [couchbase.PathNotFoundError, Change.upsert('no.way', 1)],
    [couchbase.PathMismatchError, Change.arrayAppend('name', 1)],
    [couchbase.PathExistsError, Change.arrayAddUnique('tags', 'a')],
    [couchbase.PathInvalidError, Change.upsert('a..b', 1)],
  ]) {
    await expectError(kind, () => collection.mutateIn(key, [Change.upsert('name', 'other'), change]))
    assert.deepEqual((await collection.get(key)).content, document)
  }
  const { cas } = await collection.get(key)
  await collection.upsert(key, document)
  await expectError(couchbase.CasMismatchError, () => collection.mutateIn(key, [Change.upsert('a', 1)], { cas }))
})

test('mutate in: store semantics', async ({ collection }) => {
  const key = newKey()
  const change = [Change.upsert('a.b', 1, { createPath: true })]
  await expectError(couchbase.DocumentNotFoundError, () => collection.mutateIn(key, change))
  await collection.mutateIn(key, change, { storeSemantics: StoreSemantics.Upsert })
  assert.deepEqual((await collection.get(key)).content, { a: { b: 1 } })
  await expectError(couchbase.DocumentExistsError, () =>
    collection.mutateIn(key, change, { storeSemantics: StoreSemantics.Insert })
  )
})

test('extended attributes and macros', async ({ collection }) => {
  const key = await stored(collection)
  const xattr = { xattr: true, createPath: true }
  const done = await collection.mutateIn(key, [
    Change.upsert('_m.by', 'me', xattr),
    Change.upsert('_m.cas', MutateInMacro.Cas, { createPath: true }),
    Change.upsert('_m.seqno', MutateInMacro.SeqNo, { createPath: true }),
    Change.upsert('_m.crc', MutateInMacro.ValueCrc32c, { createPath: true }),
    Change.upsert('n', 2),
  ])
  const { content } = await collection.lookupIn(key, [Look.get('_m', { xattr: true }), Look.get('$XTOC', { xattr: true })])
  const [{ value }, { value: names }] = content
  const bytes = Buffer.from(value.cas.slice(2), 'hex').reverse()
  assert.equal(BigInt('0x' + bytes.toString('hex')).toString(), done.cas.toString())
  assert.equal(BigInt(value.seqno).toString(), done.token.toJSON().sequence_number)
  assert.match(value.crc, /^0x[0-9a-f]{8}$/)
  assert.equal(value.by, 'me')
  assert.deepEqual(names, ['_m'])
  assert.deepEqual((await collection.get(key)).content, { ...document, n: 2 })
  await collection.remove(key)
  const gone = await collection.lookupIn(key, [Look.get('_m', { xattr: true })], { accessDeleted: true }).catch((e) => e)
  // user attributes go with their document
  assert(gone instanceof couchbase.DocumentNotFoundError || gone.content[0].value.by === 'me')
})

test('facts about the document', async ({ collection }) => {
  const key = newKey()
  const { cas } = await collection.upsert(key, { x: 1 }, { expiry: 3600 })
  const { content } = await collection.lookupIn(key, [
    Look.get(LookupInMacro.Document),
    Look.get(LookupInMacro.Expiry),
    Look.get(LookupInMacro.Cas),
    Look.get(LookupInMacro.IsDeleted),
    Look.get(LookupInMacro.ValueSizeBytes),
  ])
  const [facts, expiry, seen, deleted, size] = content.map((entry) => entry.value)
  for (const name of ['CAS', 'exptime', 'seqno', 'revid', 'last_modified', 'vbucket_uuid']) assert(name in facts, name)
  assert(Math.abs(expiry - Date.now() / 1000 - 3600) < 10)
  assert.equal(BigInt(seen).toString(), cas.toString())
  assert.equal(deleted, false)
  assert.equal(size, '{"x":1}'.length)
})

test('projections', async ({ collection }) => {
  const key = await stored(collection)
  const got = await collection.get(key, { project: ['name', 'deep.er.est'] })
  assert.deepEqual(got.content, { name: 'Ada', deep: { er: { est: true } } })
})

test('locks', async ({ collection }) => {
  const key = await stored(collection)
  const { cas, content } = await collection.getAndLock(key, 15)
  assert.deepEqual(content, document)
  const refused = [couchbase.DocumentLockedError, couchbase.TimeoutError, couchbase.UnambiguousTimeoutError, couchbase.AmbiguousTimeoutError]
  await expectError(refused, () => collection.upsert(key, 1, { timeout: 300 }))
  await expectError(refused, () => collection.getAndLock(key, 5, { timeout: 300 }))
  assert.deepEqual((await collection.get(key)).content, document)
  await collection.unlock(key, cas)
  await expectError(couchbase.DocumentNotLockedError, () => collection.unlock(key, cas))
  const again = await collection.getAndLock(key, 15)
  await collection.replace(key, 2, { cas: again.cas })
  await collection.upsert(key, 3)
  await collection.getAndLock(key, 1)
  await collection.upsert(key, 4, { timeout: 10000 })
  await expectError(couchbase.DocumentNotFoundError, () => collection.getAndLock(newKey(), 5))
})

test('counters of many', async ({ collection }) => {
  const key = newKey()
  await Promise.all(Array.from({ length: 200 }, () => collection.binary().increment(key, 2, { initial: 2 })))
  assert.equal((await collection.get(key)).content, 400)
})

test('expiry is told and kept', async ({ collection }) => {
  const key = newKey()
  const expires = async () => (await collection.get(key, { withExpiry: true })).expiryTime
  await collection.upsert(key, { a: 1 }, { expiry: 3600 })
  const first = await expires()
  assert(Math.abs(first - Date.now() / 1000 - 3600) < 10, `${first}`)
  await collection.upsert(key, { a: 2 }, { preserveExpiry: true })
  await collection.replace(key, { a: 3 }, { preserveExpiry: true })
  await collection.mutateIn(key, [Change.upsert('a', 4)], { preserveExpiry: true })
  assert.equal(await expires(), first)
  await collection.mutateIn(key, [Change.upsert('a', 5)], { expiry: 40 * 86400 })
  assert((await expires()) > first)
  await collection.upsert(key, { a: 6 })
  assert(!(await expires()))
  await collection.touch(key, 1)
  await eventually(async () => assert.equal((await collection.exists(key)).exists, false))
})

test('durability levels', async ({ collection }) => {
  for (const durabilityLevel of [
    DurabilityLevel.Majority,
    DurabilityLevel.MajorityAndPersistOnMaster,
    DurabilityLevel.PersistToMajority,
  ]) {
    const key = await stored(collection)
    await collection.upsert(key, document, { durabilityLevel })
    await collection.mutateIn(key, [Change.upsert('n', 2)], { durabilityLevel })
    await collection.remove(key, { durabilityLevel })
    assert.equal((await collection.exists(key)).exists, false)
  }
})

test('values nobody takes', async ({ collection }) => {
  const key = await stored(collection)
  await expectError([couchbase.ValueTooLargeError, Error], () => collection.upsert(key, 'x'.repeat(21 << 20)))
  await pause(10)
  assert.deepEqual((await collection.get(key)).content, document)
})
