import { describe, expect, test } from 'vitest'
import type { ControlRecord } from '../src/control-record.js'
import { Sessions } from '../src/sessions.js'
import { StateRows } from '../src/state-rows.js'

const will = new Uint8Array([1, 2, 3])
const opened: ControlRecord = { kind: 'session', clientId: 'a', expirySec: 60, will, willDelaySec: 5 }
const lost: ControlRecord = { kind: 'sessionClosed', clientId: 'a', atMs: 1000, isWillOwed: true }
const left: ControlRecord = { kind: 'sessionClosed', clientId: 'a', atMs: 1000, isWillOwed: false }
const settled: ControlRecord = { kind: 'willSettled', clientId: 'a' }
const forgotten: ControlRecord = { kind: 'forgetSession', clientId: 'a' }

function after(...records: ControlRecord[]): Sessions {
  const sessions = new Sessions()
  for (const [offset, record] of records.entries()) sessions.apply(record, offset)
  return sessions
}

describe('sessions', () => {
  test('a client that is lost owes its will, one that leaves does not [MQTT-3.1.2-10]', () => {
    expect(after(opened, lost).get('a')).toMatchObject({ will, closedAtMs: 1000 })
    expect(after(opened, left).get('a')).toMatchObject({ will: null, closedAtMs: 1000 })
    expect(after(opened, lost, settled).get('a')).toMatchObject({ will: null, closedAtMs: 1000 })
  })

  test('a client that connects again is not closed, and has the will that it brings now', () => {
    const again: ControlRecord = { kind: 'session', clientId: 'a', expirySec: 10, will: null, willDelaySec: 0 }
    expect(after(opened, lost, again).get('a')).toMatchObject({ will: null, closedAtMs: null, expirySec: 10 })
  })

  test('a forgotten session is gone, and records about it change nothing', () => {
    expect(after(opened, forgotten).count).toBe(0)
    expect(after(opened, forgotten, lost, settled).count).toBe(0)
  })

  test('applying a stretch of the log again changes nothing', () => {
    const stories = [
      [opened, lost, opened, left],
      [opened, lost, settled],
      [opened, lost, opened, forgotten],
    ]
    for (const records of stories) {
      const once = after(...records)
      const twice = after(...records)
      for (const [offset, record] of records.entries()) twice.apply(record, offset)
      expect([...twice.entries()]).toEqual([...once.entries()])
    }
  })

  test('a snapshot holds them', () => {
    const restored = new Sessions()
    for (const entry of after(opened, lost).entries()) restored.restore(StateRows.of([entry]))
    expect(restored.get('a')).toEqual(after(opened, lost).get('a'))
  })

  test('keeps a will of its own: the batch that said it is lent, and its memory is used again', () => {
    const lent = Uint8Array.from(will)
    const sessions = after({ ...opened, will: lent })
    lent.fill(0)
    expect(sessions.get('a')?.will).toEqual(will)
  })
})
