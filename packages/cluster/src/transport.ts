import type { ReplicaMessage } from './messages.js'

/** A connection between two brokers: messages in order, each whole or not at all. */
export interface Link {
  /** Who is at the other end, for logs. */
  readonly remote: string
  /** Bytes that wait to leave. */
  readonly pendingBytes: number
  /** Sends a message; after the end nothing happens. */
  send(message: ReplicaMessage): void
  /** Ends it at once. The handler is told. */
  close(): void
}

/** What comes over a link, in order; nothing after `handleClosed`. */
export interface LinkHandler {
  handleMessage(message: ReplicaMessage): void
  /** What was pending has left. */
  handleDrained(): void
  handleClosed(): void
}

/** Reaches the other brokers. Both ends have proved that they know the cluster's secret before a link is handed out. */
export interface Transport {
  /** Takes links from others from now on, when it settles. @throws GomqError CONFIG_INVALID  the address cannot be listened on */
  listen(accept: (link: Link) => LinkHandler): Promise<void>
  /** Opens a link; `accept` is called when it stands. @returns gives up, or closes it */
  open(address: string, accept: (link: Link) => LinkHandler, onFailed: (reason: LinkFailure) => void): () => void
  /** Settles when the links have passed on what they were given in this turn. Left out where they do so at once. */
  flushed?(): Promise<void>
  close(): Promise<void>
}

/**
 * Why a link did not come to stand. `refused`: the host answers, and no process listens there: it has ended (the listener is the last thing that a
 * leader closes). `failed`: anything else, from which nothing follows.
 */
export type LinkFailure = 'refused' | 'failed'
