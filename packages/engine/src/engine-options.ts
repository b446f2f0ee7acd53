import type { Crc32, Durability, Epoch, Inflate, Offset, Random } from '@gomq/protocol'
import type { Authorizer } from './authorizer.js'
import type { CommittedState } from './committed-state.js'
import type { Outbox } from './outbox.js'

/** What an engine is made of. */
export interface EngineOptions {
  readonly brokerId: string
  readonly brokerVersion: string
  /** Epoch of this reign; above every epoch in the log. */
  readonly epoch: Epoch
  readonly crc32: Crc32
  /** Reads compressed batches for those who do not. Without it clients are not granted compression. */
  readonly inflate?: Inflate
  /** For the ids of clients that bring none. */
  readonly random: Random
  readonly limits: {
    /** Bytes of one message's value. */
    readonly messageBytesMax: number
    /** Topics with a retained message. Stops random topics from filling the memory. */
    readonly retainedTopicsMax: number
  }
  /** What an acknowledgement says: how safe a committed batch is. */
  readonly durability: Durability
  /** Where the log begins; {@link Engine.handleLogStart} tells when it moves. */
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly lastAppendTimeMs: number
  readonly outbox: Outbox
  /** What the log says up to its end, folded already; the engine goes on with it. Empty by default. */
  readonly state?: CommittedState
  /** Who may do what; everybody everything by default. */
  readonly authorizer?: Authorizer
}
