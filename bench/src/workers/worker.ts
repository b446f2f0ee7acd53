import { consume } from './consume.js'
import { publishPaced } from './paced.js'
import { type Measured, produce, publishAwaited } from './produce.js'
import { report, type WorkerOrder, type WorkerTask } from './worker-task.js'

const task = JSON.parse(process.argv[2]!) as WorkerTask
const started = ordered('start')
const finished = ordered('finish')
let usage = process.cpuUsage()

/** Says that the worker is ready, and waits for the order to start. */
async function begun(): Promise<void> {
  report({ kind: 'ready' })
  await started
  usage = process.cpuUsage()
}

function ordered(order: WorkerOrder): Promise<void> {
  return new Promise((resolve) => process.on('message', (message) => message === order && resolve()))
}

function work(): Promise<Measured> {
  if (task.kind === 'produce') return produce(task, begun)
  if (task.kind === 'awaited') return publishAwaited(task, begun)
  if (task.kind === 'paced') return publishPaced(task, begun)
  return consume(task, begun, finished)
}

// A harness that is gone wants nothing more.
process.once('disconnect', () => process.exit(1))
const measured = await work()
const { user, system } = process.cpuUsage(usage)
process.send!({ kind: 'done', ...measured, cpuSec: (user + system) / 1e6 }, () => process.exit(0))
