import { batchBytesOf, PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { type BrokerLog, silentLog } from '../src/broker-log.js'
import { memoryDisk, openBroker } from './harness/memory-broker.js'
import { MemoryClient } from './harness/memory-client.js'
import { batchOf, publishPacket } from './harness/packets.js'

const ACTIVE = 'data/log/00000000000000000000.log'

function recordingLog(): { log: BrokerLog; warnings: { fields: object; message: string }[] } {
  const warnings: { fields: object; message: string }[] = []
  return { log: { ...silentLog, warn: (fields, message) => void warnings.push({ fields, message }) }, warnings }
}

test('an operator is told that the torn end of the log was cut, where and how much', async () => {
  const disk = memoryDisk()
  const first = await openBroker({ disk, onFailure: () => undefined })
  const client = await MemoryClient.connect(first)
  client.send(publishPacket(1, batchOf('a', ['kept'])))
  await client.queue.take(PacketType.PUBACK)
  disk.crash()
  const file = disk.bytesOf(ACTIVE)
  const whole = file.subarray(0, batchBytesOf(file))
  disk.put(ACTIVE, new Uint8Array([...whole, ...new Uint8Array(77).fill(1)]))

  const { log, warnings } = recordingLog()
  const second = await openBroker({ disk, log })
  expect(warnings).toEqual([
    {
      fields: { path: ACTIVE, position: whole.byteLength, bytes: 77 },
      message: 'the end of the log was torn and is cut; nothing of it was acknowledged',
    },
  ])
  await second.shutdown()
})

test('an operator is told of a snapshot that was put aside', async () => {
  const disk = memoryDisk()
  await (await openBroker({ disk })).shutdown()
  disk.put('data/snapshots/00000000000000000001.snapshot', new Uint8Array(50))
  const { log, warnings } = recordingLog()
  await (await openBroker({ disk, log })).shutdown()
  expect(warnings).toMatchObject([
    { fields: { path: 'data/snapshots/00000000000000000001.snapshot', reason: expect.any(String) } },
  ])
})
