import { gomqAwaited, gomqConsume, gomqPublish } from './gomq-roles.js'
import { relayAwaited, relayConsume, relayPublish } from './relay-roles.js'
import { report, type WorkerTask } from './worker-task.js'

const ROLES: Record<
  WorkerTask['role'],
  (task: WorkerTask, started: Promise<void>) => Promise<{ ratePerSec: number; latenciesUs?: number[] }>
> = {
  'gomq-publish': gomqPublish,
  'gomq-consume': gomqConsume,
  'gomq-awaited': gomqAwaited,
  'relay-publish': relayPublish,
  'relay-awaited': relayAwaited,
  'relay-consume': (task) => relayConsume(task, 'L'),
  'relay-catch-up': (task) => relayConsume(task, 'C'),
}

const task = JSON.parse(process.argv[2]!) as WorkerTask
const started = new Promise<void>((resolve) => process.once('message', () => resolve()))
const result = await ROLES[task.role](task, started)
const usage = process.resourceUsage()
report({
  kind: 'done',
  ...result,
  cpuSec: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
  rssBytesMax: usage.maxRSS * 1024,
})
process.disconnect()
