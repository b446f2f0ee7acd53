import { existsSync, readdirSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from '@gomq/protocol/node'
import { type Finding, type Verification, verifyDirectory } from '@gomq/storage'
import { nodeFileSystem } from '@gomq/storage/node'
import type { BrokerProcess } from './broker-process.js'
import { delay } from './killed-load.js'

/** What a broker can be killed in, and the files whose coming and going tells of it, below the data directory. */
export const AIMS = {
  rewrite: /^log\/\d{20}\.\d+\.log\.tmp$/,
  swap: /^log\/\d{20}\.\d+\.log$/,
  removal: /^log\/\d{20}(\.\d+)?\.(log|index)$/,
  roll: /^log\/\d{20}\.log$/,
  snapshot: /^snapshots\/\d{20}\.snapshot(\.tmp)?$/,
  start: /^LOCK\./,
  checkpoint: /^checkpoint(\.tmp)?$/,
} as const

/**
 * `kill -9`s a broker as soon as a file that fits `aim` comes or goes, or so long after that.
 * @returns whether there was such a file within `withinMs`; the broker is killed in any case
 */
export async function killAt(broker: BrokerProcess, aim: RegExp, laterMs: number, withinMs: number): Promise<boolean> {
  const watchers: { close(): void }[] = []
  const seen = new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), withinMs)
    for (const folder of ['', 'log/', 'snapshots/']) {
      const look = (_event: string, name: string | null) => {
        const path = `${folder}${name}`
        if (!aim.test(path) || (aim === AIMS.removal && existsSync(join(broker.dataDirectory, path)))) return
        clearTimeout(timer)
        if (laterMs === 0) void broker.kill()
        resolve(true)
      }
      watchers.push(watch(join(broker.dataDirectory, folder), look))
    }
  })
  const isSeen = await seen
  for (const watcher of watchers) watcher.close()
  if (laterMs > 0) await delay(laterMs)
  await broker.kill()
  return isSeen
}

/** What the files say that a killed broker was doing. */
export interface KillMoment {
  /** Some of: torn tail, rewrite, swap, start moves, roll, snapshot, checkpoint, opening; none: nothing that the files tell. */
  readonly doing: readonly string[]
  /** Whether it had come to its directory. */
  readonly isInside: boolean
  readonly verification: Verification
  /** What a start would refuse or a read would meet. */
  readonly damage: readonly Finding[]
}

/** Looks at what a kill left, before anybody puts it in order. Nobody may be using the directory. */
export async function momentOf({ dataDirectory, pid }: BrokerProcess): Promise<KillMoment> {
  const files = readdirSync(dataDirectory, { recursive: true }).map(String)
  const verification = await verifyDirectory({ fs: nodeFileSystem(), directory: dataDirectory, crc32 })
  const { findings, checkpoint } = verification
  const found = (what: RegExp, file = /./) => findings.some((each) => what.test(each.what) && file.test(each.file))
  const has = (name: RegExp) => files.some((each) => name.test(each))
  const segments = files.filter((name) => AIMS.roll.test(name)).sort()
  const newest = segments.at(-1)
  const isBelowStart = (name: string) => Number(name.slice(4, 24)) < (checkpoint?.logStartOffset ?? 0)
  const below = files.filter((name) => (AIMS.swap.test(name) || AIMS.roll.test(name)) && isBelowStart(name))
  const doing = {
    'torn tail': found(/torn tail/),
    rewrite: has(/^log\/.*\.log\.tmp$/),
    swap:
      findings.some(({ what, file }) => what === 'a cleaned segment replaces it' && !below.includes(file)) ||
      found(/it is missing/, /^log\/\d{20}\.\d+\.index/),
    'start moves': below.length > 0,
    roll:
      (newest !== undefined && statSync(join(dataDirectory, newest)).size === 0) ||
      found(/it is missing/, /^log\/\d{20}\.index/),
    snapshot: has(/^snapshots\/.*\.tmp$/) || files.filter((name) => AIMS.snapshot.test(name)).length > 2,
    checkpoint: has(/^checkpoint\.tmp$/),
    opening: has(/^sync-failed$/),
  }
  return {
    doing: Object.entries(doing).flatMap(([what, isDone]) => (isDone ? [what] : [])),
    verification,
    isInside: has(new RegExp(`^LOCK\\.${pid}\\.`)),
    damage: findings.filter(({ severity }) => severity !== 'harmless'),
  }
}
