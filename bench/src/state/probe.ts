import { createHistogram, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { waitedMs } from './waited.js'

// Loaded into the broker before its own code (`--import`): answers what only the process itself can measure.

/** What the probe is asked. */
export type ProbeRequest = { readonly kind: 'memory' } | { readonly kind: 'watch' } | { readonly kind: 'watched' }

/** What it answers: bytes after a full collection, or pauses since `watch`. */
export type ProbeAnswer =
  | { readonly kind: 'memory'; readonly heapBytes: number; readonly externalBytes: number; readonly rssBytes: number }
  | { readonly kind: 'watch' }
  | {
      readonly kind: 'watched'
      /** Pauses of the event loop beyond the timer's own millisecond. */
      readonly p50Ms: number
      readonly p99Ms: number
      readonly p999Ms: number
      readonly maxMs: number
      /** The longest, less what the thread was ready to run in it while others ran. Linux alone tells; elsewhere NaN. */
      readonly ownMaxMs: number
      /** Pauses of the garbage collector, and the longest of each kind: 1 young, 4 full, 8 incremental, 16 weak callbacks. */
      readonly gcCount: number
      readonly gcMaxMs: number
      readonly gcMaxMsByKind: Readonly<Record<string, number>>
    }

const RESOLUTION_MS = 1

let delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
let collections = createHistogram()
let longestByKind: Record<string, number> = {}
let ownMaxMs = 0
let ticker: NodeJS.Timeout | undefined

/** Looks each millisecond at how late it is, and for how long of that others had the core. */
function watchOwn(): void {
  clearInterval(ticker)
  ownMaxMs = 0
  let lastMs = performance.now()
  let lastWaitedMs = waitedMs(process.pid)
  const tick = () => {
    const [nowMs, nowWaitedMs] = [performance.now(), waitedMs(process.pid)]
    ownMaxMs = Math.max(ownMaxMs, nowMs - lastMs - RESOLUTION_MS - (nowWaitedMs - lastWaitedMs))
    lastMs = nowMs
    lastWaitedMs = nowWaitedMs
  }
  ticker = setInterval(tick, RESOLUTION_MS).unref()
}

new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { kind } = (entry as unknown as { detail: { kind: number } }).detail
    collections.record(Math.max(1, Math.round(entry.duration * 1e6)))
    longestByKind[kind] = Math.max(longestByKind[kind] ?? 0, entry.duration)
  }
}).observe({ entryTypes: ['gc'] })

function answer(request: ProbeRequest): ProbeAnswer {
  if (request.kind === 'memory') {
    for (let i = 0; i < 3; i++) (globalThis as { gc?: () => void }).gc?.()
    const { heapUsed, external, rss } = process.memoryUsage()
    return { kind: 'memory', heapBytes: heapUsed, externalBytes: external, rssBytes: rss }
  }
  if (request.kind === 'watch') {
    delays.disable()
    delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    delays.enable()
    collections = createHistogram()
    longestByKind = {}
    watchOwn()
    return { kind: 'watch' }
  }
  const beyond = (ns: number) => Math.max(0, ns / 1e6 - RESOLUTION_MS)
  return {
    kind: 'watched',
    p50Ms: beyond(delays.percentile(50)),
    p99Ms: beyond(delays.percentile(99)),
    p999Ms: beyond(delays.percentile(99.9)),
    maxMs: beyond(delays.max),
    ownMaxMs,
    gcCount: collections.count,
    gcMaxMs: collections.max / 1e6,
    gcMaxMsByKind: longestByKind,
  }
}

process.on('message', (request: ProbeRequest) => process.send!(answer(request)))
// The broker ends when it has stopped, whether or not somebody could still ask.
process.channel?.unref()
