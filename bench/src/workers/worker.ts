import { LoopProfiler } from '../profile/profiler.js'
import { consume } from './consume.js'
import { publishPaced } from './paced.js'
import { type Measured, produce, publishAwaited } from './produce.js'
import { type OrderOf, type Orders, report, type WorkerOrder, type WorkerTask } from './worker-task.js'

const task = JSON.parse(process.argv[2]!) as WorkerTask
const warmingUp = ordered('warm-up')
const started = ordered('start')
let usage = process.cpuUsage()
const profiler = task.isProfiled ? new LoopProfiler(task.kind) : undefined

const orders: Orders = {
  async warmUp() {
    report({ kind: 'ready' })
    return await warmingUp
  },
  async start(warmed) {
    report({ kind: 'warm', ...warmed })
    const { messages } = await started
    usage = process.cpuUsage()
    await profiler?.start()
    return messages
  },
  finished: ordered('finish'),
}

function ordered<K extends WorkerOrder['kind']>(kind: K): Promise<OrderOf<K>> {
  return new Promise((resolve) =>
    process.on('message', (order: WorkerOrder) => order.kind === kind && resolve(order as OrderOf<K>)),
  )
}

function work(): Promise<Measured> {
  if (task.kind === 'produce') return produce(task, orders)
  if (task.kind === 'awaited') return publishAwaited(task, orders)
  if (task.kind === 'paced') return publishPaced(task, orders)
  return consume(task, orders)
}

// A harness that is gone wants nothing more.
process.once('disconnect', () => process.exit(1))
const measured = await work()
const { user, system } = process.cpuUsage(usage)
const profile = await profiler?.stop()
const result = { ...measured, cpuSec: (user + system) / 1e6, ...(profile && { profile }) }
process.send!({ kind: 'done', ...result }, () => process.exit(0))
