import { decodePacket, encodeFrame, FrameSplitter, GomqError, InvariantError, type Packet } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { samplePackets } from '../sample-packets.js'

/** A campaign over a million frames with `GOMQ_LONG=1`, and a slice of it otherwise. */
const FRAMES = process.env['GOMQ_LONG'] ? 1_000_000 : 30_000
const SEED = Number(process.env['GOMQ_SEED'] ?? 20_260_101)

const valid = samplePackets.map(([, packet]) => encodeFrame(packet).subarray(4))

/** Bytes that mean much in msgpack: every tag's edge, and the numbers around lengths. */
const TELLING = [
  0x00, 0x01, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xc4, 0xc6, 0xc7, 0xc9, 0xca,
  0xcb, 0xcf, 0xd3, 0xd4, 0xd8, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, 0x72,
]

function mutated(random: SeededRandom): Uint8Array {
  const kind = random.below(10)
  if (kind === 0) return Uint8Array.from({ length: random.below(64) }, () => random.below(256))
  if (kind === 1) return Uint8Array.from({ length: random.below(64) }, () => random.pick(TELLING))
  const frame = random.pick(valid)
  if (kind === 2) return frame.slice(0, random.below(frame.byteLength))
  if (kind === 3)
    return Buffer.concat([frame, Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256))])
  const bytes = frame.slice()
  const reach = random.chance(0.5) ? Math.min(12, bytes.byteLength) : bytes.byteLength
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(reach)
    bytes[at] = random.chance(0.6) ? random.pick(TELLING) : random.below(256)
  }
  return bytes
}

describe('mutated frames', () => {
  test('end in a packet or in a MALFORMED_FRAME, and change nothing that all objects share', () => {
    const before = Reflect.ownKeys(Object.prototype).length
    const random = new SeededRandom(SEED)
    let packets = 0
    for (let run = 0; run < FRAMES; run++) {
      const frame = mutated(random)
      try {
        const packet = decodePacket(frame)
        packets++
        if (run % 16 === 0) encodeAgain(packet)
      } catch (error) {
        if (error instanceof GomqError && error.code === 'MALFORMED_FRAME') continue
        throw new Error(`seed ${SEED}, frame ${run}: ${Buffer.from(frame).toString('hex')}`, { cause: error })
      }
    }
    expect(Reflect.ownKeys(Object.prototype).length).toBe(before)
    expect(packets).toBeGreaterThan(FRAMES / 50)
    expect(packets).toBeLessThan(FRAMES)
  })

  test('in a stream end in frames or in FRAME_TOO_LARGE, at any chunking', () => {
    const random = new SeededRandom(SEED + 1)
    for (let run = 0; run < FRAMES / 30; run++) {
      const splitter = new FrameSplitter(4096)
      try {
        for (let i = 0; i < 20; i++) {
          splitter.push(mutated(random))
          for (let frame = splitter.next(); frame !== undefined; frame = splitter.next())
            expect(frame.byteLength).toBeLessThanOrEqual(4096)
          expect(splitter.bufferedBytes).toBeLessThanOrEqual(4100 + 600)
        }
      } catch (error) {
        if (!(error instanceof GomqError) || error.code !== 'FRAME_TOO_LARGE')
          throw new Error(`seed ${SEED + 1}, stream ${run}`, { cause: error })
      }
    }
  })
})

/** What was accepted can be sent on and says the same then. */
function encodeAgain(packet: Packet): void {
  try {
    expect(decodePacket(encodeFrame(packet).subarray(4))).toEqual(packet)
  } catch (error) {
    if (error instanceof InvariantError) throw error
    throw new Error(`a ${packet.type} was accepted and does not come back`, { cause: error })
  }
}
