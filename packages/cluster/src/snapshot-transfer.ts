import type { Offset } from '@gomq/protocol'
import type { LinkId } from './core/ready.js'
import type { SnapshotFile, SnapshotStore } from './replica-log.js'

/** The snapshots that are open for members, one for each link. */
export class SnapshotSending {
  readonly #store: SnapshotStore
  readonly #files: Map<LinkId, SnapshotFile> = new Map()
  /** Links that ended while their snapshot was being opened. */
  readonly #opening: Map<LinkId, { isOver: boolean }> = new Map()

  constructor(store: SnapshotStore) {
    this.#store = store
  }

  /** Opens the newest snapshot for a link. Undefined if there is none, or the link has ended meanwhile. */
  async open(link: LinkId): Promise<{ beginOffset: Offset; bytes: number } | undefined> {
    const opening = { isOver: false }
    this.#opening.set(link, opening)
    const file = await this.#store.open().finally(() => this.#opening.delete(link))
    if (file === undefined || !opening.isOver) {
      if (file !== undefined) this.#files.set(link, file)
      return file
    }
    await file.close()
    return undefined
  }

  /** Reads a part of it; undefined if it was closed. */
  async read(link: LinkId, position: number, length: number): Promise<Uint8Array | undefined> {
    return this.#files.get(link)?.read(position, length)
  }

  /** Closes it. Again: nothing happens. */
  async close(link: LinkId): Promise<void> {
    const opening = this.#opening.get(link)
    if (opening !== undefined) opening.isOver = true
    const file = this.#files.get(link)
    this.#files.delete(link)
    await file?.close()
  }

  /** Closes all of them. */
  async closeAll(): Promise<void> {
    await Promise.all([...this.#files.keys(), ...this.#opening.keys()].map((link) => this.close(link)))
  }
}

/** A snapshot that comes in pieces, on its way into the store. */
export class SnapshotReceipt {
  readonly #onTaken: () => void
  readonly #pieces: Uint8Array[] = []
  #isWhole = false
  #isAbandoned = false
  #wake: (() => void) | undefined
  readonly #installed: Promise<void>

  /** @param onTaken  a piece was taken by the store */
  constructor(store: SnapshotStore, beginOffset: Offset, onTaken: () => void) {
    this.#onTaken = onTaken
    this.#installed = store.install(beginOffset, this.#chunks())
    this.#installed.catch(() => undefined)
  }

  /** The next piece. */
  add(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
    this.#wake?.()
  }

  /** No more pieces come. Settles when the snapshot is in its place. */
  finish(): Promise<void> {
    this.#isWhole = true
    this.#wake?.()
    return this.#installed
  }

  /** Nothing of it stays. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true
    this.#wake?.()
    await this.#installed.catch(() => undefined)
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#isAbandoned) throw new Error('the link ended before the snapshot was whole')
      const piece = this.#pieces.shift()
      if (piece !== undefined) {
        yield piece
        this.#onTaken()
      } else if (this.#isWhole) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
