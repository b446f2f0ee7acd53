import { Session } from 'node:inspector/promises'
import { basename } from 'node:path'

/** Time between two samples, us: fine enough for seconds, and too rare to slow anything down. */
const INTERVAL_US = 500

/** Share of the busy time below which a function is left out: hundreds of them have a sample or two. */
const SHARE_MIN = 0.005

/** Where the time of one event loop went. */
export interface LoopProfile {
  /** Whose loop it is: `broker`, or what a worker does. */
  readonly process: string
  /** Share of the time that the loop was not idle, 0 to 1. Where others have the cores it counts as busy. */
  readonly busyShare: number
  /** Functions with their own time, callees not counted, as a share of the busy time; the greatest first, down to half a percent. */
  readonly functions: readonly { readonly name: string; readonly share: number }[]
}

/** A profile as the inspector gives it. */
export interface Samples {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }[]
  readonly samples?: readonly number[] | undefined
  readonly timeDeltas?: readonly number[] | undefined
}

/** Profiles the event loop of its own process. */
export class LoopProfiler {
  readonly #process: string
  readonly #session: Session = new Session()

  /** @param process  whose loop it is, for {@link LoopProfile.process} */
  constructor(process: string) {
    this.#process = process
    this.#session.connect()
  }

  async start(): Promise<void> {
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US })
    await this.#session.post('Profiler.start')
  }

  async stop(): Promise<LoopProfile> {
    const { profile } = await this.#session.post('Profiler.stop')
    this.#session.disconnect()
    return summarizeSamples(this.#process, profile)
  }
}

/** Sums the samples up: time of the same function, wherever it is called from, is one. */
export function summarizeSamples(process: string, { nodes, samples = [], timeDeltas = [] }: Samples): LoopProfile {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const times = new Map<string, number>()
  let totalUs = 0
  samples.forEach((id, i) => {
    const us = timeDeltas[i] ?? 0
    totalUs += us
    const name = names.get(id)!
    times.set(name, (times.get(name) ?? 0) + us)
  })
  const busyUs = totalUs - (times.get('(idle)') ?? 0)
  times.delete('(idle)')
  const functions = [...times].map(([name, us]) => ({ name, share: Math.round((1000 * us) / busyUs) / 1000 }))
  functions.sort((a, b) => b.share - a.share)
  return {
    process,
    busyShare: totalUs === 0 ? 0 : Math.round((1000 * busyUs) / totalUs) / 1000,
    functions: functions.filter(({ share }) => share >= SHARE_MIN),
  }
}

/** `append (log.js)`; of what is not JavaScript the name alone. */
function nameOf({ functionName, url }: Samples['nodes'][number]['callFrame']): string {
  const name = functionName || '(anonymous)'
  return url === '' ? name : `${name} (${url.startsWith('node:') ? url : basename(url)})`
}
