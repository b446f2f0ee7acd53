import { ERROR_TABLE, type ErrorCode, errorCodeFromWire, GomqError, InvariantError, invariant } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'

const entries = Object.entries(ERROR_TABLE) as [ErrorCode, (typeof ERROR_TABLE)[ErrorCode]][]

/** Wire numbers as they were released. A number never changes and is never given to another code. */
const RELEASED: Record<string, number> = {
  UNSPECIFIED: 1,
  INTERNAL: 2,
  INVALID_ARGUMENT: 3,
  MALFORMED_FRAME: 10,
  FRAME_TOO_LARGE: 11,
  PROTOCOL_ERROR: 12,
  UNSUPPORTED_VERSION: 13,
  UNSUPPORTED_FEATURE: 14,
  CONNECT_TIMEOUT: 15,
  KEEP_ALIVE_TIMEOUT: 16,
  SESSION_TAKEN_OVER: 17,
  SLOW_CONSUMER: 18,
  SHUTTING_DOWN: 19,
  AUTH_FAILED: 30,
  NOT_AUTHORIZED: 31,
  INVALID_TOPIC: 40,
  INVALID_FILTER: 41,
  MESSAGE_TOO_LARGE: 42,
  MALFORMED_BATCH: 43,
  OUT_OF_SEQUENCE: 44,
  PRODUCER_FENCED: 45,
  OUTCOME_UNKNOWN: 46,
  BAD_RECORD: 47,
  LIMIT_EXCEEDED: 48,
  NO_SUCH_SUBSCRIPTION: 60,
  SUBSCRIPTION_IN_USE: 61,
  OFFSET_OUT_OF_RANGE: 62,
  CORRUPT_BATCH: 80,
  CORRUPT_LOG: 81,
  STORAGE_FAILED: 82,
  DISK_FULL: 83,
  DATA_DIR_LOCKED: 84,
  UNSUPPORTED_FORMAT: 85,
  NOT_LEADER: 100,
  NO_LEADER: 101,
  UNAVAILABLE: 120,
  CONNECTION_LOST: 121,
  TIMEOUT: 122,
  ABORTED: 123,
  CLOSED: 124,
  BUFFER_FULL: 125,
  CONFIG_INVALID: 140,
}

describe('the error table', () => {
  test('wire numbers are unique and fit into 16 bits; 0 means success and is no error', () => {
    const numbers = entries.map(([, entry]) => entry.wire)
    expect(new Set(numbers).size).toBe(numbers.length)
    for (const wire of numbers) expect(Number.isInteger(wire) && wire >= 1 && wire <= 65_535).toBe(true)
  })

  test('a released wire number still means what it meant', () => {
    for (const [code, wire] of Object.entries(RELEASED)) expect(errorCodeFromWire(wire)).toBe(code)
  })

  test('exit codes are those of sysexits that gomqctl documents, and HTTP statuses are errors', () => {
    for (const [code, entry] of entries) {
      expect([64, 65, 69, 70, 75, 77, 78], code).toContain(entry.exitCode)
      expect(entry.httpStatus >= 400 && entry.httpStatus < 600, code).toBe(true)
    }
  })

  test('every code has a summary of one sentence', () => {
    for (const [code, entry] of entries) expect(entry.summary, code).toMatch(/^[A-Z].+\.$/)
  })

  test('every number reads as its code, and an unknown one as UNSPECIFIED', () => {
    for (const [code, entry] of entries) expect(errorCodeFromWire(entry.wire)).toBe(code)
    for (const wire of [0, -1, 99, 65_535, 1.5]) expect(errorCodeFromWire(wire)).toBe('UNSPECIFIED')
  })
})

describe('GomqError', () => {
  test('carries code, message, cause and whether trying again may help', () => {
    const cause = new Error('inner')
    const error = new GomqError('DISK_FULL', 'no space', { cause })
    expect(error).toBeInstanceOf(Error)
    expect([error.name, error.code, error.message, error.cause, error.retriable]).toEqual([
      'GomqError',
      'DISK_FULL',
      'no space',
      cause,
      true,
    ])
    expect(new GomqError('INVALID_TOPIC', '').retriable).toBe(false)
  })

  test('from keeps a GomqError as it is and wraps anything else with its cause', () => {
    const error = new GomqError('TIMEOUT', 'late')
    expect(GomqError.from(error)).toBe(error)
    const plain = new TypeError('odd')
    expect(GomqError.from(plain)).toMatchObject({ code: 'INTERNAL', message: 'odd', cause: plain })
    expect(GomqError.from('text', 'ABORTED')).toMatchObject({ code: 'ABORTED', message: 'text', cause: 'text' })
  })
})

test('an invariant that holds says nothing; one that is broken is no GomqError', () => {
  invariant(true, 'fine')
  expect(() => invariant(false, 'two leaders')).toThrow(InvariantError)
  expect(() => invariant(0, 'two leaders')).toThrow('invariant broken: two leaders')
})
