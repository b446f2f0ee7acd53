import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PROFILE_FILE } from './handover.js'
import type { LoopProfile } from './profiler.js'

const PROFILE_MS_MAX = 30_000

/** Flags of Node for a server whose profile is asked for. */
export const PROFILE_ARGS: readonly string[] = ['--import', new URL('./preload.js', import.meta.url).href]

/** The profile that a server writes into its folder. @throws Error  none came in half a minute */
export async function profileIn(folder: string): Promise<LoopProfile> {
  const endMs = performance.now() + PROFILE_MS_MAX
  for (;;) {
    try {
      return JSON.parse(readFileSync(join(folder, PROFILE_FILE), 'utf8')) as LoopProfile
    } catch (error) {
      if (performance.now() > endMs) throw new Error(`the server wrote no ${PROFILE_FILE}`, { cause: error })
    }
    await sleep(20)
  }
}
