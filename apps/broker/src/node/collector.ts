import { setFlagsFromString } from 'node:v8'

/**
 * Lets the young generation be collected by the main thread alone from now on. Little lives through a collection in a broker that serves (some
 * 100 KB), which takes one thread less than a millisecond; helpers would have to be waited for, and where processors are busy one that has begun
 * may not run for many milliseconds. Not before recovery is over, where nearly everything lives.
 */
export function collectAlone(): void {
  setFlagsFromString('--no-parallel-scavenge')
}
