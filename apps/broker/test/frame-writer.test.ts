import { concatBytes, decodePacket, FrameSplitter, type Packet, PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { FrameWriter } from '../src/frame-writer.js'

const small: Packet = { type: PacketType.PINGRESP, requestId: 7 }
const delivery = (bytes: number): Packet => ({
  type: PacketType.DELIVER,
  subscriptionId: 3,
  header: null,
  ranges: null,
  payload: new Uint8Array(bytes).fill(bytes),
})

test('small frames leave as one chunk, large payloads by reference, all in order', () => {
  const writer = new FrameWriter()
  const large = delivery(10_000)
  const packets = [small, small, delivery(50), large, small, delivery(20_000)]
  for (const packet of packets) writer.add(packet)
  const chunks = writer.take()
  expect(chunks).toHaveLength(4)
  expect(chunks[1]).toBe(large.type === PacketType.DELIVER ? large.payload : undefined)
  const splitter = new FrameSplitter(1_000_000)
  splitter.push(concatBytes(chunks))
  expect(packets.map(() => decodePacket(splitter.next()!))).toEqual(packets)
  expect(splitter.next()).toBeUndefined()
  expect(writer.take()).toEqual([])
})
