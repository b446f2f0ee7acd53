import { apacheBench } from './apache-bench.js'
import { ServerProcess } from './server-process.js'
import { percentile } from './statistics.js'
import { WorkerProcess } from './worker-process.js'
import type { WorkerTask } from './worker-task.js'

/** One line of the report. */
export interface Figure {
  readonly workload: string
  readonly system: 'gomq' | 'floor'
  readonly durability: string
  readonly messages: number
  readonly messageBytes: number
  readonly ratePerSec: number
  readonly p50Us?: number
  readonly p99Us?: number
  readonly serverCpuSec: number
  readonly clientCpuSec: number
  readonly serverRssMiB: number
  /** Resident set at the end less that after a tenth of the messages; flat means bounded. */
  readonly serverRssGrowthMiB: number
  /** Bytes of the log for each byte of the messages' values; only where compression is measured. */
  readonly storedShare?: number
}

/** What a workload needs from the harness. */
export interface WorkloadContext {
  readonly workDirectory: string
  readonly messages: number
  readonly messageBytes: number
  /** Seconds after which a workload of one system is given up. */
  readonly timeLimitSec: number
  /** Of JSON messages; undefined: messages that say nothing, uncompressed, and the floor beside it. */
  readonly compression: 'none' | 'deflate' | undefined
  onProgress(done: number, total: number): void
}

interface System {
  readonly name: Figure['system']
  readonly durability: string
  readonly start: (workDirectory: string) => Promise<ServerProcess>
  readonly publish: WorkerTask['role']
  readonly awaited: WorkerTask['role']
  readonly consume: WorkerTask['role']
  readonly catchUp: WorkerTask['role']
}

const GOMQ: System = {
  name: 'gomq',
  durability: 'fdatasync before ack',
  start: ServerProcess.broker,
  publish: 'gomq-publish',
  awaited: 'gomq-awaited',
  consume: 'gomq-consume',
  catchUp: 'gomq-consume',
}

const FLOOR: System = {
  name: 'floor',
  durability: 'fdatasync before ack',
  start: ServerProcess.relay,
  publish: 'relay-publish',
  awaited: 'relay-awaited',
  consume: 'relay-consume',
  catchUp: 'relay-catch-up',
}

type Workload = (system: System, context: WorkloadContext) => Promise<Figure>

/** Every workload by name, in the order in which they run. */
export const WORKLOADS: Readonly<Record<string, (context: WorkloadContext) => Promise<Figure[]>>> = {
  publish: both(publish),
  'end-to-end': both(endToEnd),
  'catch-up': both(catchUp),
  awaited: both(awaited),
  http,
}

/** Workloads that `--compression` is for. */
export const COMPRESSIBLE: readonly string[] = ['publish', 'end-to-end', 'catch-up']

function both(workload: Workload): (context: WorkloadContext) => Promise<Figure[]> {
  return async (context) => {
    if (context.compression !== undefined) return [await workload(GOMQ, context)]
    return [await workload(FLOOR, context), await workload(GOMQ, context)]
  }
}

async function publish(system: System, context: WorkloadContext): Promise<Figure> {
  return measure('publish', system, context, async (run) => {
    const producer = await run(system.publish)
    producer.start()
    return [await producer.done]
  })
}

async function endToEnd(system: System, context: WorkloadContext): Promise<Figure> {
  return measure('end-to-end', system, context, async (run) => {
    const consumer = await run(system.consume)
    const producer = await run(system.publish)
    producer.start()
    return Promise.all([consumer.done, producer.done])
  })
}

async function catchUp(system: System, context: WorkloadContext): Promise<Figure> {
  return measure('catch-up', system, context, async (run) => {
    const producer = await run(system.publish)
    producer.start()
    await producer.done
    const consumer = await run(system.catchUp)
    return [await consumer.done]
  })
}

async function awaited(system: System, context: WorkloadContext): Promise<Figure> {
  const messages = Math.min(context.messages, 5000)
  return measure('awaited', system, { ...context, messages }, async (run) => {
    const producer = await run(system.awaited)
    producer.start()
    return [await producer.done]
  })
}

/** Bodies of `POST /pub` at three levels of promise, the same message each. */
const HTTP_LEVELS = {
  'qos 0': { qos: 0 },
  retain: { qos: 0, retain: true },
  'qos 1 + retain': { qos: 1, retain: true },
}

/** `POST /pub`, ten at a time, with a connection for each request and with connections that are kept. */
async function http(context: WorkloadContext): Promise<Figure[]> {
  const requests = Math.min(context.messages, 20_000)
  const figures: Figure[] = []
  for (const keepAlive of [false, true]) {
    for (const [level, options] of [['-', {}], ...Object.entries(HTTP_LEVELS)] as const) {
      const isFloor = level === '-'
      const server = await ServerProcess[isFloor ? 'bareHttp' : 'brokerHttp'](context.workDirectory)
      try {
        const cpuBefore = server.cpuSec
        const body = JSON.stringify({ topic: 'bench/http', body: 'x'.repeat(context.messageBytes), ...options })
        const url = `http://${server.address}/pub`
        await apacheBench(url, body, Math.ceil(requests / 10), keepAlive, context.workDirectory)
        const { ratePerSec, p50Us, p99Us } = await apacheBench(url, body, requests, keepAlive, context.workDirectory)
        figures.push({
          workload: `http${keepAlive ? ' -k' : ''} ${isFloor ? '' : level}`.trim(),
          system: isFloor ? 'floor' : 'gomq',
          durability: level === 'qos 1 + retain' ? 'fdatasync before answer' : 'none',
          messages: requests,
          messageBytes: context.messageBytes,
          ratePerSec: Math.round(ratePerSec),
          p50Us,
          p99Us,
          serverCpuSec: server.cpuSec - cpuBefore,
          clientCpuSec: 0,
          serverRssMiB: Math.round(server.rssBytesMax / 2 ** 20),
          serverRssGrowthMiB: 0,
        })
      } finally {
        await server.stop()
      }
    }
  }
  return figures
}

/** The first worker's rate is the figure; the CPU of all workers is summed. */
async function measure(
  workload: string,
  system: System,
  context: WorkloadContext,
  body: (run: (role: WorkerTask['role']) => Promise<WorkerProcess>) => Promise<Awaited<WorkerProcess['done']>[]>,
): Promise<Figure> {
  const server = await system.start(context.workDirectory)
  const workers: WorkerProcess[] = []
  const limit = new AbortController()
  const timer = setTimeout(
    () => limit.abort(new Error(`${workload} on ${system.name} was not done after ${context.timeLimitSec} s`)),
    context.timeLimitSec * 1000,
  )
  try {
    let rssEarly = 0
    const run = async (role: WorkerTask['role']) => {
      const worker = new WorkerProcess(
        {
          role,
          address: server.address,
          messages: context.messages,
          messageBytes: context.messageBytes,
          compression: context.compression,
        },
        (done) => {
          if (rssEarly === 0 && done >= context.messages / 10) rssEarly = server.rssBytes
          context.onProgress(done, context.messages)
        },
      )
      workers.push(worker)
      await worker.ready
      return worker
    }
    const cpuBefore = server.cpuSec
    const results = await Promise.race([body(run), rejectionOf(limit.signal)])
    const latencies = results[0]!.latenciesUs
    const growth = rssEarly === 0 ? 0 : server.rssBytes - rssEarly
    return {
      workload,
      system: system.name,
      durability: system.durability,
      messages: context.messages,
      messageBytes: context.messageBytes,
      ratePerSec: Math.round(results[0]!.ratePerSec),
      ...(latencies && {
        p50Us: Math.round(percentile(latencies, 0.5)),
        p99Us: Math.round(percentile(latencies, 0.99)),
      }),
      serverCpuSec: server.cpuSec - cpuBefore,
      clientCpuSec: results.reduce((sum, result) => sum + result.cpuSec, 0),
      serverRssMiB: Math.round(server.rssBytesMax / 2 ** 20),
      serverRssGrowthMiB: Math.round(growth / 2 ** 20),
      ...(context.compression && { storedShare: server.logBytes / (context.messages * context.messageBytes) }),
    }
  } finally {
    clearTimeout(timer)
    for (const worker of workers) worker.kill()
    await server.stop()
  }
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}
