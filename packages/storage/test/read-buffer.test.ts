import { expect, test } from 'vitest'
import { ReadBuffer } from '../src/read-buffer.js'

test('memory is kept from the second use on and used again after a reset; what does not fit gets memory of its own', () => {
  const buffer = new ReadBuffer(100)
  buffer.reset()
  expect(buffer.take(60).buffer.byteLength).toBe(60)
  buffer.reset()
  const first = buffer.take(60)
  const second = buffer.take(40)
  const third = buffer.take(1)
  expect([first, second, third].map((piece) => piece.byteLength)).toEqual([60, 40, 1])
  expect(second.buffer).toBe(first.buffer)
  expect([first.byteOffset, second.byteOffset]).toEqual([0, 60])
  expect(third.buffer).not.toBe(first.buffer)
  buffer.reset()
  expect(buffer.take(100).buffer).toBe(first.buffer)
  expect(buffer.take(101).byteLength).toBe(101)
})

test('it is as large as twice what was used, so that small reads cost little', () => {
  const buffer = new ReadBuffer(100)
  buffer.take(10)
  buffer.reset()
  expect(buffer.take(20).buffer.byteLength).toBe(20)
  buffer.reset()
  expect(buffer.take(15).buffer).toBe(buffer.take(5).buffer)
  buffer.take(10)
  buffer.reset()
  expect(buffer.take(1).buffer.byteLength).toBe(60)
})
