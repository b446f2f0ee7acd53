import { GomqError } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { RoomWait } from '../../src/session/room-wait.js'

const refusal = new GomqError('DISK_FULL', 'no room')

test('the tries of a producer that waits for room are 250 ms apart, then twice as long each time, and 4 s in the end', () => {
  const wait = new RoomWait({ next: () => 1 })
  const waits: number[] = []
  let nowMs = 0
  for (let i = 0; i < 7; i++) {
    wait.handleRefused(refusal, nowMs)
    wait.handleRefused(refusal, nowMs + 1)
    waits.push(wait.retryAtMs! - nowMs)
    expect(wait.handleTick(wait.retryAtMs! - 1)).toBe(false)
    nowMs = wait.retryAtMs!
    expect(wait.handleTick(nowMs)).toBe(true)
    expect([wait.retryAtMs, wait.refusal]).toEqual([undefined, refusal])
  }
  expect(waits).toEqual([250, 500, 1000, 2000, 4000, 4000, 4000])
})

test('many that wait do not all come at once: each takes half of its time at least, by chance', () => {
  const wait = new RoomWait({ next: () => 0 })
  wait.handleRefused(refusal, 0)
  expect(wait.retryAtMs).toBe(125)
})

test('what is stored ends the wait, and the next one begins anew', () => {
  const wait = new RoomWait({ next: () => 1 })
  wait.handleRefused(refusal, 0)
  wait.handleTick(250)
  wait.handleRefused(refusal, 250)
  wait.handleStored()
  expect([wait.refusal, wait.retryAtMs]).toEqual([undefined, undefined])
  wait.handleRefused(refusal, 1000)
  expect(wait.retryAtMs).toBe(1250)
})
