import { GomqError, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import type { BrokerLog } from '../src/broker-log.js'
import { DiskSpace } from '../src/disk-space.js'
import { ManualScheduler } from './harness/manual-scheduler.js'
import { memoryDisk, openBroker } from './harness/memory-broker.js'
import { MemoryClient } from './harness/memory-client.js'
import { batchOf, publishPacket, subscribePacket } from './harness/packets.js'

const MIB = 1024 * 1024

/** More than the room that is set aside in the log's file. */
const LARGE = 'x'.repeat(300_000)

/** Log lines by their first words. */
function lines(): BrokerLog & { readonly all: string[] } {
  const all: string[] = []
  const note = (level: string) => (_fields: object, message: string) => void all.push(`${level}: ${message}`)
  return { all, debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
}

async function watched(freeBytes: number | Error) {
  const scheduler = new ManualScheduler()
  const brokerLog = lines()
  const told: (string | undefined)[] = []
  const disk = { freeBytes, looks: 0 }
  const space = new DiskSpace({
    fs: {
      ...memoryDisk().mount(),
      freeBytes: async () => {
        disk.looks++
        if (disk.freeBytes instanceof Error) throw disk.freeBytes
        return disk.freeBytes
      },
    },
    directory: 'data',
    scheduler,
    brokerLog,
    reserveBytes: () => 80 * MIB,
    onRoom: (noRoom) => told.push(noRoom?.message),
  })
  await space.start()
  const second = async () => {
    scheduler.advance(1_000)
    for (let i = 0; i < 5; i++) await Promise.resolve()
  }
  return { space, disk, told, brokerLog, second, settle: second }
}

describe('the free space of the disk', () => {
  test('is looked at each second; below the reserve publishes are refused, until an eighth more is free', async () => {
    const { space, disk, told, brokerLog, second } = await watched(200 * MIB)
    expect([told, space.noRoom]).toEqual([[], undefined])
    disk.freeBytes = 79 * MIB
    await second()
    expect(told).toEqual([
      'the disk of the broker has 79 MiB free and keeps 80 MiB for acknowledgements and cleaning, which is 11 MiB too little; free some space there, and publish again, or lower --disk-reserve-bytes',
    ])
    disk.freeBytes = 85 * MIB
    await second()
    expect(told.at(-1)).toContain('has 85 MiB free')
    disk.freeBytes = 90 * MIB
    await second()
    expect(told.at(-1)).toBeUndefined()
    expect(brokerLog.all).toEqual([
      'error: the disk is nearly full: publishes are refused until there is room',
      'info: the disk has room again: publishes are taken',
    ])
    expect(space.stats).toEqual({ diskFreeBytes: 90 * MIB, diskReserveBytes: 80 * MIB, isDiskLow: 0, isDiskFull: 0 })
  })

  test('is looked at at once when what was written since may have used it up, and not before', async () => {
    const { space, disk } = await watched(100 * MIB)
    for (let i = 0; i < 20; i++) space.handleAppended(MIB)
    expect(disk.looks).toBe(1)
    disk.freeBytes = 79 * MIB
    space.handleAppended(MIB)
    space.handleAppended(MIB)
    await Promise.resolve()
    expect(disk.looks).toBe(2)
    await Promise.resolve()
    expect(space.noRoom).toBeInstanceOf(GomqError)
  })

  test('is no bound where nobody can tell it, which is logged once', async () => {
    const { space, brokerLog, second } = await watched(new Error('not here'))
    await second()
    space.handleAppended(1000 * MIB)
    await second()
    expect(space.noRoom).toBeUndefined()
    expect(brokerLog.all).toEqual(['warn: the free space of the disk is not known; no reserve is kept'])
    expect(space.stats).not.toHaveProperty('diskFreeBytes')
  })

  test('that is used up altogether is said when it begins and when it ends, and no directory is named to clients', async () => {
    const { space, told, brokerLog, second } = await watched(200 * MIB)
    space.handleFull(new GomqError('DISK_FULL', 'the disk of /srv/data is full'))
    await second()
    expect([space.isFull, space.stats['isDiskFull']]).toEqual([true, 1])
    expect(told.at(-1)).toBe('the disk of the broker is full; free some space there, and publish again')
    space.handleFull(undefined)
    await second()
    expect([space.isFull, told.at(-1)]).toEqual([false, undefined])
    expect(brokerLog.all).toEqual([
      'error: the disk is full: nothing is stored until it has room',
      'info: the disk has room again: what waited is stored',
    ])
  })

  test('is looked at no more after the end', async () => {
    const { space, disk, second } = await watched(200 * MIB)
    space.stop()
    await second()
    await second()
    expect(disk.looks).toBe(1)
  })
})

describe('a broker on a disk that fills', () => {
  const options = { segmentBytes: 64 * 1024, snapshotIntervalBytes: 256 * MIB }
  const filled = async (roomBytes: number) => {
    const disk = memoryDisk()
    const broker = await openBroker({ disk, ...options })
    const client = await MemoryClient.connect(broker, 'c')
    client.send(subscribePacket({ filters: ['a'], name: 'mine' }))
    client.send(publishPacket(11, batchOf('a', ['stored'])))
    const { baseOffset } = await client.queue.take(PacketType.PUBACK)
    await client.queue.messages(1)
    disk.faults.bytesMax = Number.MAX_SAFE_INTEGER
    disk.faults.bytesMax -= disk.freeBytes() - roomBytes
    /** Acknowledges the message that was delivered. */
    const ack = (requestId: number) =>
      client.send({ type: PacketType.ACK, requestId, subscriptionId: 1, ranges: [baseOffset, baseOffset + 1] })
    return { disk, broker, client, ack }
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  test('keeps two segments: publishes are refused, acknowledgements are stored, and it goes on by itself', async () => {
    const { disk, broker, client, ack } = await filled(100 * 1024)
    await until(() => broker.disk.noRoom !== undefined)
    expect(broker.disk.isFull).toBe(false)
    client.send(publishPacket(12, batchOf('a', ['refused'])))
    expect(await client.queue.take(PacketType.ERROR)).toMatchObject({ requestId: 12, code: 'DISK_FULL' })
    ack(13)
    expect((await client.queue.take(PacketType.ACKED)).requestId).toBe(13)
    expect(broker.stats).toMatchObject({ isDiskLow: 1, isDiskFull: 0, refusedForRoom: 1 })
    disk.faults.bytesMax = undefined
    await until(() => broker.disk.noRoom === undefined)
    client.send(publishPacket(14, batchOf('a', ['again'])))
    expect((await client.queue.take(PacketType.PUBACK)).requestId).toBe(14)
    await broker.shutdown()
  })

  test('waits when the reserve is used up too: nothing is acknowledged, and all of it is when there is room', async () => {
    const { disk, broker, client, ack } = await filled(0)
    client.send(publishPacket(12, batchOf('a', [LARGE])))
    await until(() => broker.disk.isFull)
    ack(13)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(client.queue.packets.filter(({ type }) => type === PacketType.PUBACK || type === PacketType.ACKED)).toEqual(
      [],
    )
    expect(broker.state).toBe('serving')
    disk.faults.bytesMax = undefined
    expect((await client.queue.take(PacketType.PUBACK)).requestId).toBe(12)
    expect((await client.queue.take(PacketType.ACKED)).requestId).toBe(13)
    await broker.shutdown()
  })

  test('that stops while it is full ends in bounded time with DISK_FULL, and the next start has what was acknowledged', async () => {
    const disk = memoryDisk()
    const failures: Error[] = []
    const broker = await openBroker({ disk, ...options, onFailure: (error) => failures.push(error) })
    const client = await MemoryClient.connect(broker)
    client.send(publishPacket(11, batchOf('a', ['stored'])))
    await client.queue.take(PacketType.PUBACK)
    disk.faults.bytesMax = 1
    client.send(publishPacket(12, batchOf('a', [LARGE])))
    await until(() => broker.disk.isFull)
    await expect(broker.shutdown()).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(failures).toMatchObject([{ code: 'DISK_FULL' }])
    disk.crash()
    disk.faults.bytesMax = undefined
    const next = await openBroker({ disk, ...options })
    const reader = await MemoryClient.connect(next)
    reader.send(subscribePacket({ filters: ['a'] }))
    expect((await reader.queue.messages(1)).map(({ value }) => value)).toEqual(['stored'])
    await next.shutdown()
  }, 10_000)
})
