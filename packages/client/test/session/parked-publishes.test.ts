import { describe, expect, test } from 'vitest'
import { PARKED_BYTES_MAX, PARKED_PUBLISHES_MAX } from '../../src/session/limits.js'
import { ParkedPublishes } from '../../src/session/parked-publishes.js'
import { message } from '../harness/messages.js'

const MIB = 1024 * 1024
const DEAF = { resolve() {}, reject() {} }

function park(parked: ParkedPublishes, value: string | Uint8Array, deadlineMs = 1000, waiter = { ...DEAF }) {
  parked.add({ request: message('t', '', { value }), waiter, deadlineMs })
  return waiter
}

describe('publishes that wait for room', () => {
  test('are bounded in number', () => {
    const parked = new ParkedPublishes()
    for (let i = 1; i < PARKED_PUBLISHES_MAX; i++) park(parked, 'x')
    expect(parked.isFull).toBe(false)
    park(parked, 'x')
    expect(parked.isFull).toBe(true)
  })

  test('are bounded in bytes, key and headers included', () => {
    const parked = new ParkedPublishes()
    const value = new Uint8Array(MIB)
    for (let i = 0; i < PARKED_BYTES_MAX / MIB - 1; i++) park(parked, value)
    park(parked, 'x'.repeat(MIB / 2 - 1))
    expect(parked.isFull).toBe(false)
    const request = message('t', '', { key: 'k', headers: { name: 'value' } })
    parked.add({ request, waiter: DEAF, deadlineMs: 1000 })
    expect(parked.isFull).toBe(true)
  })

  test('give their bytes back however they leave', () => {
    const parked = new ParkedPublishes()
    const [first] = [1, 2, 3, 4, 5].map((i) => park(parked, 'x'.repeat(i), 1000 + i))
    expect(parked.bytes).toBe(30)
    expect(parked.remove(first!)).toBe(true)
    expect(parked.remove(first!)).toBe(false)
    expect(parked.bytes).toBe(28)
    expect(parked.takeLate(1001)).toEqual([])
    expect(parked.takeLate(1002).map((each) => each.deadlineMs)).toEqual([1002])
    expect(parked.bytes).toBe(24)
    const taken: number[] = []
    parked.admit(
      () => taken.length === 0,
      (each) => taken.push(each.deadlineMs),
    )
    expect(taken).toEqual([1003])
    expect(parked.bytes).toBe(18)
    expect(parked.nextDeadlineMs()).toBe(1004)
    expect(parked.takeAll().map((each) => each.deadlineMs)).toEqual([1004, 1005])
    expect([parked.bytes, parked.count, parked.nextDeadlineMs()]).toEqual([0, 0, undefined])
  })
})
