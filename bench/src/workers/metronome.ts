import { parentPort, Worker, workerData } from 'node:worker_threads'
import { OpenLoop } from './open-loop.js'
import { nowUs } from './values.js'

// Timers of the event loop know whole milliseconds only. A thread of its own sleeps to the microsecond and wakes the loop.

interface Beat {
  readonly ratePerSec: number
  readonly messages: number
  readonly startUs: number
}

/** Calls `onBeat` at each moment of the schedule until the last message is due; beats that pile up while the loop is busy come one after the other. */
export function startMetronome(beat: Beat, onBeat: () => void): Promise<void> {
  const thread = new Worker(new URL(import.meta.url), { workerData: beat })
  thread.on('message', onBeat)
  return new Promise((resolve, reject) => {
    thread.once('error', reject)
    thread.once('exit', () => resolve())
  })
}

if (parentPort !== null) {
  const { ratePerSec, messages, startUs } = workerData as Beat
  const schedule = new OpenLoop(ratePerSec)
  const pillow = new Int32Array(new SharedArrayBuffer(4))
  for (let i = 0; i < messages; i += schedule.burst) {
    const restUs = startUs + schedule.dueUs(i) - nowUs()
    if (restUs > 0) Atomics.wait(pillow, 0, 0, restUs / 1000)
    parentPort.postMessage(null)
  }
}
