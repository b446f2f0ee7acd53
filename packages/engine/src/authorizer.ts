import type { GomqError } from '@gomq/protocol'

/** Who a client is, once it is let in. */
export interface Identity {
  /** Null: nobody in particular. */
  readonly user: string | null
}

/** What a client shows to be let in. */
export interface Credentials {
  readonly clientId: string
  /** Name of a SASL mechanism, such as `PLAIN`; null: the client shows nothing. */
  readonly authMethod: string | null
  readonly authData: Uint8Array | null
  /** Address of the other end. */
  readonly remote: string
}

/**
 * Decides who may do what. Asked at the engine's edge, before anything is kept or appended; answers at once. A refusal is the error that
 * the client is told: AUTH_FAILED, NOT_AUTHORIZED, or whatever fits.
 */
export interface Authorizer {
  connect(credentials: Credentials): Identity | GomqError
  /** Also asked for wills, when the client connects. */
  mayPublish(identity: Identity, topic: string): GomqError | undefined
  maySubscribe(identity: Identity, filter: string): GomqError | undefined
}

const ANYBODY: Identity = { user: null }

/** Lets everybody do everything. A broker that has no other listens on loopback only, unless its operator insists. */
export const allowAll: Authorizer = {
  connect: () => ANYBODY,
  mayPublish: () => undefined,
  maySubscribe: () => undefined,
}
