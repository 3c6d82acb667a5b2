// What the tests of the official Node.js SDK share; DIVAN_CLUSTER is what `divan up --json` printed.
'use strict'
const assert = require('node:assert/strict')
const { randomUUID } = require('node:crypto')
const couchbase = require('couchbase')

const place = JSON.parse(process.env.DIVAN_CLUSTER)
const tests = []
const test = (name, run) => tests.push({ name, run })
const newKey = () => 'node-' + randomUUID()
const newName = (kind) => kind + randomUUID().slice(0, 8)
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// kind: a class of errors, or several
async function expectError(kind, call) {
  const kinds = [kind].flat()
  const names = kinds.map((k) => k.name).join(' or ')
  try {
    await call()
  } catch (error) {
    assert(kinds.some((k) => error instanceof k), `expected ${names}, got ${error.name}: ${error.message}`)
    return error
  }
  assert.fail(`expected ${names}, got no error`)
}

const connect = (options = {}) =>
  couchbase.connect(place.connection_string, {
    username: place.username,
    password: place.password,
    ...options,
  })

// What a cluster does in its own time: repeats call until it stops failing.
async function eventually(call, ms = 10000) {
  const end = Date.now() + ms
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (Date.now() > end) throw error
    }
    await pause(50)
  }
}

async function main() {
  const cluster = await connect()
  const bucket = cluster.bucket(place.bucket)
  const context = { cluster, bucket, collection: bucket.defaultCollection() }
  let failed = 0
  for (const { name, run } of tests) {
    try {
      await run(context)
      console.log('ok  ', name)
    } catch (error) {
      failed++
      console.log('FAIL', name)
      console.log(error)
    }
  }
  await cluster.close()
  console.log(`${tests.length - failed} passed, ${failed} failed`)
  process.exitCode = failed ? 1 : 0
}

const run = () =>
  main().catch((error) => {
    console.log(error)
    process.exitCode = 1
  })

module.exports = { place, test, newKey, newName, pause, expectError, connect, eventually, run }
