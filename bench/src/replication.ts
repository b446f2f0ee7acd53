import { ClusterRun } from './cluster-run.js'
import { ServerProcess } from './server-process.js'
import type { Row, StateContext } from './state-context.js'
import { median, percentile } from './statistics.js'
import { WorkerProcess } from './worker-process.js'
import type { WorkerTask } from './worker-task.js'

const MESSAGE_BYTES = 100
const BROKERS = 3
/** Each system in turn, so often. */
const TURNS = 3
const AWAITED_MAX = 5000

/** Who takes the publishes, and who keeps copies. */
interface System {
  readonly leader: ServerProcess
  readonly members: readonly ServerProcess[]
  stop(): Promise<void>
}

/** What one run measured; CPU in microseconds a message. */
type Sample = Readonly<Record<(typeof FIGURES)[number], number>>

const FIGURES = [
  'publish msg/s',
  'leader cpu us',
  'member cpu us',
  'producer cpu us',
  'cores',
  'end-to-end msg/s',
  'awaited p50 us',
  'awaited p99 us',
] as const

/**
 * What copies cost: a broker alone and three brokers on this machine, in turn; `--entries` publishes of 100 bytes with QoS 1 from one producer with a
 * window, the same with a consumer beside, and 5,000 that are awaited one by one. Medians, and the ratio of three to one. CPU is that of
 * the publish run, `member` of each; `cores` is what all processes kept busy in it.
 */
export async function replication(context: StateContext): Promise<Row[]> {
  const one: Sample[] = []
  const three: Sample[] = []
  for (let turn = 0; turn < TURNS; turn++) {
    context.onProgress('one broker', turn / TURNS)
    one.push(await run(context, await alone(context.workDirectory)))
    context.onProgress('three brokers', (turn + 0.5) / TURNS)
    three.push(await run(context, await ClusterRun.start(context.workDirectory, BROKERS)))
  }
  return FIGURES.map((figure) => {
    const [a, b] = [one, three].map((samples) => median(samples.map((sample) => sample[figure])))
    return { figure, 'one broker': rounded(a!), 'three brokers': rounded(b!), ratio: a === 0 ? '' : rounded(b! / a!) }
  })
}

async function alone(workDirectory: string): Promise<System> {
  const leader = await ServerProcess.broker(workDirectory)
  return { leader, members: [], stop: () => leader.stop() }
}

async function run({ entries: messages }: StateContext, system: System): Promise<Sample> {
  const { leader, members } = system
  const start = async (role: WorkerTask['role'], count: number) => {
    const task = { role, address: leader.address, messages: count, messageBytes: MESSAGE_BYTES }
    const worker = new WorkerProcess(task, () => undefined)
    await worker.ready
    return worker
  }
  try {
    const consumer = await start('gomq-consume', messages)
    const first = await start('gomq-publish', messages)
    first.start()
    const consumed = await consumer.done
    await first.done

    const producer = await start('gomq-publish', messages)
    const cpuSec = () => [leader, ...members].map((broker) => broker.cpuSec)
    const before = cpuSec()
    const startedMs = performance.now()
    producer.start()
    const published = await producer.done
    const tookSec = (performance.now() - startedMs) / 1000
    const [leaderSec, ...memberSecs] = cpuSec().map((sec, i) => sec - before[i]!)
    const membersSec = memberSecs.reduce((sum, sec) => sum + sec, 0)
    const perMessageUs = (sec: number) => (1e6 * sec) / messages

    const awaiting = await start('gomq-awaited', Math.min(messages, AWAITED_MAX))
    awaiting.start()
    const latenciesUs = (await awaiting.done).latenciesUs!
    return {
      'publish msg/s': published.ratePerSec,
      'leader cpu us': perMessageUs(leaderSec!),
      'member cpu us': perMessageUs(membersSec / Math.max(1, members.length)),
      'producer cpu us': perMessageUs(published.cpuSec),
      cores: (leaderSec! + membersSec + published.cpuSec) / tookSec,
      'end-to-end msg/s': consumed.ratePerSec,
      'awaited p50 us': percentile(latenciesUs, 0.5),
      'awaited p99 us': percentile(latenciesUs, 0.99),
    }
  } finally {
    await system.stop()
  }
}

/** Three digits that mean something. */
function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
