import { windowFor } from '../systems/system.js'

/** Messages of the first round at most, and how much larger a round may be than the one before. */
const FIRST = 100
const GROWTH = 8
/** Share of the time that is not worth a round. */
const REST_SHARE = 0.1

/** How far a warm-up goes: to whichever comes first. */
export interface WarmUp {
  readonly messages: number
  readonly sec: number
  /** Messages before which time does not end it: those that touch all that is touched later. */
  readonly messagesMin?: number
}

/** A warm-up that is over: its messages, and the rate of its largest round. */
export interface Warmed {
  readonly messages: number
  readonly ratePerSec: number
}

/** A round of a warm-up that is over. */
export interface Round {
  readonly messages: number
  readonly sec: number
}

/**
 * Messages of the next round, so that the rounds together take about the time that they may, whatever the rate is, which nobody knows before; 0: it
 * is over. At least one round there is.
 */
export function nextRound(bounds: WarmUp, messageBytes: number, rounds: readonly Round[]): number {
  const sum = (field: keyof Round) => rounds.reduce((total, round) => total + round[field], 0)
  const rest = bounds.messages - sum('messages')
  const last = rounds.at(-1)
  if (last === undefined) return Math.min(rest, windowFor(FIRST, messageBytes))
  const restSec = bounds.sec - sum('sec')
  const missing = (bounds.messagesMin ?? 0) - sum('messages')
  if (restSec <= bounds.sec * REST_SHARE) return Math.max(0, Math.min(rest, missing))
  return Math.min(rest, GROWTH * last.messages, Math.ceil((last.messages / last.sec) * restSec))
}

/**
 * Publishes rounds until the warm-up is over.
 * @param publish  publishes so many messages from that index on, all acknowledged when it settles
 */
export async function warmUp(
  bounds: WarmUp,
  messageBytes: number,
  publish: (from: number, count: number) => Promise<void>,
): Promise<Warmed> {
  const rounds: Round[] = []
  let done = 0
  for (;;) {
    const messages = nextRound(bounds, messageBytes, rounds)
    if (messages <= 0) {
      // The last one may be what was left, a handful of messages, and then its rate says little.
      const largest = rounds.reduce((a, b) => (b.messages >= a.messages ? b : a))
      return { messages: done, ratePerSec: largest.messages / largest.sec }
    }
    const startMs = performance.now()
    await publish(done, messages)
    rounds.push({ messages, sec: (performance.now() - startMs) / 1000 })
    done += messages
  }
}
