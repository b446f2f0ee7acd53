import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@gomq/client'
import { afterAll, expect, test } from 'vitest'
import { ClusterProcesses } from './support/cluster-processes.js'

const PUBLISHES = 1_500

const directory = mkdtempSync(join(tmpdir(), 'gomq-quick-syncs-'))
afterAll(() => rmSync(directory, { recursive: true }))

/**
 * For `--import`: looks at each sync on the loop of a round that was written there, whether batches have left over a socket between the two. SIGUSR2 has
 * the counts put down.
 */
const WATCH = `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { Socket } from 'node:net'
let hasWritten = false, sent = 0
const counts = { before: 0, after: 0 }
const instead = (of, name, watch) => {
  const original = of[name]
  of[name] = function (...args) { watch(...args); return original.apply(this, args) }
}
const isBatch = ({ chunk }) => Buffer.from(chunk).toString('latin1', 0, 4) === 'GMQB'
instead(fs, 'writevSync', () => { hasWritten = true; sent = 0 })
instead(Socket.prototype, '_writev', (chunks) => { if (chunks.some(isBatch)) sent++ })
instead(fs, 'fdatasyncSync', () => { if (hasWritten) counts[sent > 0 ? 'before' : 'after']++; hasWritten = false })
syncBuiltinESMExports()
process.on('SIGUSR2', () => fs.writeFileSync('${directory}/' + process.pid, JSON.stringify(counts)))`

test("a leader's batch leaves for the members before its own sync holds the loop", async () => {
  const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(WATCH)}`]
  await using cluster = await ClusterProcesses.start({ nodeArgs })
  const leader = await cluster.leader()
  await using mq = await connect(leader.url)
  for (let i = 0; i < PUBLISHES; i++) await mq.publish('a', 'one at a time', { qos: 1 })
  process.kill(leader.pid, 'SIGUSR2')
  const file = join(directory, `${leader.pid}`)
  await expect.poll(() => readFile(file, 'utf8').catch(() => '')).toMatch(/\}$/)
  const { before, after } = JSON.parse(await readFile(file, 'utf8')) as { before: number; after: number }
  console.log(`syncs on the leader's loop: ${before} when the batch had left, ${after} when it had not`)
  // A disk that is not quick has none of either; what is written before there is a member, and while one is behind, leaves later.
  expect(after).toBeLessThanOrEqual(0.05 * (before + after))
}, 120_000)
