import { GomqError, type Offset, type Packet, PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { type DoorReader, ReadingDoor } from '../src/reading-door.js'

const OFFSET = 7 as Offset

/** A door with a host and a reader that write down what they are told. */
function doorWith(reader: Partial<DoorReader> = {}): { door: ReadingDoor; told: unknown[]; given: string[] } {
  const told: unknown[] = []
  const given: string[] = []
  const names = new Map<number, string>(Object.entries(PacketType).map(([name, type]) => [type, name]))
  const door = new ReadingDoor(
    5,
    {
      handleDoorPacket: (_door, packet: Packet) => given.push(names.get(packet.type)!),
      handleDoorOver: () => given.push('over'),
    },
    { filters: ['a'], from: { kind: 'new' }, retained: false, creditMessages: 1, creditBytes: 1 },
    {
      handleSubscribed: (offset) => told.push(offset),
      handleDelivery: ({ payload }) => told.push(payload),
      handleTail: (offset) => told.push(['tail', offset]),
      handleMissed: (from, to) => told.push(['missed', from, to]),
      handleEnded: ({ code }) => told.push(code),
      ...reader,
    },
  )
  return { door, told, given }
}

const connack = { type: PacketType.CONNACK } as Packet
const suback = { type: PacketType.SUBACK, startOffset: OFFSET } as Packet
const missed = { type: PacketType.MISSED, from: 3, to: OFFSET } as Packet
const tail = { type: PacketType.TAIL, offset: OFFSET } as Packet

test('a door subscribes once it is let in, and tells its reader in the order of the engine', () => {
  const { door, told, given } = doorWith()
  door.connect('test')
  door.send(connack)
  door.flush()
  door.send(suback)
  door.send(missed)
  door.send(tail)
  door.send({ type: PacketType.DISCONNECT, code: 'NOT_LEADER', message: '' })
  door.close()
  expect(told).toEqual([OFFSET, ['missed', 3, OFFSET], ['tail', OFFSET], 'NOT_LEADER'])
  expect(given).toEqual(['CONNECT', 'SUBSCRIBE', 'over'])
})

test('a door that has ended gives and tells nothing more', () => {
  const { door, told, given } = doorWith()
  door.send(suback)
  door.end()
  door.end()
  door.flush()
  door.addCredit(1, 1)
  door.ping()
  door.send(tail)
  door.flush()
  door.close()
  expect(told).toEqual([])
  expect(given).toEqual(['over'])
})

test('what a reader throws ends its door and nothing else', () => {
  const { door, told, given } = doorWith({
    handleTail: () => {
      throw new GomqError('LIMIT_EXCEEDED', 'too much')
    },
  })
  door.send(suback)
  door.send(tail)
  door.send(tail)
  door.flush()
  expect(told).toEqual([OFFSET, 'LIMIT_EXCEEDED'])
  expect(given).toEqual(['over'])
})
