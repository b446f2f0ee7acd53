import type { Offset } from '@gomq/protocol'

/** What a key takes in memory beside its characters: text, entry in the map, offset. */
const KEY_OVERHEAD_BYTES = 96
const TOPIC_OVERHEAD_BYTES = 400

/**
 * The offset of the last record of each key of each topic, bounded in memory. The keys themselves are kept, not a hash of them: whoever
 * publishes can choose keys, and two that differ must never be taken for one. Text and bytes are never the same key.
 */
export class LatestKeys {
  readonly #bytesMax: number
  /** Offsets; -1 - offset of a key that has an older record. */
  readonly #topics = new Map<string, Map<string, number>>()
  #bytes = 0

  /** @param bytesMax  of memory, about; {@link add} goes on beyond it, so that the caller can end at a batch */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Whether no more should be added. */
  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax
  }

  /** Whether half of the memory is used. */
  get isHalfFull(): boolean {
    return 2 * this.#bytes >= this.#bytesMax
  }

  /** The record at `offset`, above all others of its key so far, has this key. */
  add(topic: string, key: string | Uint8Array, offset: Offset): void {
    let keys = this.#topics.get(topic)
    if (keys === undefined) {
      keys = new Map<string, number>()
      this.#topics.set(topic, keys)
      this.#bytes += TOPIC_OVERHEAD_BYTES + 2 * topic.length
    }
    const text = textOf(key)
    const known = keys.size
    keys.set(text, offset)
    if (keys.size > known) this.#bytes += KEY_OVERHEAD_BYTES + 2 * text.length
  }

  /** Offset of the last record of the key that was added; undefined if there is none. */
  latest(topic: string, key: string | Uint8Array): Offset | undefined {
    const offset = this.#topics.get(topic)?.get(textOf(key))
    return (offset !== undefined && offset < 0 ? -1 - offset : offset) as Offset | undefined
  }

  /** Remembers, until the key is added again, that something older of the key, which was added, was seen. */
  markOlder(topic: string, key: string | Uint8Array): void {
    const keys = this.#topics.get(topic)
    const text = textOf(key)
    const offset = keys?.get(text)
    if (offset !== undefined && offset >= 0) keys!.set(text, -1 - offset)
  }

  /** Whether {@link markOlder} was told of the key. */
  hasOlder(topic: string, key: string | Uint8Array): boolean {
    return (this.#topics.get(topic)?.get(textOf(key)) ?? 0) < 0
  }
}

/** The key as text, told apart by its first character: bytes become the characters with their numbers. */
function textOf(key: string | Uint8Array): string {
  if (typeof key === 'string') return `t${key}`
  let text = 'b'
  for (let i = 0; i < key.byteLength; i++) text += String.fromCharCode(key[i]!)
  return text
}
