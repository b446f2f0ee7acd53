import type { ClusterStatus, Replication, ReplicationHandler } from '@gomq/cluster'
import { type Epoch, epoch, type Offset } from '@gomq/protocol'
import type { Log } from '@gomq/storage'

/** A broker alone: it leads from the start, in an epoch of its own each time, and what is on its disk has committed. */
export class SoloReplication implements Replication {
  readonly role = 'leader'
  readonly #log: Log
  readonly #handler: ReplicationHandler
  readonly #brokerId: string
  readonly #version: string
  readonly #startedAtMs: number
  readonly #epoch: Epoch
  #isStarted = false

  constructor(parts: {
    log: Log
    handler: ReplicationHandler
    brokerId: string
    version: string
    startedAtMs: number
  }) {
    this.#log = parts.log
    this.#handler = parts.handler
    this.#brokerId = parts.brokerId
    this.#version = parts.version
    this.#startedAtMs = parts.startedAtMs
    this.#epoch = epoch((parts.log.epochStarts.at(-1)?.epoch ?? 0) + 1)
  }

  get status(): ClusterStatus {
    const { storeId, highWatermark, logEndOffset } = this.#log
    const id = this.#brokerId
    return {
      clusterUuid: '',
      replicas: 1,
      epoch: this.#epoch,
      role: 'leader',
      leaderId: id,
      highWatermark,
      brokers: [
        {
          id,
          storeId,
          role: 'leader',
          addresses: undefined,
          version: this.#version,
          startedAtMs: this.#startedAtMs,
          isInSync: true,
          logEndOffset,
          lag: 0,
        },
      ],
      trouble: undefined,
    }
  }

  async start(): Promise<void> {
    this.#isStarted = true
    this.#handler.handleLeading(this.#epoch)
  }

  handleWritten(): void {
    // It commits when it is on disk.
  }

  handleSynced(syncedOffset: Offset): void {
    if (!this.#isStarted) return
    this.#log.setHighWatermark(syncedOffset)
    this.#handler.handleCommitted(syncedOffset)
  }

  mayAcknowledge(): boolean {
    return true
  }

  async resign(): Promise<void> {
    // There is nobody else.
  }

  async stop(): Promise<void> {
    // Nothing was joined.
  }
}
