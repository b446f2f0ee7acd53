import type { Scheduler, Timer } from '../scheduler.js'
import { SteadyClock } from './steady-clock.js'

/** The real time. */
export class NodeScheduler implements Scheduler {
  readonly #clock = new SteadyClock()

  nowMs(): number {
    return this.#clock.nowMs()
  }

  schedule(delayMs: number, run: () => void): Timer {
    // setTimeout takes at most 2^31 - 1; a call that comes early only finds nothing to do.
    const timeout = setTimeout(run, Math.min(Math.max(0, delayMs), 0x7fff_ffff))
    return { cancel: () => clearTimeout(timeout) }
  }
}
