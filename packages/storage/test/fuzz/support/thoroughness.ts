import { expect } from 'vitest'
import type { CleaningRules } from '../../../src/cleaning/rules.js'
import type { LogTwin } from './log-twin.js'
import type { Machine } from './machine.js'

/**
 * After turns with all the budget and all the memory: compacted topics hold exactly what must live, no cleanable segment is mostly dead, and the log
 * does not begin with one in which nothing lives.
 */
export async function checkThorough(
  machine: Machine,
  twin: LogTwin,
  rules: CleaningRules,
  turn: () => Promise<void>,
): Promise<void> {
  const { retention } = twin
  const { log } = machine
  const end = log.sealedSegments.findLast(({ endOffset }) => endOffset <= rules.cleanableTo)?.endOffset ?? 0
  const before = twin.present
  const removable = retention.removable(before, rules, end)
  await turn()
  const records = new Map(retention.records.map((record) => [record.offset, record]))
  for (const offset of removable)
    if (retention.isCompacted(records.get(offset)!, rules)) expect(twin.isGone(offset), `${offset} is gone`).toBe(true)
  // What compaction has emptied is dropped by the turn that follows.
  await turn()
  const found = await machine.contents(log.highWatermark)
  for (const [i, { baseOffset, endOffset }] of log.sealedSegments.entries()) {
    if (endOffset > rules.cleanableTo) continue
    let live = 0
    let dead = 0
    for (const { base, bytes } of found) {
      if (base < baseOffset || base >= endOffset) continue
      if (retention.isDeadBatch(records.get(base)!, rules)) dead += bytes
      else live += bytes
    }
    expect(dead, `what is dead in the segment at ${baseOffset}`).toBeLessThanOrEqual(live)
    if (i === 0) expect(live, 'the first segment holds something that lives').toBeGreaterThan(0)
  }
}
