import type { Figure } from '../figure.js'
import type { Server, Subscriptions, System, Usage } from '../systems/system.js'
import { WorkerProcess } from '../workers/worker-process.js'
import type { AwaitedTask, ConsumeTask, PacedTask, ProduceTask, WorkerResult } from '../workers/worker-task.js'
import type { WorkloadContext } from './workload.js'

/** What a worker of a measurement does. */
export type Role = ProduceTask | ConsumeTask | AwaitedTask | PacedTask

/** What is measured: the case's name, and the messages that the figure is about. */
export interface Case {
  readonly workload: string
  readonly messages: number
  readonly messageBytes: number
  /** What is safe when a message has been acknowledged; by default what the system says. */
  readonly durability?: string
  /** Deliveries, or acknowledgements, that the CPU is divided by; by default as many as messages. */
  readonly operations?: number
}

/** A running system, for the body of a measurement. */
export interface Stage {
  prepare(subscriptions: Subscriptions): Promise<void>
  /** A worker that is connected and waits for the order to start. */
  worker(role: Role): Promise<WorkerProcess>
  /** CPU is counted from here; by default from the start of the body. */
  beginCpu(): void
}

/** What the body found: whose rate and latency is the figure, and all workers whose CPU counts. */
export interface Found {
  readonly figure: WorkerResult
  readonly all: readonly WorkerResult[]
  readonly ackLatency?: WorkerResult['latency']
}

/** Starts the system, lets the body measure, and stops it, whatever happens. */
export async function measure(
  system: System,
  context: WorkloadContext,
  what: Case,
  body: (stage: Stage) => Promise<Found>,
): Promise<Figure> {
  const server = await system.start(context.workDirectory)
  const workers: WorkerProcess[] = []
  const { late, cancel } = timeout(context.timeLimitSec, `${what.workload} on ${system.name} was not done`)
  let before = server.usage()
  let rssEarly = 0
  const onProgress = (done: number) => {
    const total = what.operations ?? what.messages
    if (rssEarly === 0 && done >= total / 10) rssEarly = server.usage().rssBytes
    context.onProgress(done, total)
  }
  const stage: Stage = {
    prepare: (subscriptions) => system.prepare(server.address, subscriptions),
    worker: async (role) => {
      const { compression } = context
      const subject = { system: system.name, address: server.address, messageBytes: what.messageBytes, compression }
      const worker = new WorkerProcess({ ...subject, ...role }, onProgress)
      workers.push(worker)
      await worker.ready()
      return worker
    },
    beginCpu: () => (before = server.usage()),
  }
  try {
    const found = await Promise.race([body(stage), late])
    return toFigure(
      system,
      what,
      found,
      { before, after: server.usage(), rssEarly },
      storedShareOf(server, context, what),
    )
  } finally {
    cancel()
    for (const worker of workers) worker.kill()
    await server.stop()
  }
}

function toFigure(
  system: System,
  what: Case,
  { figure, all, ackLatency }: Found,
  used: { readonly before: Usage; readonly after: Usage; readonly rssEarly: number },
  storedShare: number | undefined,
): Figure {
  const { workload, messages, messageBytes, operations = messages } = what
  const perOperationUs = (sec: number) => Math.round((1e8 * sec) / operations) / 100
  const sum = (field: 'cpuSec' | 'lost' | 'duplicated') => all.reduce((total, each) => total + (each[field] ?? 0), 0)
  const { before, after, rssEarly } = used
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
    serverRssGrowthMiB: rssEarly === 0 ? 0 : Math.round((after.rssBytes - rssEarly) / 2 ** 20),
    lost: sum('lost'),
    duplicated: sum('duplicated'),
    ...(storedShare !== undefined && { storedShare }),
  }
}

function storedShareOf(server: Server, { compression }: WorkloadContext, what: Case): number | undefined {
  if (compression === undefined || server.storedBytes === undefined) return undefined
  return server.storedBytes / (what.messages * what.messageBytes)
}

function timeout(seconds: number, what: string): { readonly late: Promise<never>; readonly cancel: () => void } {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} after ${seconds} s`)), seconds * 1000)
  })
  late.catch(() => undefined)
  return { late, cancel: () => clearTimeout(timer) }
}
