import { filtersOverlap, topicMatches } from '@gomq/protocol'
import type { History, SubscriptionLife } from './history.js'
import type { Losses } from './losses.js'

type Report = (invariant: string, detail: string) => void

/** What policies may do, beyond what {@link Losses.mayBeGone} says about single messages. */
export function checkRetention(history: History, losses: Losses, report: Report): void {
  checkResurrections(history, losses, report)
  for (const life of history.lives) {
    checkMissed(history, life, report)
    if (life.durable === null) checkTold(life, losses, report)
  }
}

/** Who reads from the start never ends with a value that a tombstone has ended. */
function checkResurrections(history: History, losses: Losses, report: Report): void {
  const last = new Map<string, number>()
  for (const message of history.readBack) {
    const call = losses.callOf(message)
    if (call !== undefined && call.key !== null) last.set(`${call.topic} ${call.key}`, message.offset)
  }
  for (const [key, offset] of losses.tombstones()) {
    const seen = last.get(key)
    if (seen !== undefined && seen < offset)
      report('no key comes back', `${key} is at ${seen}, and its tombstone at ${offset} is gone`)
  }
}

/** Nobody misses anything where nothing is governed. A policy that was removed counts for all topics: only how far it had come is remembered. */
function checkMissed({ policies }: History, life: SubscriptionLife, report: Report): void {
  const isGoverned = policies.some(
    ({ filter, policy }) => policy === null || life.filters.some((each) => filtersOverlap(each, filter)),
  )
  if (!isGoverned && life.missed.length > 0)
    report('nothing is missed without a policy', `${life.subscriber} missed ${life.missed.join('; ')}`)
}

/** What was published after a subscription stood and went before its turn is told, before what comes behind it. A connection that breaks may take it along. */
function checkTold(life: SubscriptionLife, losses: Losses, report: Report): void {
  if (life.connections > 1) return
  const seen = new Set<number>(life.delivered.map(({ offset }) => offset))
  const end = life.delivered.reduce((max, { offset }) => Math.max(max, offset), -1)
  for (const message of losses.known.values()) {
    const { offset, topic } = message
    if (offset > end || seen.has(offset) || !life.filters.some((filter) => topicMatches(filter, topic))) continue
    const call = losses.callOf(message)
    const isByFloor = losses.policiesOf(topic).every(({ isCompacted }) => !isCompacted)
    if (call === undefined || call.isRetained || call.calledMs <= life.subscribedMs || !isByFloor) continue
    if (!life.missed.some(([from, to]) => from <= offset && offset < to))
      report('what is missed is told', `${life.subscriber} did not get offset ${offset} and was not told so`)
  }
}
