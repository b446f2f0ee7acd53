/** What a code means on each door: its number on the wire, whether trying again may help, the HTTP status, gomqctl's exit code. */
export interface ErrorEntry {
  /** Number on the wire, 1 to 65,535. Never reused, also when the code is retired. */
  readonly wire: number
  /** Whether the same request may succeed later without being changed. */
  readonly retriable: boolean
  /** Status of the HTTP answer. */
  readonly httpStatus: number
  /** Exit code of gomqctl (sysexits: 64 usage, 65 data, 69 unavailable, 70 internal, 75 temporary, 77 refused). */
  readonly exitCode: number
  /** One line for the reference documentation. */
  readonly summary: string
}

const USAGE = 64
const DATA = 65
const DOWN = 69
const INTERNAL = 70
const TEMPORARY = 75
const REFUSED = 77

function entry(wire: number, retriable: boolean, httpStatus: number, exitCode: number, summary: string): ErrorEntry {
  return { wire, retriable, httpStatus, exitCode, summary }
}

/** Name of an error; the set is closed and every door uses it. */
export type ErrorCode =
  | 'UNSPECIFIED'
  | 'INTERNAL'
  | 'INVALID_ARGUMENT'
  | 'MALFORMED_FRAME'
  | 'FRAME_TOO_LARGE'
  | 'PROTOCOL_ERROR'
  | 'UNSUPPORTED_VERSION'
  | 'UNSUPPORTED_FEATURE'
  | 'CONNECT_TIMEOUT'
  | 'KEEP_ALIVE_TIMEOUT'
  | 'SESSION_TAKEN_OVER'
  | 'SLOW_CONSUMER'
  | 'SHUTTING_DOWN'
  | 'AUTH_FAILED'
  | 'NOT_AUTHORIZED'
  | 'INVALID_TOPIC'
  | 'INVALID_FILTER'
  | 'MESSAGE_TOO_LARGE'
  | 'MALFORMED_BATCH'
  | 'OUT_OF_SEQUENCE'
  | 'PRODUCER_FENCED'
  | 'OUTCOME_UNKNOWN'
  | 'BAD_RECORD'
  | 'LIMIT_EXCEEDED'
  | 'IDEMPOTENCY_KEY_REUSED'
  | 'NO_SUCH_SUBSCRIPTION'
  | 'SUBSCRIPTION_IN_USE'
  | 'OFFSET_OUT_OF_RANGE'
  | 'NO_SUCH_POLICY'
  | 'CORRUPT_BATCH'
  | 'CORRUPT_LOG'
  | 'STORAGE_FAILED'
  | 'DISK_FULL'
  | 'DATA_DIR_LOCKED'
  | 'UNSUPPORTED_FORMAT'
  | 'NOT_LEADER'
  | 'NO_LEADER'
  | 'COORDINATOR_UNAVAILABLE'
  | 'COORDINATOR_CHANGED'
  | 'UNAVAILABLE'
  | 'CONNECTION_LOST'
  | 'TIMEOUT'
  | 'ABORTED'
  | 'CLOSED'
  | 'BUFFER_FULL'
  | 'CONFIG_INVALID'

/** Every error code with its meaning on each door; `docs/reference/errors.md` is printed from it. */
export const ERROR_TABLE: Readonly<Record<ErrorCode, ErrorEntry>> = {
  UNSPECIFIED: entry(1, false, 500, INTERNAL, 'A code this version does not know; the message says more.'),
  INTERNAL: entry(2, false, 500, INTERNAL, 'A bug in GoMQ; please report it.'),
  INVALID_ARGUMENT: entry(3, false, 400, USAGE, 'A value is outside what the call allows.'),

  MALFORMED_FRAME: entry(10, false, 400, DATA, 'Bytes that are no frame of the protocol; the connection closes.'),
  FRAME_TOO_LARGE: entry(11, false, 413, DATA, 'A frame announces more bytes than the limit; the connection closes.'),
  PROTOCOL_ERROR: entry(12, false, 400, DATA, 'A packet that is not allowed here; the connection closes.'),
  UNSUPPORTED_VERSION: entry(13, false, 400, DATA, 'No protocol version that both sides speak.'),
  UNSUPPORTED_FEATURE: entry(14, false, 400, DATA, 'A feature that this broker does not have.'),
  CONNECT_TIMEOUT: entry(15, true, 408, TEMPORARY, 'No complete CONNECT in time; the connection closes.'),
  KEEP_ALIVE_TIMEOUT: entry(
    16,
    true,
    408,
    TEMPORARY,
    'Nothing was heard for 1.5 times the keep-alive; the connection closes.',
  ),
  SESSION_TAKEN_OVER: entry(
    17,
    false,
    409,
    TEMPORARY,
    'Another connection uses the same client id; the older one closes.',
  ),
  SLOW_CONSUMER: entry(18, true, 503, TEMPORARY, 'The peer does not read what it asked for; the connection closes.'),
  SHUTTING_DOWN: entry(19, true, 503, TEMPORARY, 'The broker is stopping; connect again later.'),

  AUTH_FAILED: entry(30, false, 401, REFUSED, 'The credentials are not accepted.'),
  NOT_AUTHORIZED: entry(31, false, 403, REFUSED, 'The user may not do this.'),

  INVALID_TOPIC: entry(40, false, 400, DATA, 'Not a topic name.'),
  INVALID_FILTER: entry(41, false, 400, DATA, 'Not a topic filter.'),
  MESSAGE_TOO_LARGE: entry(42, false, 413, DATA, 'A message is larger than the limit.'),
  MALFORMED_BATCH: entry(43, false, 400, DATA, 'A record batch that breaks the format or its checksum.'),
  OUT_OF_SEQUENCE: entry(44, false, 409, DATA, 'A batch of a producer arrived without the one before it.'),
  PRODUCER_FENCED: entry(
    45,
    false,
    409,
    REFUSED,
    'A newer epoch of the same producer is publishing, or it publishes over a newer connection.',
  ),
  OUTCOME_UNKNOWN: entry(46, false, 409, TEMPORARY, 'Whether the message was stored can no longer be told.'),
  BAD_RECORD: entry(47, false, 422, DATA, 'A record that cannot be decoded.'),
  LIMIT_EXCEEDED: entry(48, false, 429, REFUSED, 'A limit is reached; the message names it.'),
  IDEMPOTENCY_KEY_REUSED: entry(49, false, 422, DATA, 'An idempotency key came again with another request.'),

  NO_SUCH_SUBSCRIPTION: entry(60, false, 404, DATA, 'No such subscription.'),
  SUBSCRIPTION_IN_USE: entry(61, true, 409, TEMPORARY, 'The subscription is attached elsewhere on this connection.'),
  OFFSET_OUT_OF_RANGE: entry(62, false, 416, DATA, 'An offset outside the log.'),
  NO_SUCH_POLICY: entry(63, false, 404, DATA, 'No policy has this filter.'),

  CORRUPT_BATCH: entry(80, false, 500, INTERNAL, 'A stored batch fails its checksum.'),
  CORRUPT_LOG: entry(81, false, 500, INTERNAL, 'The log is damaged; the broker refuses to serve it.'),
  STORAGE_FAILED: entry(82, false, 500, INTERNAL, 'A write or sync failed; the broker stops.'),
  DISK_FULL: entry(83, true, 507, TEMPORARY, 'No space left for messages.'),
  DATA_DIR_LOCKED: entry(84, true, 503, TEMPORARY, 'Another broker uses the data directory.'),
  UNSUPPORTED_FORMAT: entry(85, false, 500, DATA, 'A file of a version that this program does not read.'),

  NOT_LEADER: entry(100, true, 503, TEMPORARY, 'This broker is not the leader.'),
  NO_LEADER: entry(101, true, 503, TEMPORARY, 'The cluster has no leader at the moment.'),
  COORDINATOR_UNAVAILABLE: entry(102, true, 503, TEMPORARY, 'The broker cannot reach etcd.'),
  COORDINATOR_CHANGED: entry(
    103,
    false,
    500,
    INTERNAL,
    'What etcd holds is not what this broker has seen there: it was wiped or restored.',
  ),

  UNAVAILABLE: entry(120, true, 503, DOWN, 'No broker answers at the address.'),
  CONNECTION_LOST: entry(121, true, 503, TEMPORARY, 'The connection ended before the answer.'),
  TIMEOUT: entry(122, true, 504, TEMPORARY, 'No answer in time.'),
  ABORTED: entry(123, false, 499, TEMPORARY, 'The caller aborted the call.'),
  CLOSED: entry(124, false, 410, TEMPORARY, 'The client or subscription is closed.'),
  BUFFER_FULL: entry(125, true, 503, TEMPORARY, 'More was published than the buffer holds, without waiting.'),
  CONFIG_INVALID: entry(140, false, 500, 78, 'The configuration is not valid.'),
}

const BY_WIRE = new Map<number, ErrorCode>(
  (Object.keys(ERROR_TABLE) as ErrorCode[]).map((code) => [ERROR_TABLE[code].wire, code]),
)

/** The code with this number on the wire, `UNSPECIFIED` for one that this version does not know. */
export function errorCodeFromWire(wire: number): ErrorCode {
  return BY_WIRE.get(wire) ?? 'UNSPECIFIED'
}

/**
 * A request that could not be done, or a peer that broke the contract. `message` says what happened, why and what to do.
 * Compare `code`, never the message.
 */
export class GomqError extends Error {
  override readonly name = 'GomqError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  /** Whether the same request may succeed later without being changed. */
  get retriable(): boolean {
    return ERROR_TABLE[this.code].retriable
  }

  /** `error` itself if it is a GomqError, else one with `code` and the error as its cause. */
  static from(error: unknown, code: ErrorCode = 'INTERNAL'): GomqError {
    if (error instanceof GomqError) return error
    return new GomqError(code, error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** A broken invariant: a bug in GoMQ. The process that sees one must end rather than go on. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Throws {@link InvariantError} unless `condition` holds. Stays on in production. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(`invariant broken: ${message}`)
}
