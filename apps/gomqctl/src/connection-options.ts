import { closeSync, openSync, readSync } from 'node:fs'
import { type ConnectOptions, GomqError, type WillOptions } from '@gomq/client'
import type { ConnectionFlags } from './options.js'

/** Bytes of a password file that are looked at; no password is that long. */
const PASSWORD_FILE_BYTES_MAX = 4096

/** What the flags come to for the client. Reads the password file. @throws GomqError INVALID_ARGUMENT */
export function connectOptionsOf(flags: ConnectionFlags): ConnectOptions {
  const { clientId, username, keepAlive, cleanSession, sessionExpiry, compression } = flags
  const password = passwordOf(flags)
  const will = willOf(flags)
  if (password !== undefined && username === undefined)
    throw usage('a password is given and no user name; name the user with --username or GOMQ_USERNAME')
  if (cleanSession === false && clientId === undefined)
    throw usage('--no-clean-session keeps what belongs to a client; name that with --client-id or GOMQ_CLIENT_ID')
  return {
    ...(clientId !== undefined && { clientId }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(keepAlive !== undefined && { keepAliveSec: keepAlive }),
    ...(cleanSession !== undefined && { cleanSession }),
    ...(sessionExpiry !== undefined && { sessionExpirySec: sessionExpiry }),
    ...(compression !== undefined && { compression }),
    ...(will !== undefined && { will }),
  }
}

/** The same flags without those that say what becomes of the session: for commands that only look and must leave it as it is. */
export function withoutSession<Flags extends ConnectionFlags>(flags: Flags): Omit<Flags, 'cleanSession'> {
  const { cleanSession: _, ...others } = flags
  return others
}

function passwordOf({ password, passwordFile }: ConnectionFlags): string | undefined {
  if (passwordFile === undefined) return password
  if (password !== undefined) throw usage('--password and --password-file are both given; use one of the two')
  return readPassword(passwordFile)
}

function readPassword(file: string): string {
  const bytes = Buffer.alloc(PASSWORD_FILE_BYTES_MAX + 1)
  let length = 0
  try {
    const descriptor = openSync(file, 'r')
    try {
      for (let read = -1; read !== 0 && length < bytes.byteLength; length += read)
        read = readSync(descriptor, bytes, length, bytes.byteLength - length, null)
    } finally {
      closeSync(descriptor)
    }
  } catch (cause) {
    throw usage(`the password file '${file}' cannot be read: ${(cause as Error).message}`, cause)
  }
  if (length > PASSWORD_FILE_BYTES_MAX)
    throw usage(`the password file '${file}' has more than ${PASSWORD_FILE_BYTES_MAX} bytes; is it the right file?`)
  return bytes.toString('utf8', 0, length).replace(/\r?\n$/, '')
}

function willOf(flags: ConnectionFlags): WillOptions | undefined {
  const { willTopic, willMessage, willQos, willRetain } = flags
  if (willTopic !== undefined)
    return {
      topic: willTopic,
      value: willMessage ?? '',
      ...(willQos !== undefined && { qos: willQos }),
      ...(willRetain !== undefined && { retain: willRetain }),
    }
  if (willMessage !== undefined || willQos !== undefined || willRetain !== undefined)
    throw usage('a will is given without its topic; name it with --will-topic or GOMQ_WILL_TOPIC')
  return undefined
}

function usage(message: string, cause?: unknown): GomqError {
  return new GomqError('INVALID_ARGUMENT', message, { cause })
}
