import {
  decodeMsgpack,
  encodeMsgpack,
  epoch,
  nextOffsetOf,
  type Offset,
  RETENTION_DEFAULTS,
  stampLeader,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { CommittedState } from '../src/committed-state.js'
import { type ControlRecord, encodeControlBatch } from '../src/control-record.js'
import { StateRows } from '../src/state-rows.js'
import { expectGoldenBytes, goldenBytes } from './golden/golden-files.js'
import { batchOf } from './support/client-batch.js'

const SEEDS = process.env['GOMQ_LONG'] ? 20_000 : 300
const CLIENTS = ['c', 'd', 'e']
const FILTERS = ['a/#', 'a/b']

/** A log in which everything happens that a fold looks at. */
function randomLog(random: SeededRandom): Uint8Array[] {
  const log: Uint8Array[] = []
  const sequences = new Map<number, number>()
  let end = 0
  const append = (batch: Uint8Array) => {
    stampLeader(batch, end as Offset, epoch(1), 1000 + end)
    end = nextOffsetOf(batch)
    log.push(batch)
  }
  const publish = () => {
    const id = random.below(4)
    const sequence = id === 0 ? 0 : (sequences.get(id) ?? 0)
    sequences.set(id, sequence + 1)
    const retain = random.chance(0.5)
    append(batchOf(random.pick(['a', 'a/b', 'c']), [random.chance(0.3) ? '' : 'x'], { id, sequence, retain }))
  }
  const control = () => {
    const clientId = random.pick(CLIENTS)
    const name = random.pick(['s', 't'])
    const records: ControlRecord[] = [
      {
        kind: 'session',
        clientId,
        expirySec: end,
        will: random.chance(0.5) ? batchOf('w', ['x']) : null,
        willDelaySec: 1,
      },
      { kind: 'sessionClosed', clientId, atMs: end, isWillOwed: random.chance(0.5) },
      { kind: 'willSettled', clientId },
      { kind: 'forgetSession', clientId },
      { kind: 'subscription', clientId, name, filters: ['a'], qos: 1, position: end, unacked: [] },
      { kind: 'cursor', clientId, name, position: end, unacked: [1, 2] },
      { kind: 'forgetSubscription', clientId, name },
      { kind: 'forgetProducers', producerIds: [1 + random.below(3)] },
      { kind: 'policy', policy: { ...RETENTION_DEFAULTS, filter: random.pick(FILTERS), maxCount: 1 + end } },
      { kind: 'policy', policy: { ...RETENTION_DEFAULTS, filter: random.pick(FILTERS), maxAgeMs: 1 + end } },
      { kind: 'removePolicy', filter: random.pick(FILTERS) },
      { kind: 'retentionTick', floors: FILTERS.map((filter) => [filter, random.below(end + 1) as Offset]) },
    ]
    const chosen = Array.from({ length: 1 + random.below(3) }, () => random.pick(records))
    for (const record of chosen) if (record.kind === 'forgetProducers') sequences.delete(record.producerIds[0]!)
    append(encodeControlBatch(chosen, 1, crc32))
  }
  for (let i = 0; i < 60; i++) (random.chance(0.5) ? publish : control)()
  return log
}

function entriesOf(state: CommittedState): string[] {
  return [...state.entries(Number.POSITIVE_INFINITY, 1)].map((entry) => Buffer.from(entry).toString('hex')).sort()
}

describe('the committed state', () => {
  test('from a snapshot that was walked while the log went on, and the log from where the walk began, is that of the whole log', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new SeededRandom(seed)
      const log = randomLog(random)
      const state = new CommittedState()
      const began = random.below(log.length)
      for (const batch of log.slice(0, began)) state.replay(batch)
      const restored = new CommittedState()
      let at = began
      const walk = state.entries(Number.POSITIVE_INFINITY, 1 + random.below(3))
      for (const entry of walk) {
        restored.restore(entry)
        while (at < log.length && random.chance(0.4)) state.replay(log[at++]!)
      }
      while (at < log.length) state.replay(log[at++]!)
      for (const batch of log.slice(began)) restored.replay(batch)
      const whole = new CommittedState()
      for (const batch of log) whole.replay(batch)
      expect(entriesOf(restored), `seed ${seed}`).toEqual(entriesOf(whole))
    }
  })

  test('is walked in entries of at most 64 state entries, so that a slice of the walk is short, and all come back', () => {
    const state = new CommittedState()
    const random = new SeededRandom(5)
    for (let i = 0; i < 40; i++) for (const batch of randomLog(random)) state.replay(batch)
    for (let i = 0; i < 1000; i++) state.retained.set(`t/${i % 7}/${i}`, i as Offset)
    for (let i = 0; i < 200; i++) {
      state.sessions.restore(StateRows.of([[`s${i}`, 60, null, 0, null, i]]))
      state.durables.restore(StateRows.of([[`s${i}`, 'n', ['a'], 1, 0, [], i]]))
      state.producers.restore(StateRows.of([[100 + i, 0, 1, 0, i, [0, i, i + 1]]]))
    }
    const restored = new CommittedState()
    const counts = [...state.entries(Number.POSITIVE_INFINITY)].map((entry) => restored.restore(entry))
    expect(Math.max(...counts)).toBe(64)
    expect(counts.length).toBeLessThan(40)
    expect(entriesOf(restored)).toEqual(entriesOf(state))
  })

  test('takes back state entries that stand alone, as version 0.1.0 wrote them', () => {
    const state = new CommittedState()
    expect(state.restore(encodeMsgpack([4, 'a/b', 7]))).toBe(1)
    expect(state.restore(encodeMsgpack([3, 'c', 60, null, 0, null, 9]))).toBe(1)
    expect(state.restore(encodeMsgpack([2, 'c', 'n', ['a'], 1, 5, [], 9]))).toBe(1)
    expect(state.restore(encodeMsgpack([1, 8, 0, 1, 0, 3, [0, 3, 4]]))).toBe(1)
    expect(state.retained.offsetOf('a/b')).toBe(7)
    expect([state.sessions.count, state.durables.count, state.producers.count]).toEqual([1, 1, 1])
  })

  test('takes back blocks of arrays, as versions before the flat blocks wrote them', () => {
    const state = new CommittedState()
    expect(state.restore(encodeMsgpack([14, 'a/b', 7, 'c', 8]))).toBe(2)
    expect(
      state.restore(encodeMsgpack([13, ['c', 60, new Uint8Array([1]), 5, 77, 9], ['d', 0, null, 0, null, 9]])),
    ).toBe(2)
    expect(state.restore(encodeMsgpack([12, ['c', 'n', ['a', 'é/#'], 1, 5, [1, 2], 9]]))).toBe(1)
    expect(state.restore(encodeMsgpack([11, [8, 0, 2, 0, 3, [0, 3, 4, 1, 5, 6]]]))).toBe(1)
    const restored = new CommittedState()
    for (const entry of state.entries(Number.POSITIVE_INFINITY)) restored.restore(entry)
    for (const each of [state, restored]) {
      expect([...each.retained.entries()]).toEqual([
        ['a/b', 7],
        ['c', 8],
      ])
      expect(each.sessions.get('c')).toEqual({
        clientId: 'c',
        expirySec: 60,
        will: new Uint8Array([1]),
        willDelaySec: 5,
        closedAtMs: 77,
        changedAt: 9,
      })
      expect(each.sessions.get('d')).toMatchObject({ will: null, closedAtMs: null })
      expect(each.durables.get('c', 'n')).toMatchObject({ filters: ['a', 'é/#'], unacked: [1, 2], changedAt: 9 })
      expect([...each.producers.entries(Number.POSITIVE_INFINITY)]).toEqual([[8, 0, 2, 0, 5, [0, 3, 4, 1, 5, 6]]])
    }
  })

  test('has the bytes that were released', () => {
    const state = new CommittedState()
    state.retained.set('a/b', 7 as Offset)
    state.retained.set('ü/🙂', 5_000_000_000 as Offset)
    state.sessions.restore(StateRows.of([['c', 60, new Uint8Array([1, 2]), 5, null, 9]]))
    state.durables.restore(StateRows.of([['c', 'n', ['a/+', '#'], 1, 5, [1, 2], 9]]))
    state.producers.restore(StateRows.of([[8, 0, 1, 0, 3, [0, 3, 4]]]))
    const entries = [...state.entries(Number.POSITIVE_INFINITY)]
    expectGoldenBytes('snapshot-entries-2', encodeMsgpack(entries))
    const restored = new CommittedState()
    for (const entry of entries) restored.restore(entry)
    expect(entriesOf(restored)).toEqual(entriesOf(state))
  })

  test('of a snapshot that a version without policies wrote is taken over as it was', () => {
    const entries = decodeMsgpack(goldenBytes('snapshot-entries-1')) as Uint8Array[]
    const state = new CommittedState()
    for (const entry of entries) state.restore(entry)
    expect([state.sessions.count, state.durables.count, state.producers.count]).toEqual([1, 1, 1])
    expect(state.policies.count).toBe(0)
    expect(state.retained.offsetOf('a/b')).toBe(2)
    expect(state.durables.get('c', 's')).toMatchObject({ filters: ['a/+', 'b/#'], position: 3, unacked: [0, 2] })
  })

  test('of policies has the bytes that were released', () => {
    const state = new CommittedState()
    const tick = (before: number) => [['a/#', before as Offset]] as const
    const records: ControlRecord[] = [
      { kind: 'policy', policy: { ...RETENTION_DEFAULTS, filter: 'b', maxAgeMs: 604_800_000, isAckedRemoved: true } },
      { kind: 'policy', policy: { ...RETENTION_DEFAULTS, filter: 'a/#', maxBytes: 2 ** 40, isCompacted: true } },
      { kind: 'retentionTick', floors: tick(1) },
      { kind: 'removePolicy', filter: 'a/#' },
      { kind: 'policy', policy: { ...RETENTION_DEFAULTS, filter: 'a/#', maxCount: 10, tombstoneMs: 0 } },
      { kind: 'retentionTick', floors: tick(5_000_000_000) },
    ]
    const batch = encodeControlBatch(records, 1, crc32)
    stampLeader(batch, 100 as Offset, epoch(1), 1000)
    state.replay(batch)
    const entries = [...state.entries(1000)]
    expectGoldenBytes('snapshot-entries-policies', encodeMsgpack(entries))
    const restored = new CommittedState()
    for (const entry of entries) restored.restore(entry)
    expect(entriesOf(restored)).toEqual(entriesOf(state))
    expect(restored.policies.floors).toEqual(state.policies.floors)
  })

  test('refuses an entry of a kind that this version does not know', () => {
    expect(() => new CommittedState().restore(encodeMsgpack([99, 'x']))).toThrow(/kind 99/)
  })
})
