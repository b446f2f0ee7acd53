import type { Offset } from '@gomq/protocol'
import type { ReplicaRecord, ReplicaRecordStore, SnapshotFile, SnapshotStore } from '../replica-log.js'

/** A {@link SnapshotStore} in memory; a snapshot is its bytes. It survives a crash: {@link MemorySnapshotStore.newest} is the disk. */
export class MemorySnapshotStore implements SnapshotStore {
  newest: { readonly beginOffset: Offset; readonly bytes: Uint8Array } | undefined

  constructor(newest?: { readonly beginOffset: Offset; readonly bytes: Uint8Array }) {
    this.newest = newest
  }

  async open(): Promise<SnapshotFile | undefined> {
    if (this.newest === undefined) return undefined
    const { beginOffset, bytes } = this.newest
    return {
      beginOffset,
      bytes: bytes.byteLength,
      read: async (position, length) => bytes.slice(position, position + length),
      close: async () => undefined,
    }
  }

  async install(beginOffset: Offset, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk)
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
    let at = 0
    for (const part of parts) {
      bytes.set(part, at)
      at += part.byteLength
    }
    this.newest = { beginOffset, bytes }
  }
}

/** A {@link ReplicaRecordStore} in memory. {@link MemoryRecordStore.saved} is the disk. */
export class MemoryRecordStore implements ReplicaRecordStore {
  saved: ReplicaRecord | undefined
  /** How long a save takes; a crash meanwhile leaves the old record. */
  pause: () => Promise<void> = () => Promise.resolve()

  constructor(saved?: ReplicaRecord) {
    this.saved = saved
  }

  async load(): Promise<ReplicaRecord | undefined> {
    return this.saved
  }

  async save(record: ReplicaRecord): Promise<void> {
    await this.pause()
    this.saved = record
  }
}
