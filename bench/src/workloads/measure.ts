import type { Figure, Profile } from '../figure.js'
import type { LoopProfile } from '../profile/profiler.js'
import type { Server, Subscriptions, System, Usage } from '../systems/system.js'
import { WorkerProcess } from '../workers/worker-process.js'
import type { AwaitedTask, ConsumeTask, PacedTask, ProduceTask, WorkerResult } from '../workers/worker-task.js'
import type { WorkloadContext } from './workload.js'

/** What a worker of a measurement does. */
export type Role = ProduceTask | ConsumeTask | AwaitedTask | PacedTask

/** What is measured. */
export interface Case {
  readonly workload: string
  /** Messages at most, warm-up included. */
  readonly messagesMax: number
  readonly messageBytes: number
  /** What is safe when a message has been acknowledged; by default what the system says. */
  readonly durability?: string
}

/** A running system, for the body of a measurement. */
export interface Stage {
  prepare(subscriptions: Subscriptions): Promise<void>
  /** A worker that is connected and waits for its orders. */
  worker(role: Role): Promise<WorkerProcess>
  /** Two of them, started together. */
  workers(first: Role, second: Role): Promise<[WorkerProcess, WorkerProcess]>
  /** CPU is counted from here, and memory grows from here: the order to start follows. */
  begin(): void
}

/** What the body found. */
export interface Found {
  /** Whose rate and latency is the figure. */
  readonly figure: WorkerResult
  /** All workers whose CPU counts. */
  readonly all: readonly WorkerResult[]
  /** Messages that were published or read in the measurement; and in the warm-up before. */
  readonly messages: number
  readonly warmed?: number
  /** Deliveries that the CPU is divided by; by default as many as messages. */
  readonly operations?: number
  readonly ackLatency?: WorkerResult['latency']
}

/** Of the server, before and after the measurement. */
export interface Used {
  readonly before: Usage
  readonly after: Usage
}

/** Starts the system, lets the body measure, and stops it, whatever happens. */
export async function measure(
  system: System,
  context: WorkloadContext,
  what: Case,
  body: (stage: Stage) => Promise<Found>,
): Promise<Figure> {
  const server = await system.start(context.workDirectory, context.isProfiled)
  const workers: WorkerProcess[] = []
  const { late, cancel } = timeout(context.timeLimitSec, `${what.workload} on ${system.name} was not done`)
  let before = server.usage()
  const startWorker = async (role: Role) => {
    const { compression, isProfiled } = context
    const { messageBytes } = what
    const subject = { system: system.name, address: server.address, messageBytes, compression, isProfiled }
    const worker = new WorkerProcess({ ...subject, ...role }, context.onProgress)
    workers.push(worker)
    await worker.ready()
    return worker
  }
  const stage: Stage = {
    prepare: (subscriptions) => system.prepare(server.address, subscriptions),
    worker: startWorker,
    workers: (first, second) => Promise.all([startWorker(first), startWorker(second)]),
    begin: () => {
      server.profiler?.start()
      before = server.usage()
    },
  }
  try {
    const found = await Promise.race([body(stage), late])
    const stored = storedShareOf(server, context, what, found)
    const used = { before, after: server.usage() }
    const profile = profileOf(await server.profiler?.stop(), found.all, used)
    return { ...toFigure(system, what, found, used, stored), ...(profile && { profile }) }
  } finally {
    cancel()
    for (const worker of workers) worker.kill()
    await server.stop()
  }
}

/** Profile of a measurement; undefined where the server has none. */
export function profileOf(
  broker: LoopProfile | undefined,
  workers: readonly WorkerResult[],
  { before, after }: Used,
): Profile | undefined {
  if (broker === undefined) return undefined
  const clients = workers.flatMap(({ profile }) => profile ?? [])
  const serverKernelShare = (after.kernelSec - before.kernelSec) / (after.cpuSec - before.cpuSec)
  return { loops: [broker, ...clients], serverKernelShare }
}

function toFigure(
  system: System,
  what: Case,
  { figure, all, messages, operations = messages, ackLatency }: Found,
  { before, after }: Used,
  storedShare: number | undefined,
): Figure {
  const { workload, messageBytes } = what
  const perOperationUs = (sec: number) => Math.round((1e8 * sec) / operations) / 100
  const sum = (field: 'cpuSec' | 'lost' | 'duplicated') => all.reduce((total, each) => total + (each[field] ?? 0), 0)
  const ratePerSec = Math.round(figure.ratePerSec)
  return {
    workload,
    system: system.name,
    durability: what.durability ?? system.durability,
    messages,
    messageBytes,
    ratePerSec,
    ratesPerSec: [ratePerSec],
    ...(figure.latency && { latency: figure.latency }),
    ...(ackLatency && { ackLatency }),
    clientCpuUs: perOperationUs(sum('cpuSec')),
    serverCpuUs: perOperationUs(after.cpuSec - before.cpuSec),
    serverRssMiB: Math.round(after.rssBytesMax / 2 ** 20),
    serverRssGrowthMiB: Math.round((after.rssBytes - before.rssBytes) / 2 ** 20),
    lost: sum('lost'),
    duplicated: sum('duplicated'),
    ...(storedShare !== undefined && { storedShare }),
  }
}

function storedShareOf(
  server: Server,
  { compression }: WorkloadContext,
  { messageBytes }: Case,
  { messages, warmed = 0 }: Found,
): number | undefined {
  if (compression === undefined || server.storedBytes === undefined) return undefined
  return server.storedBytes / ((warmed + messages) * messageBytes)
}

function timeout(seconds: number, what: string): { readonly late: Promise<never>; readonly cancel: () => void } {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} after ${seconds} s`)), seconds * 1000)
  })
  late.catch(() => undefined)
  return { late, cancel: () => clearTimeout(timer) }
}
