import { decodeUtf8 } from '@gomq/protocol'
import { refuse } from './field.js'

/** A place in the list of subscriptions. */
export interface SubscriptionPlace {
  readonly clientId: string
  readonly name: string
}

/** The place as text for a query; what it says is nobody's business. A client id holds no NUL. */
export function encodePlace({ clientId, name }: SubscriptionPlace): string {
  return Buffer.from(`${clientId}\0${name}`).toString('base64url')
}

/** @throws GomqError INVALID_ARGUMENT  for what {@link encodePlace} did not make */
export function decodePlace(place: string): SubscriptionPlace {
  const bytes = Uint8Array.from(Buffer.from(place, 'base64url'))
  if (Buffer.from(bytes).toString('base64url') !== place || !bytes.includes(0))
    return refuse('after is no place in this list; pass next of the page before')
  try {
    const text = decodeUtf8(bytes)
    const end = text.indexOf('\0')
    return { clientId: text.slice(0, end), name: text.slice(end + 1) }
  } catch {
    return refuse('after is no place in this list; pass next of the page before')
  }
}
