import { http } from './http.js'
import { idle } from './idle.js'
import { awaited, latency, mixed } from './latency.js'
import { catchUp, endToEnd, fanOut, large, producers, publish, qos0, topics } from './throughput.js'
import type { Workload } from './workload.js'

/** Every workload that compares systems, in the order in which they run. */
export const WORKLOADS: readonly Workload[] = [
  publish,
  endToEnd,
  catchUp,
  qos0,
  fanOut,
  latency,
  awaited,
  topics,
  producers,
  large,
  mixed,
  http,
  idle,
]

/** Workloads that `--compression` is for. */
export const COMPRESSIBLE: readonly string[] = ['publish', 'end-to-end', 'catch-up']
