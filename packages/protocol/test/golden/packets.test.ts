import { decodePacket, encodeFrame } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { samplePackets } from '../sample-packets.js'
import { expectGolden, readGolden } from './golden-files.js'

describe('golden bytes of frames', () => {
  test.each(samplePackets)('%s is written as it was when the protocol was released, and still read', (name, packet) => {
    expectGolden(`frame-${name}`, encodeFrame(packet))
    expect(decodePacket(Uint8Array.from(readGolden(`frame-${name}`).subarray(4)))).toEqual(packet)
  })
})
