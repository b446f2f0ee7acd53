import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { produce } from './support/killed-load.js'
import { Ledger, NOTHING_WRONG } from './support/ledger.js'
import { readAll } from './support/read-all.js'
import { straceMissing, TracedRun } from './support/strace.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1)
/** Publishes of a producer that may wait: 400 fill rounds for the thread pool; one at a time are small ones, which a quick disk syncs on the loop. */
const [MANY, ONE] = [400, 1]
/** Files are synced with `fdatasync`, directories with `fsync`: of those the start has three. */
const FAULTS: readonly (readonly ['fdatasync' | 'fsync', number, number])[] = [
  ...(isLong ? numbers(50) : [4, 17]).map((n) => ['fdatasync', n, MANY] as const),
  ...(isLong ? numbers(10).map((n) => 20 * n) : [60]).map((n) => ['fdatasync', n, ONE] as const),
  ...(isLong ? numbers(3) : [2]).map((n) => ['fsync', n, MANY] as const),
]
/** Time for a broker that has failed to end. */
const ENDS_WITHIN_MS = 30_000

test(`EIO on the nth sync, n up to 50: nothing is acknowledged by it or after it, the broker ends, and the next start has all that was acked`, async (context) => {
  if (straceMissing !== undefined) context.skip(straceMissing)
  const totals = {
    acked: 0,
    acks: 0,
    duringStart: 0,
    onLoop: 0,
    codes: new Set<number | null>(),
  }
  for (const [call, n, window] of FAULTS) {
    using trace = new TracedRun(`${call}:error=EIO:when=${n}`)
    // strace counts each thread's calls for itself: one thread makes all syncs of the pool.
    const options = { under: trace.command, env: { UV_THREADPOOL_SIZE: '1' } }
    await using broker = BrokerProcess.prepare(options)
    const ledger = new Ledger()
    const stop = new AbortController()
    const started = await broker.restart().then(
      () => true,
      () => false,
    )
    if (!started) totals.duringStart++
    const producers = started
      ? ['p0', 'p1'].map((name) => produce(broker.url, name, 1, ledger, stop.signal, { window }))
      : []
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
    totals.onLoop += audit.failedOnLoop
    totals.codes.add(code)
  }
  console.log(
    `EIO on a sync: ${FAULTS.length} runs, ${totals.duringStart} of them failed in the start, ${totals.onLoop} on the loop; exit codes ${[...totals.codes].join(', ')}; ${totals.acked} acked, ` +
      `${totals.acks} PUBACKs traced, none of them after the failed sync or without a sync`,
  )
  expect(totals.acks, 'runs without acks prove nothing').toBeGreaterThan(FAULTS.length)
}, 1_800_000)

function within<T>(promise: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) =>
    setTimeout(() => reject(new Error('the broker goes on after a failed sync')), ENDS_WITHIN_MS).unref(),
  )
  return Promise.race([promise, late])
}
