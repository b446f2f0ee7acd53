import { windowFor } from '../systems/system.js'

/** Messages of the first round at most, and how much larger a round may be than the one before. */
const FIRST = 100
const GROWTH = 8

/** How far a warm-up goes: to whichever comes first. */
export interface WarmUp {
  readonly messages: number
  readonly sec: number
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
  if (restSec <= 0) return 0
  return Math.min(rest, GROWTH * last.messages, Math.ceil((last.messages / last.sec) * restSec))
}

/**
 * Publishes rounds until the warm-up is over.
 * @param publish  publishes so many messages from that index on, all acknowledged when it settles
 * @returns how many messages that were
 */
export async function warmUp(
  bounds: WarmUp,
  messageBytes: number,
  publish: (from: number, count: number) => Promise<void>,
): Promise<number> {
  const rounds: Round[] = []
  let done = 0
  for (;;) {
    const messages = nextRound(bounds, messageBytes, rounds)
    if (messages <= 0) return done
    const startMs = performance.now()
    await publish(done, messages)
    rounds.push({ messages, sec: (performance.now() - startMs) / 1000 })
    done += messages
  }
}
