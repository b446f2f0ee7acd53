import type { ControlRecord } from './control-record.js'
import type { StateRows } from './state-rows.js'

/**
 * What the broker keeps for a client id beyond its connections, beside the durable subscriptions: how long, and what is to be
 * published when the client is lost. Committed state.
 */
export interface Session {
  readonly clientId: string
  /** Seconds that the session outlives its connection. */
  readonly expirySec: number
  /** A batch of one record that is owed when the client is lost; null: nothing is. */
  readonly will: Uint8Array | null
  readonly willDelaySec: number
  /** When the last connection ended, by the leader's clock; null: the log does not say that it ended. */
  readonly closedAtMs: number | null
  /** Offset of the record that changed it last. */
  readonly changedAt: number
}

/** The committed sessions of all clients. */
export class Sessions {
  readonly #byClient = new Map<string, Session>()

  get count(): number {
    return this.#byClient.size
  }

  get(clientId: string): Session | undefined {
    return this.#byClient.get(clientId)
  }

  /** Every session, in the order in which they came to be; a live walk. */
  values(): IterableIterator<Session> {
    return this.#byClient.values()
  }

  /** Applies the control record at `offset`; one that is older than the session's last change is ignored. */
  apply(record: ControlRecord, offset: number): void {
    if (record.kind === 'session') {
      const { clientId, expirySec, willDelaySec } = record
      // The record's bytes are those of a batch, which is lent.
      const will = record.will && Uint8Array.from(record.will)
      this.#put({ clientId, expirySec, will, willDelaySec, closedAtMs: null, changedAt: offset })
      return
    }
    if (record.kind !== 'sessionClosed' && record.kind !== 'willSettled' && record.kind !== 'forgetSession') return
    const session = this.#byClient.get(record.clientId)
    if (session === undefined || session.changedAt >= offset) return
    if (record.kind === 'forgetSession') this.#byClient.delete(record.clientId)
    else if (record.kind === 'willSettled') this.#put({ ...session, will: null, changedAt: offset })
    else {
      const will = record.isWillOwed ? session.will : null
      this.#put({ ...session, will, closedAtMs: record.atMs, changedAt: offset })
    }
  }

  /** Everything, as arrays for a snapshot; a live walk. */
  *entries(): Generator<unknown[]> {
    for (const s of this.#byClient.values())
      yield [s.clientId, s.expirySec, s.will, s.willDelaySec, s.closedAtMs, s.changedAt]
  }

  /** Takes back the next of what {@link entries} gave. */
  restore(rows: StateRows): void {
    const clientId = rows.text()
    const expirySec = rows.number()
    const will = rows.bytesOrNull()
    const willDelaySec = rows.number()
    const closedAtMs = rows.numberOrNull()
    const changedAt = rows.number()
    this.#put({ clientId, expirySec, will: will && Uint8Array.from(will), willDelaySec, closedAtMs, changedAt })
  }

  #put(session: Session): void {
    if ((this.#byClient.get(session.clientId)?.changedAt ?? -1) >= session.changedAt) return
    this.#byClient.set(session.clientId, session)
  }
}
