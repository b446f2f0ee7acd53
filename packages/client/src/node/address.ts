import { GomqError } from '@gomq/protocol'

/** Port of the native protocol when the address names none. */
export const DEFAULT_PORT = 9000

/** Where a broker listens. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  /** As it was given, for messages. */
  readonly text: string
}

/**
 * Reads `gomq://host:port`, `gomqs://host:port` (TLS) or plain `host:port`.
 * @throws GomqError INVALID_ARGUMENT
 */
export function parseAddress(text: string): Address {
  let url: URL
  try {
    url = new URL(text.includes('://') ? text : `gomq://${text}`)
  } catch (cause) {
    throw new GomqError('INVALID_ARGUMENT', `'${text}' is no address; expected gomq://host:port`, { cause })
  }
  if ((url.protocol !== 'gomq:' && url.protocol !== 'gomqs:') || url.hostname === '') {
    throw new GomqError(
      'INVALID_ARGUMENT',
      `'${text}' is no address of a broker; expected gomq://host:port or gomqs://host:port`,
    )
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    isTls: url.protocol === 'gomqs:',
    text,
  }
}
