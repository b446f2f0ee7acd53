import { type Broker, type Scheduler, silentLog } from '@gomq/broker'
import { createCleaner, type FileSystem } from '@gomq/storage'
import { plantedCleaner } from './plant.js'
import type { World } from './world.js'

type BrokerOptions = Parameters<typeof Broker.open>[0]

/** What every simulated broker is made of: small segments and snapshots, so that a run has many. */
export function brokerParts(
  world: World,
  who: string,
  fs: FileSystem,
  scheduler: Scheduler,
): Omit<BrokerOptions, 'brokerId' | 'onFailure'> {
  return {
    fs,
    directory: 'data',
    crc32: world.crc32,
    scheduler,
    random: world.random,
    log: { ...silentLog, info: (fields, message) => note(world, who, fields, message) },
    brokerVersion: '0.0.0',
    messageBytesMax: 64 * 1024,
    retainedTopicsMax: 100_000,
    segmentBytes: 16 * 1024,
    tailCacheBytes: 4 * 1024,
    snapshotIntervalBytes: 8 * 1024,
    cleaner: plantedCleaner(world.plant, createCleaner({ fs, crc32: world.crc32, segmentBytes: 16 * 1024 })),
    cleanIntervalMs: 300,
    unsyncedBytesMax: 4 * 1024,
  }
}

/** What the broker logs about cleaning belongs to the story of a run. */
function note(world: World, who: string, fields: object, message: string): void {
  if (message !== 'the log was cleaned') return
  world.history.cleanings++
  world.trace.add(who, `${message} ${JSON.stringify(fields)}`)
}
