import type { ErrorCode, Packet } from '@gomq/protocol'
import type { Authorizer } from './authorizer.js'
import type { CommitQueue } from './commit-queue.js'
import type { CommittedState } from './committed-state.js'
import type { Connection } from './connection.js'
import type { Connections } from './connections.js'
import type { Delivery } from './delivery.js'
import type { EngineOptions } from './engine-options.js'

/** What the roles of the engine share: the three layers of state, and the way out. */
export interface EngineContext {
  readonly options: EngineOptions
  readonly authorizer: Authorizer
  /** The committed layer. */
  readonly state: CommittedState
  /** The pending layer. */
  readonly queue: CommitQueue
  /** The volatile layer: who is connected, and who gets what. */
  readonly connections: Connections
  readonly delivery: Delivery
  /** Sends to a connection, if it is still open. */
  send(connectionId: number, packet: Packet): void
  /** Ends a connection with a reason. Its will is owed. */
  disconnect(connection: Connection, code: ErrorCode, message: string, nowMs: number): void
}
