import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FileHandle } from '../src/file-system.js'
import { SCAN_CARRY_BYTES, SCAN_CHUNK_BYTES } from '../src/limits.js'
import { ScanWindow } from '../src/scan-window.js'

const FILE_BYTES = 4 * SCAN_CHUNK_BYTES + 12_345
const content = Buffer.alloc(FILE_BYTES)
for (let i = 0; i < FILE_BYTES; i += 4) content.writeUInt32LE(i, Math.min(i, FILE_BYTES - 4))

/** A file that notes where it is read into, and may end before its size says. */
function fileOf(bytes: Uint8Array, read: { buffers: Set<ArrayBufferLike>; underWay: number }): FileHandle {
  const file: Pick<FileHandle, 'read'> = {
    async read(into, position) {
      read.buffers.add(into.buffer)
      read.underWay++
      // What stood there before must not be seen.
      into.fill(0xee)
      await new Promise(setImmediate)
      const piece = bytes.subarray(position, position + into.byteLength)
      into.set(piece)
      read.underWay--
      return piece.byteLength
    },
  }
  return file as FileHandle
}

describe('a window on a file that is scanned', () => {
  test('shows the file from each place on, with as much as is asked for, whatever the steps', async () => {
    const step = fc.oneof(
      fc.integer({ min: 1, max: 200_000 }),
      fc.constantFrom(SCAN_CARRY_BYTES - 1, SCAN_CARRY_BYTES, SCAN_CARRY_BYTES + 1, SCAN_CHUNK_BYTES + 7),
      fc.integer({ min: 1, max: 2 * SCAN_CHUNK_BYTES }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), fc.nat(5000), async (steps, start) => {
        const window = new ScanWindow(fileOf(content, { buffers: new Set(), underWay: 0 }), FILE_BYTES)
        let at = start
        for (const bytes of steps) {
          if (at >= FILE_BYTES) break
          const view = await window.view(at, bytes)
          const expected = content.subarray(at, Math.min(at + bytes, FILE_BYTES))
          expect(view.byteLength).toBeGreaterThanOrEqual(expected.byteLength)
          expect(Buffer.compare(view.subarray(0, expected.byteLength), expected)).toBe(0)
          expect(Buffer.compare(view, content.subarray(at, at + view.byteLength))).toBe(0)
          at += Math.min(bytes, view.byteLength)
        }
        await window.end()
      }),
      { numRuns: 40 },
    )
  })

  test('uses the same memory again, and reads ahead', async () => {
    const read = { buffers: new Set<ArrayBufferLike>(), underWay: 0 }
    const window = new ScanWindow(fileOf(content, read), FILE_BYTES)
    await window.view(0, 100)
    expect(read.underWay).toBe(1)
    for (let at = 0; at < FILE_BYTES; at += 70_000) await window.view(at, 70_000)
    expect(read.buffers.size).toBe(2)
    await window.end()
    expect(read.underWay).toBe(0)
  })

  test('of a file that is shorter than its size said ends where the file does', async () => {
    const bytes = content.subarray(0, SCAN_CHUNK_BYTES + 1000)
    const window = new ScanWindow(fileOf(bytes, { buffers: new Set(), underWay: 0 }), FILE_BYTES)
    await window.view(0, 100)
    expect((await window.view(SCAN_CHUNK_BYTES, 5000)).byteLength).toBe(1000)
    expect((await window.view(SCAN_CHUNK_BYTES + 1000, 1)).byteLength).toBe(0)
    await window.end()
  })

  test('does not fail for what it read ahead and nobody looked at', async () => {
    let reads = 0
    const file = {
      async read(into: Uint8Array) {
        if (reads++ > 0) throw new Error('a bad sector')
        return into.byteLength
      },
    }
    const window = new ScanWindow(file as unknown as FileHandle, FILE_BYTES)
    await window.view(0, 100)
    await window.end()
    await expect(window.view(SCAN_CHUNK_BYTES, 10)).rejects.toThrow('a bad sector')
  })
})
