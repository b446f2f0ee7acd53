import { concatBytes } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { TurnOutput } from '../../src/node/turn-output.js'

const LARGE_BYTES = 4 * 1024 + 1

/** Bytes that differ from those of other parts. */
function part(byteLength: number, fill: number): Uint8Array {
  return new Uint8Array(byteLength).fill(fill)
}

function outputOf(...parts: Uint8Array[]): TurnOutput {
  const output = new TurnOutput()
  for (const each of parts) output.add(each)
  return output
}

describe('what is sent in a turn', () => {
  test('is one write if its parts are small', () => {
    const parts = [part(3, 1), part(LARGE_BYTES - 1, 2), part(1, 3)]
    expect(outputOf(...parts).take()).toEqual([concatBytes(parts)])
  })

  test('keeps its order around parts that are not copied', () => {
    const [a, b, c, d, e] = [part(1, 1), part(2, 2), part(LARGE_BYTES, 3), part(LARGE_BYTES, 4), part(1, 5)]
    const writes = outputOf(a, b, c, d, e).take()
    expect(writes).toEqual([concatBytes([a, b]), c, d, e])
    expect(writes[1]).toBe(c)
    expect(writes[2]).toBe(d)
  })

  test('counts its bytes until it is taken, and is taken once', () => {
    const output = outputOf(part(3, 1), part(LARGE_BYTES, 2))
    expect(output.bytes).toBe(LARGE_BYTES + 3)
    output.take()
    expect(output.bytes).toBe(0)
    expect(output.take()).toEqual([])
    output.add(part(1, 3))
    expect(output.take()).toEqual([part(1, 3)])
  })
})
