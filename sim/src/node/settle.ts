import { setImmediate } from 'node:timers'

/** Resolves after all microtasks: nothing simulated waits for anything else. */
export function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
