import { topicMatches } from '@gomq/protocol'
import type { Delivered, History, SubscriptionLife } from './history.js'
import { Losses } from './losses.js'
import { checkRetention } from './retention-checker.js'

/** Share of publishes that must succeed during faults, or the run proves nothing. */
export const OK_SHARE_MIN = 0.2

/** A broken promise. */
export interface Violation {
  readonly invariant: string
  readonly detail: string
}

/**
 * Holds what clients did and saw against what a broker promises. Empty: all is well.
 * @param okShareMin  share of publishes that must succeed during faults
 */
export function check(history: History, okShareMin: number = OK_SHARE_MIN): Violation[] {
  const violations: Violation[] = []
  const report = (invariant: string, detail: string) => violations.push({ invariant, detail })
  const stored = new Map<number, Delivered>()
  for (const message of history.readBack) {
    if (stored.has(message.offset)) report('one value per offset', `offset ${message.offset} is read twice`)
    stored.set(message.offset, message)
  }
  const losses = new Losses(history, ({ publisher, sequence }) => messageValue(publisher, sequence))
  checkPublishes(history, stored, losses, report)
  checkOrder(history, report)
  checkRetained(history, losses, report)
  checkWills(history, report)
  for (const life of history.lives) checkLife(life, stored, losses, report)
  checkDurables(history, losses, report)
  checkRetention(history, losses, report)
  for (const detail of history.redelivered) report('confirmed acks are final', detail)
  for (const call of history.calls) if (call.outcome === 'pending') report('every promise settles', call.what)
  const tried = history.publishes.filter((call) => call.duringFaults && call.isLogged)
  const ok = tried.filter((call) => call.outcome === 'ok').length
  if (ok < tried.length * okShareMin) report('enough succeeds', `${ok} of ${tried.length} publishes during faults`)
  return violations
}

/** Takes a broken promise. */
export type Report = (invariant: string, detail: string) => void

function checkPublishes(
  history: History,
  stored: ReadonlyMap<number, Delivered>,
  losses: Losses,
  report: Report,
): void {
  const byValue = new Map<string, Delivered[]>()
  for (const message of [...stored.values(), ...losses.gone(stored)]) {
    if (message.value.startsWith(WILL)) continue
    const same = byValue.get(message.value)
    if (same === undefined) byValue.set(message.value, [message])
    else same.push(message)
  }
  for (const call of history.publishes) {
    const value = messageValue(call.publisher, call.sequence)
    const found = byValue.get(value) ?? []
    byValue.delete(value)
    if (call.outcome === 'pending') report('every promise settles', `publish ${value}`)
    if (found.length > 1) report('no duplicates', `${value} at offsets ${found.map((each) => each.offset).join(', ')}`)
    if (call.outcome === 'fail' && found.length > 0) report('no aborted read', `${value} was refused and is stored`)
    if (found.some((each) => each.topic !== call.topic)) report('topics stay', `${value} is under another topic`)
    if (!call.isLogged || call.outcome !== 'ok') continue
    // One that named no offset, and that nobody got, may have been let go by a policy.
    if (found.length === 0 && (call.offset >= 0 || losses.policiesOf(call.topic).length === 0))
      report('no lost write', `${value} was acknowledged at offset ${call.offset} and is gone`)
    else if (found.length > 0 && !stored.has(found[0]!.offset) && !losses.mayBeGone(found[0]!))
      report('no lost write', `${value} was acknowledged at offset ${call.offset} and is gone`)
    else if (found.length > 0 && call.offset >= 0 && found[0]!.offset !== call.offset)
      report('one value per offset', `${value} was acknowledged at ${call.offset} and is at ${found[0]!.offset}`)
  }
  for (const [value] of byValue) report('nothing appears', `${value} was never published`)
}

function checkOrder(history: History, report: Report): void {
  const last = new Map<string, number>()
  for (const { topic, value } of history.readBack) {
    if (value.startsWith(WILL)) continue
    const hash = value.lastIndexOf('#')
    const key = `${value.slice(0, hash)} ${topic}`
    const sequence = Number(value.slice(hash + 1))
    const before = last.get(key)
    if (before !== undefined && before >= sequence)
      report('order per producer and topic', `${key}: ${before}, ${sequence}`)
    last.set(key, sequence)
  }
}

/** A new subscriber is handed the newest retained message of each topic, and nothing else. */
function checkRetained(history: History, losses: Losses, report: Report): void {
  const retained = new Set<string>()
  for (const call of history.publishes) if (call.isRetained) retained.add(messageValue(call.publisher, call.sequence))
  const newest = new Map<string, string>()
  for (const { topic, value } of losses.known.values()) if (retained.has(value)) newest.set(topic, value)
  for (const { topic, value } of history.retained) {
    if (newest.get(topic) !== value)
      report('retained is the newest', `${topic}: got ${value}, not ${newest.get(topic)}`)
    newest.delete(topic)
  }
  for (const [topic, value] of newest) report('retained is the newest', `${topic}: ${value} was not handed out`)
}

/** A will comes once for a connection that was lost, and never for one that was not. */
function checkWills(history: History, report: Report): void {
  const published = new Map<string, number>()
  for (const { value } of history.readBack)
    if (value.startsWith(WILL)) published.set(value, (published.get(value) ?? 0) + 1)
  for (const { name, connections, isLost } of history.wills) {
    const times = published.get(willValue(name)) ?? 0
    if (times > connections) report('wills come once', `${name} had ${connections} connections and ${times} wills`)
    if (isLost && times === 0) report('wills come', `${name} was lost and its will is not there`)
  }
}

function checkLife(
  life: SubscriptionLife,
  stored: ReadonlyMap<number, Delivered>,
  losses: Losses,
  report: Report,
): void {
  const { subscriber } = life
  const seen = new Set<number>()
  const unlogged = new Set<string>()
  let previous = -1
  for (const { offset, topic, value } of life.delivered) {
    if (!life.filters.some((filter) => topicMatches(filter, topic)))
      report('filters hold', `${subscriber} got ${topic}`)
    if (offset < 0) {
      if (unlogged.has(value)) report('QoS 0 at most once', `${subscriber} got ${value} twice`)
      unlogged.add(value)
      continue
    }
    const kept = losses.known.get(offset)!
    if (!stored.has(offset) && !losses.mayBeGone(kept))
      report('nothing above what survives', `${subscriber} got offset ${offset} (${value})`)
    if (kept.value !== value)
      report('one value per offset', `${subscriber} got ${value} at ${offset}, now ${kept.value}`)
    if (seen.has(offset)) report('no repeated delivery', `${subscriber} got offset ${offset} twice`)
    else if (life.durable === null && offset < previous)
      report('polls only go on', `${subscriber}: ${previous}, ${offset}`)
    seen.add(offset)
    previous = offset
  }
  if (life.durable === null) checkGaps(life, seen, losses, report)
}

/** An ephemeral subscription gets everything from where it began to where it is. */
function checkGaps(life: SubscriptionLife, seen: ReadonlySet<number>, losses: Losses, report: Report): void {
  const first = startOf(life, seen)
  const end = life.isDrained ? Number.POSITIVE_INFINITY : maxOf(seen)
  for (const message of losses.known.values()) {
    const { offset, topic } = message
    if (offset < first || offset > end || seen.has(offset)) continue
    if (life.filters.some((filter) => topicMatches(filter, topic)) && !losses.mayBeGone(message))
      report('no skipped message', `${life.subscriber} did not get offset ${offset}`)
  }
}

/** The last life of a durable subscription is handed all that was never acknowledged, and nothing of it is missing. */
function checkDurables(history: History, losses: Losses, report: Report): void {
  for (const identity of new Set(history.lives.map((life) => life.durable))) {
    if (identity === null) continue
    const lives = history.lives.filter((life) => life.durable === identity)
    const last = lives.at(-1)!
    if (!last.isDrained) {
      report('durable subscriptions resume', `${identity} was not drained`)
      continue
    }
    const got = new Set<number>(last.delivered.map((message) => message.offset))
    const acked = new Set(lives.flatMap((life) => [...life.ackCalled]))
    const all = new Set<number>(lives.flatMap((life) => life.delivered.map((message) => message.offset as number)))
    const first = startOf(last, all)
    for (const message of losses.known.values()) {
      const { offset, topic } = message
      if (offset < first || got.has(offset) || acked.has(offset) || losses.mayBeGone(message)) continue
      if (last.filters.some((filter) => topicMatches(filter, topic)))
        report(
          'nothing unacknowledged is skipped',
          `${identity} never acknowledged offset ${offset} and did not get it`,
        )
    }
  }
}

/** Where everything is expected from: known for some starts, else from the first message. */
function startOf(life: SubscriptionLife, seen: ReadonlySet<number>): number {
  if (life.from.kind === 'earliest') return 0
  if (life.from.kind === 'offset') return life.from.offset
  let first = Number.POSITIVE_INFINITY
  for (const offset of seen) if (offset >= 0) first = Math.min(first, offset)
  return first
}

function maxOf(offsets: ReadonlySet<number>): number {
  let max = -1
  for (const offset of offsets) max = Math.max(max, offset)
  return max
}

/** How values of wills begin. */
export const WILL = 'will:'

/** The value of the will of a process. */
export function willValue(name: string): string {
  return `${WILL}${name}`
}

/** The value of a publish: unique in a run. */
export function messageValue(publisher: string, sequence: number): string {
  return `${publisher}#${sequence}`
}
