import { FrameSplitter, GomqError, writeU32 } from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LONG_FACTOR } from './arbitraries.js'

function streamOf(frames: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    frames.map((frame) => {
      const bytes = new Uint8Array(4 + frame.byteLength)
      writeU32(bytes, 0, frame.byteLength)
      bytes.set(frame, 4)
      return bytes
    }),
  )
}

/** The dumb twin: keeps all that came and cuts it from the start each time. */
function framesIn(stream: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = []
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength)
  for (let at = 0; at + 4 <= stream.byteLength; ) {
    const length = view.getUint32(at, true)
    if (at + 4 + length > stream.byteLength) break
    frames.push(stream.slice(at + 4, at + 4 + length))
    at += 4 + length
  }
  return frames
}

function drain(splitter: FrameSplitter): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) frames.push(frame)
  return frames
}

describe('FrameSplitter', () => {
  test('cuts as its dumb twin at any chunking, and no frame changes after it was handed out', () => {
    const anyFrames = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.tuple(fc.nat(6000), fc.nat(255)).map(([length, fill]) => new Uint8Array(length).fill(fill)),
      ),
      { maxLength: 12 },
    )
    const anyChunking = fc.array(fc.oneof(fc.nat(5), fc.nat(1500), fc.nat(9000)), { maxLength: 60 })
    fc.assert(
      fc.property(anyFrames, anyChunking, fc.boolean(), (frames, lengths, asBuffer) => {
        const stream = streamOf(frames)
        const splitter = new FrameSplitter(10_000)
        const got: Uint8Array[] = []
        let at = 0
        for (const length of [...lengths, stream.byteLength]) {
          const chunk = stream.slice(at, at + length)
          splitter.push(asBuffer ? Buffer.from(chunk) : Uint8Array.from(chunk))
          at = Math.min(stream.byteLength, at + length)
          got.push(...drain(splitter))
          const complete = framesIn(stream.subarray(0, at))
          expect(got.length).toBe(complete.length)
          const used = complete.reduce((sum, frame) => sum + 4 + frame.byteLength, 0)
          expect(splitter.bufferedBytes).toBe(at - used)
        }
        expect(got.length).toBe(frames.length)
        got.forEach((frame, i) => {
          expect(Buffer.compare(frame, frames[i]!)).toBe(0)
          expect(frame.constructor).toBe(Uint8Array)
        })
      }),
      { numRuns: 300 * LONG_FACTOR },
    )
  })

  test('bytes that come one at a time make the same frames', () => {
    const frames = [new Uint8Array(5000).fill(1), new Uint8Array(0), new Uint8Array([7]), new Uint8Array(3000).fill(2)]
    const splitter = new FrameSplitter(10_000)
    const got: Uint8Array[] = []
    for (const byte of streamOf(frames)) {
      splitter.push(new Uint8Array([byte]))
      got.push(...drain(splitter))
    }
    expect(got).toEqual(frames)
    expect(splitter.bufferedBytes).toBe(0)
  })

  test('a megabyte of single bytes is held in a megabyte, not in a million objects', () => {
    const splitter = new FrameSplitter(2_000_000)
    const header = new Uint8Array(4)
    writeU32(header, 0, 1_500_000)
    splitter.push(header)
    const before = process.memoryUsage()
    for (let i = 0; i < 1_000_000; i++) splitter.push(new Uint8Array([i]))
    const after = process.memoryUsage()
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(60_000_000)
    expect(splitter.next()).toBeUndefined()
    expect(splitter.bufferedBytes).toBe(1_000_004)
    for (let i = 0; i < 500; i++) splitter.push(new Uint8Array(1000))
    const frame = splitter.next()!
    expect(frame.byteLength).toBe(1_500_000)
    expect([frame[0], frame[77], frame[999_999], frame[1_000_000]]).toEqual([0, 77, 999_999 % 256, 0])
  })

  test('a small frame does not hold the chunk that it came in', () => {
    const splitter = new FrameSplitter(1_000_000)
    splitter.push(Uint8Array.from(streamOf([new Uint8Array(100).fill(7), new Uint8Array(60_000)])))
    const [small, large] = drain(splitter)
    expect(small!.buffer.byteLength).toBe(100)
    expect(small).toEqual(new Uint8Array(100).fill(7))
    expect(large!.buffer.byteLength).toBe(60_108)
  })

  test('a frame that makes up much of its chunk is a view on it', () => {
    const chunk = Uint8Array.from(streamOf([new Uint8Array(10), new Uint8Array(20)]))
    const splitter = new FrameSplitter(100)
    splitter.push(chunk)
    for (const frame of drain(splitter)) expect(frame.buffer).toBe(chunk.buffer)
  })

  test('a frame above the limit is refused as soon as its length is known, before its bytes', () => {
    const splitter = new FrameSplitter(100)
    const header = new Uint8Array(4)
    writeU32(header, 0, 101)
    for (const byte of header.subarray(0, 3)) splitter.push(new Uint8Array([byte]))
    expect(splitter.next()).toBeUndefined()
    splitter.push(header.subarray(3))
    expect(() => splitter.next()).toThrow(GomqError)
    expect(() => splitter.next()).toThrow(/announces 101 bytes; the limit is 100/)
  })

  test('the limit can be raised when the connection is established', () => {
    const splitter = new FrameSplitter(10)
    splitter.push(streamOf([new Uint8Array(10), new Uint8Array(11)]))
    expect(splitter.next()?.byteLength).toBe(10)
    splitter.frameBytesMax = 11
    expect(splitter.next()?.byteLength).toBe(11)
  })

  test('the greatest length that four bytes can announce is refused, not allocated', () => {
    const splitter = new FrameSplitter(64 << 20)
    splitter.push(new Uint8Array([0xff, 0xff, 0xff, 0xff]))
    expect(() => splitter.next()).toThrow(/announces 4294967295 bytes/)
  })
})
