import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { SimDisk } from '@gomq/storage/testing'
import { onTestFinished } from 'vitest'
import { Broker } from '../../src/broker.js'
import { silentLog } from '../../src/broker-log.js'
import type { BrokerOptions } from '../../src/broker-options.js'
import { NodeScheduler } from '../../src/node/node-scheduler.js'

const MIB = 1024 * 1024

/** A disk in memory that a broker can be started on again. */
export function memoryDisk(): SimDisk {
  return new SimDisk(new SeededRandom(1))
}

/** A broker on a disk in memory. A failure that the test does not expect fails it. */
export async function openBroker({
  disk = memoryDisk(),
  ...options
}: Partial<BrokerOptions> & { disk?: SimDisk } = {}): Promise<Broker> {
  const failures: Error[] = []
  const broker = await Broker.open({
    fs: disk.mount(),
    directory: 'data',
    crc32,
    scheduler: new NodeScheduler(),
    random: new SeededRandom(2),
    log: silentLog,
    brokerId: 'test',
    brokerVersion: '0.0.0',
    messageBytesMax: 4 * MIB,
    retainedTopicsMax: 100_000,
    segmentBytes: 16 * MIB,
    tailCacheBytes: 4 * MIB,
    snapshotIntervalBytes: 256 * MIB,
    cleanIntervalMs: 10_000,
    unsyncedBytesMax: 64 * MIB,
    onFailure: (error) => failures.push(error),
    ...options,
  })
  onTestFinished(() => {
    if (failures.length > 0) throw failures[0]
  })
  return broker
}
