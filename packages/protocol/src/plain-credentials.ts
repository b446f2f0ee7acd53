import { GomqError } from './errors.js'
import { decodeUtf8, encodeUtf8 } from './utf8.js'

/** Name of the mechanism in CONNECT's `authMethod`. */
export const PLAIN_METHOD = 'PLAIN'

/** UTF-8 bytes of a user name and of a password. Stops credentials from being used as storage. */
export const CREDENTIAL_BYTES_MAX = 1024

/** A user name and a password, as they travel in CONNECT. */
export interface PlainCredentials {
  /** 1 to {@link CREDENTIAL_BYTES_MAX} bytes, no NUL. */
  readonly username: string
  /** 0 to {@link CREDENTIAL_BYTES_MAX} bytes, no NUL. */
  readonly password: string
}

/**
 * Credentials as CONNECT's `authData`: `NUL username NUL password`, the PLAIN mechanism with an empty authorization identity
 * (RFC 4616).
 * @throws GomqError INVALID_ARGUMENT  a NUL, an empty user name, or more bytes than the limit
 */
export function encodePlainCredentials({ username, password }: PlainCredentials): Uint8Array {
  return encodeUtf8(`\0${checked('user name', username, 1)}\0${checked('password', password, 0)}`)
}

/** The credentials in CONNECT's `authData`. @throws GomqError AUTH_FAILED  bytes that are none; the message never repeats them */
export function decodePlainCredentials(authData: Uint8Array): PlainCredentials {
  try {
    const [identity, username, password, ...more] = decodeUtf8(authData).split('\0')
    if (identity === '' && username !== undefined && password !== undefined && more.length === 0)
      return { username: checked('user name', username, 1), password: checked('password', password, 0) }
  } catch {
    // Said below, in one way for every kind of wrong bytes.
  }
  throw new GomqError('AUTH_FAILED', 'the credentials are not in the form of PLAIN: NUL, user name, NUL, password')
}

function checked(what: string, text: string, bytesMin: number): string {
  const bytes = encodeUtf8(text).byteLength
  if (bytes < bytesMin || bytes > CREDENTIAL_BYTES_MAX || text.includes('\0'))
    throw new GomqError(
      'INVALID_ARGUMENT',
      `the ${what} must have ${bytesMin} to ${CREDENTIAL_BYTES_MAX} bytes and no NUL`,
    )
  return text
}
