import { connect } from '@gomq/client'
import type { BrokerProcess } from './broker-process.js'
import { delay } from './killed-load.js'
import type { Missed } from './read-all.js'

/** Publishes that may wait for their ack. */
const WINDOW = 100
const PADDING = '.'.repeat(300)

/** A stored message as somebody saw it. */
interface Seen {
  readonly offset: number
  readonly topic: string
  readonly text: string
}

/** What a reader saw, and between which bounds it looked. */
export interface Reading {
  /** For whoever reads that it went wrong. */
  readonly reader: string
  readonly wants: (topic: string) => boolean
  /** First offset that was asked for. */
  readonly from: number
  /** What was acknowledged below was there when the reader began, or was waited for. */
  readonly to: number
  readonly messages: readonly Seen[]
  /** Stretches that the reader was told of, half-open; undefined where nobody tells. */
  readonly missed: readonly Missed[] | undefined
  /** Below this retention may have been when the reader had ended. */
  readonly floor: number
}

/** What is wrong with readings: all zero, if nothing is. */
export interface ReadingsAudit {
  /** Another text or topic than was stored at the offset. */
  readonly wrong: number
  /** Not behind the one before. */
  readonly outOfOrder: number
  /** Living, and not seen. */
  readonly lost: number
  /** Taken by retention behind something that was seen, and not told. */
  readonly untold: number
  readonly first: string
}

/** Everything that was published to the topics of a test and acknowledged, by offset. */
export class StoredTruth {
  readonly #stored = new Map<number, Seen & { readonly key: string | undefined }>()
  readonly #lastOfKey = new Map<string, number>()
  /** Behind everything that is acknowledged. */
  end = 0

  get count(): number {
    return this.#stored.size
  }

  note(message: Seen, key?: string): void {
    this.#stored.set(message.offset, { ...message, key })
    if (key !== undefined) this.#lastOfKey.set(key, Math.max(message.offset, this.#lastOfKey.get(key) ?? -1))
    this.end = Math.max(this.end, message.offset + 1)
  }

  /** Offsets on topics of this kind that were acknowledged by now. */
  offsets(wants: (topic: string) => boolean): number[] {
    return [...this.#stored.values()].filter(({ topic }) => wants(topic)).map(({ offset }) => offset)
  }

  /** Where the last acknowledged message of each topic and key is by now. */
  lastOfKeys(): ReadonlyMap<string, number> {
    return new Map(this.#lastOfKey)
  }

  /** Publishes to each of the topics in turn until it is stopped; to those below `keys/` with one of a few keys. */
  async publish(url: string, topics: readonly string[], stop: AbortSignal, everyMs = 0): Promise<void> {
    await using mq = await connect(url)
    const waiting = new Set<Promise<void>>()
    for (let sequence = 0; !stop.aborted; sequence++) {
      const topic = topics[sequence % topics.length]!
      const text = `${topic} ${sequence} ${PADDING}`
      const key = topic.startsWith('keys/') ? `k${(sequence * 7) % 50}` : undefined
      const settled = mq
        .publish(topic, text, key === undefined ? {} : { key })
        .then(({ offset }) => this.note({ offset, topic, text }, key && `${topic} ${key}`))
        .finally(() => waiting.delete(settled))
      waiting.add(settled)
      if (waiting.size >= WINDOW) await Promise.race(waiting)
      if (sequence % 16 === 0) await delay(everyMs)
    }
    await Promise.all(waiting)
  }

  /** Holds readings against what was stored. When everything is acknowledged. */
  audit(readings: readonly Reading[]): ReadingsAudit {
    const audit = { wrong: 0, outOfOrder: 0, lost: 0, untold: 0, first: '' }
    for (const reading of readings) {
      const { reader, from, to, messages, missed, floor, wants } = reading
      const find = (what: 'wrong' | 'outOfOrder' | 'lost' | 'untold', offset: number) => {
        audit[what]++
        if (audit.first === '')
          audit.first = `${reader}: ${what} at ${offset}; asked for ${from} to ${to}, floor ${floor}, saw ${messages[0]?.offset} to ${messages.at(-1)?.offset}, told of ${JSON.stringify(missed)}`
      }
      const seen = new Set<number>()
      let last = -1
      for (const { offset, topic, text } of messages) {
        const stored = this.#stored.get(offset)
        if (stored?.text !== text || stored.topic !== topic || !wants(topic)) find('wrong', offset)
        if (offset <= last) find('outOfOrder', offset)
        last = offset
        seen.add(offset)
      }
      // What was gone before the reader began is not told, and compaction leaves messages from before that.
      const begin = messages.find(({ offset }) => this.#stored.get(offset)?.key === undefined)?.offset ?? to
      for (const { offset, topic, key } of this.#stored.values()) {
        if (!wants(topic) || seen.has(offset) || offset < from || offset >= to) continue
        // Compaction may have taken it.
        if (key !== undefined && this.#lastOfKey.get(key)! > offset) continue
        if (offset >= floor || key !== undefined) find('lost', offset)
        else if (offset > begin && missed?.some((each) => each.from <= offset && offset < each.to) === false)
          find('untold', offset)
      }
    }
    return audit
  }
}

/** Below which offset the messages of a policy are removed. */
export async function floorOf(broker: BrokerProcess, filter: string): Promise<number> {
  const response = await fetch(`${broker.httpUrl}/v1/policies?filter=${encodeURIComponent(filter)}`)
  return ((await response.json()) as { items: { before: number }[] }).items[0]!.before
}
