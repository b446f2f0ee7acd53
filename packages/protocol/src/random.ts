/** Where chance comes from: injected, so that a simulation repeats it. */
export interface Random {
  /** A number from 0 (inclusive) to 1 (exclusive). */
  next(): number
}

/** An integer from `min` (inclusive) to `max` (exclusive). */
export function randomInteger(random: Random, min: number, max: number): number {
  return min + Math.floor(random.next() * (max - min))
}

/** A random integer from 1 to 2^53 - 1, for identities. */
export function randomIdentity(random: Random): number {
  const high = randomInteger(random, 0, 0x20_0000)
  const low = randomInteger(random, 0, 0x1_0000_0000)
  return Math.max(1, high * 0x1_0000_0000 + low)
}
