import { beforeEach } from 'vitest'
import { etcdMissing } from './etcd-process.js'

/** Whether the faults of a cluster are tried as often as their figures ask for. */
export const isLong = process.env['GOMQ_LONG'] !== undefined
export const seed = Number(process.env['GOMQ_SEED'] ?? 20_262)
/** For a fault that is tried again and again. */
export const LONG_MS = 3_600_000

/** How often a fault is tried: `GOMQ_ROUNDS`, or as often as its figure asks for, or a few times. */
export function rounds(long: number, short = 1): number {
  return Number(process.env['GOMQ_ROUNDS'] ?? (isLong ? long : short))
}

/** Skips the tests of this file where there is no etcd, and without `GOMQ_LONG=1` all but the named ones. */
export function skipUnlessCampaign(short: readonly string[] = []): void {
  beforeEach((context) => {
    if (etcdMissing !== undefined) context.skip(etcdMissing)
    if (!isLong && !short.includes(context.task.name)) context.skip('takes long: GOMQ_LONG=1')
  })
}
