import type { Identity } from './authorizer.js'
import type { Subscription } from './subscription.js'

/** One client's connection: volatile. */
export class Connection {
  readonly id: number
  readonly remote: string
  readonly openedMs: number
  /** Whether it is one of the broker's own, over which many publish: it speaks for no producer. */
  readonly isDoor: boolean
  /** `connecting`: CONNECT waits for what is still on its way to the log. */
  state: 'new' | 'connecting' | 'established' = 'new'
  /** Empty until CONNECT. */
  clientId: string = ''
  /** Whether the client chose its id itself, and so may have durable subscriptions. */
  isNamed: boolean = false
  identity: Identity = { user: null }
  keepAliveMs: number = 0
  lastHeardMs: number
  /** Seconds that the session outlives this connection. */
  sessionExpirySec: number = 0
  /** Whether a session record of this connection is in the log, or on its way. */
  isSessionKept: boolean = false
  /** The producer for which it speaks; 0 for none. See `Connections.claimProducer`. */
  producerId: number = 0
  /** Whether it leaves a will. */
  hasWill: boolean = false
  /** Whether the client reads compressed batches, and may publish them. */
  readsDeflate: boolean = false
  /** Whether the driver's output is above its bound. */
  isBlocked: boolean = false
  readonly subscriptions: Map<number, Subscription> = new Map()
  filterCount: number = 0

  constructor(id: number, remote: string, nowMs: number, isDoor = false) {
    this.id = id
    this.remote = remote
    this.openedMs = nowMs
    this.isDoor = isDoor
    this.lastHeardMs = nowMs
  }

  /** When it is to be closed unless something is heard [MQTT-3.1.2-22]. */
  get deadlineMs(): number {
    return this.lastHeardMs + 1.5 * this.keepAliveMs
  }
}
