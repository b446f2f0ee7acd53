import {
  CLIENT_ID_BYTES_MAX,
  Compression,
  type ConnectPacket,
  checkBatch,
  compressionOf,
  DEFLATE_FEATURE,
  frameBytesMaxFor,
  GomqError,
  PacketType,
  PROTOCOL_VERSION,
  randomIdentity,
  recordCountOf,
  topicOf,
  utf8Bytes,
} from '@gomq/protocol'
import type { Connection } from './connection.js'
import type { ControlRecord } from './control-record.js'
import { Deadlines } from './deadlines.js'
import type { EngineContext } from './engine-context.js'
import {
  CLIENTS_LOST_GRACE_MS,
  KEEP_ALIVE_SEC_MAX,
  PRODUCER_WINDOW_BATCHES,
  RECORDS_PER_BATCH,
  SESSION_EXPIRY_SEC_MAX,
  SESSIONS_MAX,
} from './limits.js'
import type { Publishing } from './publishing.js'
import type { Session } from './sessions.js'

/** Time after which a session is looked at again whose records are still on their way, or whose client is about to come back. */
const UNSETTLED_RETRY_MS = 100

const NO_ROOM = `the broker keeps ${SESSIONS_MAX} sessions, its limit; do without a will and durable subscriptions, or wait until some expire`

/**
 * The life of sessions: connecting, take-over, the end of a connection, wills and expiry. What is to survive is a control record; a
 * client with nothing to keep costs none.
 */
export class SessionKeeper {
  readonly #context: EngineContext
  readonly #publishing: Publishing
  /** Client ids of sessions without a connection, by the time at which a will is due or the session expires. */
  readonly #deadlines = new Deadlines<string>()
  /** Wills of clients that were lost with the broker before this one are not due earlier. */
  #graceEndsMs = 0

  constructor(context: EngineContext, publishing: Publishing) {
    this.#context = context
    this.#publishing = publishing
  }

  get nextDeadlineMs(): number | undefined {
    return this.#deadlines.nextMs
  }

  /** A new reign: every connection of the last one counts as lost. */
  start(nowMs: number): void {
    const { state, queue } = this.#context
    this.#graceEndsMs = nowMs + CLIENTS_LOST_GRACE_MS
    let lost: ControlRecord[] = []
    for (const session of state.sessions.values()) {
      const { clientId, will, closedAtMs } = session
      if (closedAtMs === null) lost.push({ kind: 'sessionClosed', clientId, atMs: nowMs, isWillOwed: will !== null })
      this.#schedule({ ...session, closedAtMs: closedAtMs ?? nowMs })
      if (lost.length < RECORDS_PER_BATCH) continue
      queue.appendControl(lost, nowMs)
      lost = []
    }
    if (lost.length > 0) queue.appendControl(lost, nowMs)
  }

  /**
   * CONNECT. An older connection of the client id ends first [MQTT-3.1.4-3]; then everything that is on its way for the client has to
   * commit, so that the session is taken up as it is.
   * @throws GomqError  why the client is not let in; nothing is kept of it
   */
  connect(connection: Connection, packet: ConnectPacket, nowMs: number): void {
    const { authorizer, connections, queue, disconnect } = this.#context
    if (connection.state !== 'new') throw new GomqError('PROTOCOL_ERROR', 'a second CONNECT on one connection')
    checkVersion(packet)
    checkClientId(packet.clientId)
    const clientId = packet.clientId ?? this.#inventId(connection)
    const { authMethod, authData } = packet
    const identity = authorizer.connect({ clientId, authMethod, authData, remote: connection.remote })
    if (identity instanceof GomqError) throw identity
    connection.identity = identity
    if (packet.will !== null) this.#checkWill(connection, packet.will)
    const older = connections.ofClient(clientId)
    if (older !== undefined) {
      const message = `another connection, from ${connection.remote}, uses the client id; give each client its own`
      disconnect(older, 'SESSION_TAKEN_OVER', message, nowMs)
    }
    connection.state = 'connecting'
    connection.isNamed = packet.clientId !== null
    connections.claim(connection, clientId)
    queue.whenSettled(clientId, () => this.#resume(connection, packet, nowMs))
  }

  /**
   * Whether a session of the client may be kept.
   * @throws GomqError LIMIT_EXCEEDED
   */
  checkRoom(connection: Connection): void {
    const { sessions } = this.#context.state
    if (connection.isSessionKept || sessions.count < SESSIONS_MAX) return
    throw new GomqError('LIMIT_EXCEEDED', NO_ROOM)
  }

  /** The records that must stand before the client's first durable subscription: its session, unless that is kept already. */
  recordsToKeep(connection: Connection): ControlRecord[] {
    if (connection.isSessionKept) return []
    connection.isSessionKept = true
    const { clientId, sessionExpirySec } = connection
    return [{ kind: 'session', clientId, expirySec: sessionExpirySec, will: null, willDelaySec: 0 }]
  }

  /**
   * A connection has ended. @param isGraceful  by the client's DISCONNECT, which discards the will [MQTT-3.14.4-3]
   */
  handleEnded(connection: Connection, isGraceful: boolean, nowMs: number): void {
    if (!connection.isSessionKept) return
    const { state, queue } = this.#context
    const { clientId } = connection
    const session = state.sessions.get(clientId)
    const expirySec = connection.sessionExpirySec
    const will = connection.hasWill && !isGraceful ? (session?.will ?? null) : null
    const delaySec = Math.min(session?.willDelaySec ?? 0, expirySec)
    const isDue = will !== null && delaySec === 0
    if (isDue) this.#publishing.publishWill(will, nowMs)
    if (expirySec === 0) queue.appendControl([{ kind: 'forgetSession', clientId }], nowMs)
    else {
      const isWillOwed = will !== null && !isDue
      queue.appendControl([{ kind: 'sessionClosed', clientId, atMs: nowMs, isWillOwed }], nowMs)
      this.#deadlines.set(clientId, nowMs + 1000 * (isWillOwed ? delaySec : expirySec))
    }
  }

  /** Publishes the wills that are due and forgets the sessions that have expired. */
  handleTick(nowMs: number): void {
    for (;;) {
      const clientId = this.#deadlines.takeDue(nowMs)
      if (clientId === undefined) return
      this.#settle(clientId, nowMs)
    }
  }

  #resume(connection: Connection, packet: ConnectPacket, nowMs: number): void {
    const { state, queue, connections, disconnect } = this.#context
    const { clientId } = connection
    if (connections.get(connection.id) !== connection) return
    const session = state.sessions.get(clientId)
    const isKept = session !== undefined || state.durables.countOf(clientId) > 0
    const records: ControlRecord[] = []
    if (packet.cleanSession && isKept) {
      // The session ends here, and with it the delay of a will [MQTT-3.1.3-9].
      if (session?.will != null) this.#publishing.publishWill(session.will, nowMs)
      records.push({ kind: 'forgetSession', clientId })
    }
    connection.sessionExpirySec = connection.isNamed ? Math.min(packet.sessionExpirySec, SESSION_EXPIRY_SEC_MAX) : 0
    connection.hasWill = packet.will !== null
    const sessionPresent = isKept && !packet.cleanSession
    if (packet.will !== null || sessionPresent) {
      if (!sessionPresent && state.sessions.count >= SESSIONS_MAX) {
        disconnect(connection, 'LIMIT_EXCEEDED', NO_ROOM, nowMs)
        return
      }
      connection.isSessionKept = true
      const { will, willDelaySec } = packet
      // A view on the frame: the record's own encoding is the copy that is kept.
      records.push({ kind: 'session', clientId, expirySec: connection.sessionExpirySec, will, willDelaySec })
    }
    if (records.length === 0) this.#accept(connection, packet, sessionPresent)
    else queue.appendControl(records, nowMs, () => this.#accept(connection, packet, sessionPresent))
  }

  #accept(connection: Connection, packet: ConnectPacket, sessionPresent: boolean): void {
    const { options, connections, send } = this.#context
    if (connections.get(connection.id) !== connection) return
    const asked = packet.keepAliveSec === 0 ? KEEP_ALIVE_SEC_MAX : packet.keepAliveSec
    const keepAliveSec = Math.min(asked, KEEP_ALIVE_SEC_MAX)
    connection.state = 'established'
    connection.readsDeflate = options.inflate !== undefined && packet.features.includes(DEFLATE_FEATURE)
    connection.keepAliveMs = keepAliveSec * 1000
    connections.watch(connection)
    send(connection.id, {
      type: PacketType.CONNACK,
      requestId: packet.requestId,
      version: PROTOCOL_VERSION,
      features: connection.readsDeflate ? [DEFLATE_FEATURE] : [],
      clientId: connection.clientId,
      sessionPresent,
      brokerId: options.brokerId,
      epoch: options.epoch,
      brokerVersion: options.brokerVersion,
      frameBytesMax: frameBytesMaxFor(options.limits.messageBytesMax),
      messageBytesMax: options.limits.messageBytesMax,
      keepAliveSec,
      inflightBatchesMax: PRODUCER_WINDOW_BATCHES,
      sessionExpirySec: connection.sessionExpirySec,
    })
  }

  /** Looks at a session whose time may have come; what has changed meanwhile decides. */
  #settle(clientId: string, nowMs: number): void {
    const { state, queue, connections } = this.#context
    const session = state.sessions.get(clientId)
    if (session === undefined) return
    const connection = connections.ofClient(clientId)
    // One that keeps the session settles what is owed when it ends; one that has not got so far may end before it does.
    if (connection?.isSessionKept) return
    if (connection !== undefined || queue.isUnsettled(clientId)) {
      this.#deadlines.set(clientId, nowMs + UNSETTLED_RETRY_MS)
      return
    }
    if (session.closedAtMs === null) return
    const expiresMs = session.closedAtMs + 1000 * session.expirySec
    const isExpired = expiresMs <= nowMs
    const isWillDue = session.will !== null && this.#willDueMs(session) <= nowMs
    if (isWillDue) this.#publishing.publishWill(session.will!, nowMs)
    if (isExpired && (session.will === null || isWillDue))
      queue.appendControl([{ kind: 'forgetSession', clientId }], nowMs)
    else {
      if (isWillDue) queue.appendControl([{ kind: 'willSettled', clientId }], nowMs)
      this.#schedule(isWillDue ? { ...session, will: null } : session)
    }
  }

  #schedule(session: Session): void {
    if (session.closedAtMs === null) return
    const atMs = session.will === null ? session.closedAtMs + 1000 * session.expirySec : this.#willDueMs(session)
    this.#deadlines.set(session.clientId, atMs)
  }

  #willDueMs(session: Session): number {
    const delaySec = Math.min(session.willDelaySec, session.expirySec)
    return Math.max(session.closedAtMs! + 1000 * delaySec, this.#graceEndsMs)
  }

  #checkWill(connection: Connection, will: Uint8Array): void {
    const { options, authorizer } = this.#context
    const topic = checkBatch(will, options.limits, options.crc32)
    if (recordCountOf(will) !== 1)
      throw new GomqError('MALFORMED_BATCH', `the will holds ${recordCountOf(will)} records; it is one message`)
    if (compressionOf(will) !== Compression.NONE)
      throw new GomqError('MALFORMED_BATCH', 'the will is compressed; send it uncompressed')
    if (topic.startsWith('$'))
      throw new GomqError(
        'NOT_AUTHORIZED',
        `topics that begin with '$' belong to the broker; choose another for the will`,
      )
    const refusal = authorizer.mayPublish(connection.identity, topicOf(will))
    if (refusal !== undefined) throw refusal
  }

  #inventId(connection: Connection): string {
    return `auto-${randomIdentity(this.#context.options.random).toString(36)}-${connection.id}`
  }
}

function checkVersion({ versionMin, versionMax }: ConnectPacket): void {
  if (versionMin <= PROTOCOL_VERSION && versionMax >= PROTOCOL_VERSION) return
  throw new GomqError(
    'UNSUPPORTED_VERSION',
    `the client speaks protocol versions ${versionMin} to ${versionMax} and this broker ${PROTOCOL_VERSION}; update the older one`,
  )
}

function checkClientId(clientId: string | null): void {
  if (clientId === null) return
  if (clientId !== '' && !clientId.includes('\0') && utf8Bytes(clientId) <= CLIENT_ID_BYTES_MAX) return
  throw new GomqError('INVALID_ARGUMENT', `the client id must have 1 to ${CLIENT_ID_BYTES_MAX} bytes and no NUL`)
}
