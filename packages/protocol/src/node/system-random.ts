import type { Random } from '../random.js'

/** Chance from the runtime; not for secrets. */
export const systemRandom: Random = { next: () => Math.random() }
