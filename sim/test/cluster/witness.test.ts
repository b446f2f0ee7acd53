import type { Epoch, Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { describe, expect, it } from 'vitest'
import type { LogMarks } from '../../src/cluster/committed-epochs.js'
import { Witness } from '../../src/cluster/witness.js'

const FIRST_EPOCH = [1, 0] as const

/** A log whose epochs begin at these offsets. */
function log(to: { end: number; synced?: number; shown?: number }, ...epochs: (readonly [number, number])[]) {
  return {
    logStartOffset: 0,
    logEndOffset: to.end,
    syncedOffset: to.synced ?? to.end,
    highWatermark: to.shown ?? 0,
    epochStarts: epochs.map(([epoch, startOffset]) => ({ epoch: epoch as Epoch, startOffset: startOffset as Offset })),
  }
}

/** Three brokers, of which `a` has committed 10 in epoch 1, on all disks. */
function witnessed() {
  const broken: string[] = []
  const witness = new Witness(
    (invariant) => void broken.push(invariant),
    crc32,
    2,
    () => 0,
  )
  const logs = [log({ end: 10, shown: 10 }, FIRST_EPOCH), log({ end: 10 }, FIRST_EPOCH), log({ end: 10 }, FIRST_EPOCH)]
  const copies = logs.map((marks, i) => ({ name: 'abc'[i]!, marks }))
  const commit = (id: string, epoch: number, marks: LogMarks, highWatermark: number, hasLostTime = false) =>
    witness.handleCommitted({ id, epoch, marks, highWatermark, hasLostTime })
  witness.handleLeading('a', 1, log({ end: 0 }))
  commit('a', 1, logs[0]!, 10)
  witness.inspect(copies)
  expect(broken).toEqual([])
  return { broken, witness, logs, copies, commit }
}

describe('what a witness reports', () => {
  it('nothing, when another leads who has all that committed, and the rest goes on', () => {
    const { broken, witness, logs, copies, commit } = witnessed()
    logs[1] = Object.assign(logs[1]!, log({ end: 20, shown: 20 }, FIRST_EPOCH, [2, 10]))
    Object.assign(logs[2]!, log({ end: 20 }, FIRST_EPOCH, [2, 10]))
    witness.handleLeading('b', 2, logs[1])
    commit('b', 2, logs[1], 20)
    witness.inspect(copies)
    expect(broken).toEqual([])
    expect(witness.inspections).toBe(2)
  })

  it('two that lead in one epoch', () => {
    const { broken, witness, logs } = witnessed()
    witness.handleLeading('b', 1, logs[1]!)
    expect(broken).toEqual(['one leader per epoch'])
  })

  it('two that commit in one epoch', () => {
    const { broken, logs, commit } = witnessed()
    commit('b', 1, logs[1]!, 10)
    expect(broken).toEqual(['one leader per epoch'])
  })

  it('a leader whose log is too short, or has something else', () => {
    for (const short of [log({ end: 9 }, FIRST_EPOCH), log({ end: 12 }, FIRST_EPOCH, [2, 9])]) {
      const { broken, witness } = witnessed()
      witness.handleLeading('b', 3, short)
      expect(broken).toEqual(['who leads has all that committed'])
    }
  })

  it('not one that was deposed before it went on', () => {
    const { broken, witness, logs, commit } = witnessed()
    commit('c', 3, logs[2]!, 10)
    witness.handleLeading('b', 2, log({ end: 5 }, FIRST_EPOCH))
    expect(broken).toEqual([])
  })

  it('a commit below what another has committed, unless the clock of who leads stood still', () => {
    const { broken, logs, commit } = witnessed()
    commit('b', 2, logs[1]!, 9, true)
    expect(broken).toEqual([])
    commit('b', 2, logs[1]!, 9)
    expect(broken).toEqual(['the high watermark never goes back'])
  })

  it('what has committed and is on the disks of too few', () => {
    const { broken, witness, logs, copies, commit } = witnessed()
    Object.assign(logs[0]!, { logEndOffset: 11, syncedOffset: 11, highWatermark: 11 })
    Object.assign(logs[1]!, { logEndOffset: 11, syncedOffset: 10 })
    commit('a', 1, logs[0]!, 11)
    witness.inspect(copies)
    witness.inspect(copies)
    expect(broken).toEqual(['committed is on f+1 disks'])
  })

  it('a member that is cut below what has committed, at once, and not only at the next commit', () => {
    const { broken, witness, logs, copies } = witnessed()
    Object.assign(logs[1]!, { logEndOffset: 9, syncedOffset: 9 })
    witness.inspect(copies)
    expect(broken).toEqual([])
    Object.assign(logs[2]!, { logEndOffset: 9, syncedOffset: 9 })
    witness.inspect(copies)
    expect(broken).toEqual(['committed is on f+1 disks'])
  })

  it('a broker that shows less than it did', () => {
    const { broken, witness, logs, copies } = witnessed()
    Object.assign(logs[0]!, { highWatermark: 9 })
    witness.inspect(copies)
    expect(broken).toEqual(['the high watermark never goes back'])
  })

  it('not one whose log begins anew', () => {
    const { broken, witness, logs, copies } = witnessed()
    Object.assign(logs[0]!, log({ end: 0 }))
    witness.inspect(copies)
    expect(broken).toEqual([])
  })

  it('a member that shows more than any leader has committed', () => {
    const { broken, witness, logs, copies } = witnessed()
    Object.assign(logs[1]!, { logEndOffset: 11, syncedOffset: 11, highWatermark: 11 })
    witness.inspect(copies)
    expect(broken).toEqual(['only leaders commit'])
  })

  it('a broker that shows what another epoch has written where something had committed', () => {
    const { broken, witness, logs, copies } = witnessed()
    Object.assign(logs[2]!, log({ end: 12, shown: 10 }, FIRST_EPOCH, [2, 8]))
    witness.inspect(copies)
    expect(broken).toEqual(['one committed prefix'])
  })

  it('other bytes where something had committed', () => {
    const { broken, witness } = witnessed()
    const batch = new Uint8Array(80)
    witness.compare('a', batch)
    witness.compare('b', batch)
    expect(broken).toEqual([])
    batch[79] = 1
    witness.compare('c', batch)
    expect(broken).toEqual(['one committed prefix'])
  })
})
