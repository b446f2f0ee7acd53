import { GomqError } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { produce } from './support/killed-load.js'
import { Ledger, NOTHING_WRONG } from './support/ledger.js'
import { readAll } from './support/read-all.js'
import { straceMissing, TracedRun } from './support/strace.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1)
/** Files are synced with `fdatasync`, directories with `fsync`: of those the start has three. */
const FAULTS: readonly (readonly ['fdatasync' | 'fsync', number])[] = [
  ...(isLong ? numbers(50) : [4, 17]).map((n) => ['fdatasync', n] as const),
  ...(isLong ? numbers(3) : [2]).map((n) => ['fsync', n] as const),
]
/** Time for a broker that has failed to end. */
const ENDS_WITHIN_MS = 30_000

test(`EIO on the nth sync, n up to 50: nothing is acknowledged by it or after it, the broker ends, and the next start has all that was acked`, async (context) => {
  if (straceMissing !== undefined) context.skip(straceMissing)
  const totals = {
    acked: 0,
    acks: 0,
    duringStart: 0,
    codes: new Set<number | null>(),
  }
  for (const [call, n] of FAULTS) {
    using trace = new TracedRun(`${call}:error=EIO:when=${n}`)
    // strace counts each thread's calls for itself: one thread makes all syncs.
    const options = { under: trace.command, env: { UV_THREADPOOL_SIZE: '1' } }
    await using broker = BrokerProcess.prepare(options)
    const ledger = new Ledger()
    const stop = new AbortController()
    const started = await broker.restart().then(
      () => true,
      () => false,
    )
    if (!started) totals.duringStart++
    const produced = (name: string) => produce(broker.url, name, 1, ledger, stop.signal).catch(checkRefused)
    const producers = started ? ['p0', 'p1'].map(produced) : []
    const code = await within(broker.ended)
    expect(code, `exit code after EIO on ${call} ${n}`).not.toBe(0)
    const audit = await trace.audit()
    expect(audit.failedSyncs, `${call} ${n} failed`).toBe(1)
    await broker.restart({ under: [], env: {} })
    stop.abort()
    await Promise.all(producers)
    const recovered = ledger.audit(await readAll(broker.url, 'load/#'))
    expect(recovered, `after EIO on ${call} ${n}`).toMatchObject(NOTHING_WRONG)
    expect(audit.violations, `acks without a sync; EIO on ${call} ${n}`).toEqual([])
    expect(audit.acksAfterFailure, `acks after EIO on ${call} ${n}`).toBe(0)
    totals.acked += ledger.count('acked')
    totals.acks += audit.acks
    totals.codes.add(code)
  }
  console.log(
    `EIO on a sync: ${FAULTS.length} runs, ${totals.duringStart} of them failed in the start; exit codes ${[...totals.codes].join(', ')}; ${totals.acked} acked, ` +
      `${totals.acks} PUBACKs traced, none of them after the failed sync or without a sync`,
  )
  expect(totals.acks, 'runs without acks prove nothing').toBeGreaterThan(FAULTS.length)
}, 1_800_000)

/** The sync that fails may be the first after the start: who has not connected by then cannot, and has published nothing. */
function checkRefused(error: unknown): void {
  if (!(error instanceof GomqError)) throw error
}

function within<T>(promise: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) =>
    setTimeout(() => reject(new Error('the broker goes on after a failed sync')), ENDS_WITHIN_MS).unref(),
  )
  return Promise.race([promise, late])
}
