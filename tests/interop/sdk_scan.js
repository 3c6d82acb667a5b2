// Scans through the official Node.js SDK.
'use strict'
const assert = require('node:assert/strict')
const { MutationState, PrefixScan, RangeScan, SamplingScan, ScanTerm } = require('couchbase')
const { test, newName } = require('./sdk')

// A collection of its own, with 300 documents.
async function many(bucket, use) {
  const manager = bucket.collections()
  const scope = newName('scan')
  await manager.createScope(scope)
  await manager.createCollection('many', scope)
  const collection = bucket.scope(scope).collection('many')
  const documents = {}
  for (let n = 0; n < 300; n++) documents[`${'ab'[n % 2]}-${String(n).padStart(3, '0')}`] = { n }
  const done = await Promise.all(Object.entries(documents).map(([key, value]) => collection.upsert(key, value)))
  const consistentWith = new MutationState(...done.map((result) => result.token))
  const scan = (kind, options = {}) => collection.scan(kind, { consistentWith, ...options })
  await use(documents, scan)
  await manager.dropScope(scope)
}

const ids = (rows) => rows.map((row) => row.id).sort()

test('scan everything', ({ bucket }) =>
  many(bucket, async (documents, scan) => {
    const rows = await scan(new RangeScan())
    assert.deepEqual(Object.fromEntries(rows.map((row) => [row.id, row.content])), documents)
    assert.equal(rows.length, 300)
  }))

test('scan ranges and prefixes', ({ bucket }) =>
  many(bucket, async (documents, scan) => {
    const keys = Object.keys(documents).sort()
    let rows = await scan(new RangeScan(new ScanTerm('a-100'), new ScanTerm('b-050')), { idsOnly: true })
    assert.deepEqual(ids(rows), keys.filter((key) => key >= 'a-100' && key <= 'b-050'))
    rows = await scan(new RangeScan(new ScanTerm('a-100', true), new ScanTerm('a-106', true)))
    assert.deepEqual(ids(rows), ['a-102', 'a-104'])
    rows = await scan(new PrefixScan('b-'), { concurrency: 4, batchItemLimit: 1 })
    assert.deepEqual(ids(rows), keys.filter((key) => key.startsWith('b-')))
    assert.deepEqual(await scan(new PrefixScan('nobody')), [])
  }))

test('scan samples', ({ bucket }) =>
  many(bucket, async (documents, scan) => {
    const rows = await scan(new SamplingScan(20, 42))
    assert(rows.length > 0 && rows.length <= 20)
    for (const row of rows) assert.deepEqual(row.content, documents[row.id])
    assert.deepEqual(ids(await scan(new SamplingScan(20, 42), { idsOnly: true })), ids(rows))
    for (let i = 0; i < 4; i++) assert.equal((await scan(new SamplingScan(1000), { idsOnly: true })).length, 300)
  }))
