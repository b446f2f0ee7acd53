import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { Progress } from '../src/progress.js'

function progressOn(isTTY: boolean): { progress: Progress; stream: PassThrough; clock: { nowMs: number } } {
  const clock = { nowMs: 0 }
  const stream = Object.assign(new PassThrough(), { isTTY, cursorTo: () => true, clearLine: () => true })
  return { progress: new Progress(stream, () => clock.nowMs), stream, clock }
}

function written(stream: PassThrough): string {
  return String(stream.read() ?? '')
}

test('work that takes no longer than a second shows no progress', () => {
  const { progress, stream, clock } = progressOn(true)
  clock.nowMs = 999
  progress.update(5)
  progress.stop()
  expect(written(stream)).toBe('')
})

test('longer work shows how many messages are done', () => {
  const { progress, stream, clock } = progressOn(true)
  clock.nowMs = 1500
  progress.update(12_345)
  progress.stop()
  expect(written(stream)).toContain('12345 messages')
})

test('nothing is shown where nobody looks', () => {
  const { progress, stream, clock } = progressOn(false)
  clock.nowMs = 5000
  progress.update(5)
  progress.stop()
  expect(written(stream)).toBe('')
})

test('stopping again is safe', () => {
  const { progress, clock } = progressOn(true)
  clock.nowMs = 1500
  progress.update(1)
  progress.stop()
  expect(() => progress.stop()).not.toThrow()
})
