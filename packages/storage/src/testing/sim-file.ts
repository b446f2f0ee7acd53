import type { Random } from '@gomq/protocol'
import { FileImage } from './file-image.js'

/** What a disk writes as one: the unit in which a crash keeps or loses a write. */
const SECTOR_BYTES = 512

/** A change since the last sync. */
type Unsynced =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'size'; readonly bytes: number }

/** A file with two faces: what is seen, and what a crash would surely leave. */
export class SimFile {
  #seen = new FileImage()
  readonly #durable: FileImage = new FileImage()
  #unsynced: Unsynced[] = []

  /** The bytes as they are seen. */
  get bytes(): Uint8Array {
    return this.#seen.bytes
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.byteLength === 0) return
    this.#seen.write(bytes, position)
    this.#unsynced.push({ kind: 'write', position, bytes: bytes.slice() })
  }

  truncate(bytes: number): void {
    this.#seen.resize(bytes)
    this.#unsynced.push({ kind: 'size', bytes })
  }

  sync(): void {
    for (const change of this.#unsynced) apply(this.#durable, change)
    this.#unsynced = []
  }

  /** A sync has failed: what was written since the last one is seen and will never be on the disk. What is written later may be. */
  dropUnsynced(): void {
    this.#unsynced = []
  }

  /** Keeps what was synced and any part of the rest: sectors of writes and changes of size, each for itself. @returns how many it loses */
  crash(random: Random): number {
    const keepAll = random.next() < 0.2
    let lost = 0
    for (const change of this.#unsynced) {
      if (change.kind === 'size') {
        if (keepAll || random.next() < 0.5) apply(this.#durable, change)
        else lost++
        continue
      }
      for (const sector of sectorsOf(change.position, change.bytes))
        if (keepAll || random.next() < 0.6) apply(this.#durable, sector)
        else lost++
    }
    this.#seen = new FileImage(this.#durable.bytes)
    this.#unsynced = []
    return lost
  }

  flipBit(position: number, bit: number): void {
    this.#seen.flipBit(position, bit)
    this.#durable.flipBit(position, bit)
  }
}

function apply(image: FileImage, change: Unsynced): void {
  if (change.kind === 'size') image.resize(change.bytes)
  else image.write(change.bytes, change.position)
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
