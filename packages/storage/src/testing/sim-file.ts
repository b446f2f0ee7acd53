import type { Random } from '@gomq/protocol'

/** What a disk writes as one: the unit in which a crash keeps or loses a write. */
const SECTOR_BYTES = 512

/** A change since the last sync. */
type Unsynced =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'size'; readonly bytes: number }

/** A file with two faces: what is seen, and what a crash would surely leave. */
export class SimFile {
  #seen: Uint8Array = new Uint8Array(0)
  #seenBytes = 0
  #durable: Uint8Array = new Uint8Array(0)
  #unsynced: Unsynced[] = []
  /** Changes that the kernel has given up after a failed sync: seen, and never written. */
  #isLying = false

  /** The bytes as they are seen. */
  get bytes(): Uint8Array {
    return this.#seen.subarray(0, this.#seenBytes)
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.byteLength === 0) return
    this.#reserve(position + bytes.byteLength)
    this.#seen.set(bytes, position)
    this.#seenBytes = Math.max(this.#seenBytes, position + bytes.byteLength)
    this.#unsynced.push({ kind: 'write', position, bytes: bytes.slice() })
  }

  truncate(bytes: number): void {
    this.#reserve(bytes)
    if (bytes < this.#seenBytes) this.#seen.fill(0, bytes, this.#seenBytes)
    this.#seenBytes = bytes
    this.#unsynced.push({ kind: 'size', bytes })
  }

  sync(): void {
    if (this.#isLying) return
    for (const change of this.#unsynced) this.#durable = applied(this.#durable, change)
    this.#unsynced = []
  }

  /** A sync has failed: what was written since the last one is seen and will never be on the disk. */
  dropUnsynced(): void {
    this.#isLying = true
    this.#unsynced = []
  }

  /** Keeps what was synced and any part of the rest: sectors of writes and changes of size, each for itself. */
  crash(random: Random): void {
    let image = this.#durable
    const keepAll = random.next() < 0.2
    for (const change of this.#isLying ? [] : this.#unsynced) {
      if (change.kind === 'size') {
        if (keepAll || random.next() < 0.5) image = applied(image, change)
        continue
      }
      for (const sector of sectorsOf(change.position, change.bytes))
        if (keepAll || random.next() < 0.6) image = applied(image, sector)
    }
    this.#durable = image
    this.#seen = image.slice()
    this.#seenBytes = image.byteLength
    this.#unsynced = []
    this.#isLying = false
  }

  flipBit(position: number, bit: number): void {
    this.#seen[position]! ^= 1 << bit
    if (position < this.#durable.byteLength) this.#durable[position]! ^= 1 << bit
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#seen.byteLength) return
    const grown = new Uint8Array(Math.max(bytes, this.#seen.byteLength * 2))
    grown.set(this.#seen.subarray(0, this.#seenBytes))
    this.#seen = grown
  }
}

function* sectorsOf(
  position: number,
  bytes: Uint8Array,
): Generator<{ kind: 'write'; position: number; bytes: Uint8Array }> {
  for (let at = 0; at < bytes.byteLength; ) {
    const end = Math.min(bytes.byteLength, (Math.floor((position + at) / SECTOR_BYTES) + 1) * SECTOR_BYTES - position)
    yield { kind: 'write', position: position + at, bytes: bytes.subarray(at, end) }
    at = end
  }
}

function applied(image: Uint8Array, change: Unsynced): Uint8Array {
  if (change.kind === 'size') {
    const resized = new Uint8Array(change.bytes)
    resized.set(image.subarray(0, change.bytes))
    return resized
  }
  const end = change.position + change.bytes.byteLength
  const result = end > image.byteLength ? new Uint8Array(end) : image
  if (result !== image) result.set(image)
  result.set(change.bytes, change.position)
  return result
}
