import type { Subscription } from './subscription.js'

/** One client's connection: volatile. */
export class Connection {
  readonly id: number
  readonly remote: string
  readonly openedMs: number
  /** Undefined until CONNECT. */
  clientId: string | undefined
  /** Whether the client chose its id itself, and so may have durable subscriptions. */
  isNamed: boolean = false
  keepAliveMs = 0
  lastHeardMs: number
  /** Whether the driver's output is above its bound. */
  isBlocked: boolean = false
  readonly subscriptions: Map<number, Subscription> = new Map()
  filterCount: number = 0

  constructor(id: number, remote: string, nowMs: number) {
    this.id = id
    this.remote = remote
    this.openedMs = nowMs
    this.lastHeardMs = nowMs
  }

  /** When it is to be closed unless something is heard. */
  get deadlineMs(): number {
    return this.lastHeardMs + 1.5 * this.keepAliveMs
  }
}
