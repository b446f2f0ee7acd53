import { GomqError, SUBSCRIPTION_NAME_BYTES_MAX, utf8Bytes, validateTopicFilter } from '@gomq/protocol'
import { PREFETCH_BYTES_DEFAULT, PREFETCH_MESSAGES_DEFAULT } from '../session/limits.js'
import type { SubscriptionRequest } from '../session/subscription-state.js'
import { integerOption, type SubscribeOptions, startPosition } from './options.js'

const CREDIT_MAX = 0x7fff_ffff

/**
 * What an application subscribes to, with every default in its place, checked.
 * @param isAlwaysDurable  whether a subscription without a name is named by its filters, see {@link nameOf}
 * @throws GomqError INVALID_FILTER, INVALID_ARGUMENT
 */
export function subscribeRequest(
  filters: string | readonly string[],
  options: SubscribeOptions,
  isAlwaysDurable: boolean,
): SubscriptionRequest {
  const list = typeof filters === 'string' ? [filters] : [...filters]
  if (list.length === 0) throw new GomqError('INVALID_ARGUMENT', 'a subscription needs at least one topic filter')
  for (const filter of list) validateTopicFilter(filter)
  const { qos = 1, from = 'new', prefetch, untilEnd = false } = options
  if (qos !== 0 && qos !== 1 && qos !== 2)
    throw new GomqError('INVALID_ARGUMENT', `qos is ${String(qos)}; expected 0, 1 or 2`)
  const name = options.name ?? (isAlwaysDurable ? nameOf(list) : null)
  if (name !== null) checkName(name)
  return {
    filters: list,
    qos,
    name,
    from: startPosition(from),
    retained: options.retained ?? from === 'new',
    prefetchMessages: integerOption(
      'prefetch.messages',
      prefetch?.messages ?? PREFETCH_MESSAGES_DEFAULT,
      1,
      CREDIT_MAX,
    ),
    prefetchBytes: integerOption('prefetch.bytes', prefetch?.bytes ?? PREFETCH_BYTES_DEFAULT, 1, CREDIT_MAX),
    untilEnd,
    gathersAcks: options.ack === 'auto',
  }
}

/** The sorted filters, joined by spaces. A space in a filter is written `##`, which no filter holds, so that no other filters have the name. */
function nameOf(filters: readonly string[]): string {
  return filters
    .toSorted()
    .map((filter) => filter.replaceAll(' ', '##'))
    .join(' ')
}

function checkName(name: string): void {
  const bytes = utf8Bytes(name)
  if (bytes <= SUBSCRIPTION_NAME_BYTES_MAX) return
  const message = `the subscription's name has ${bytes} bytes; give it one of at most ${SUBSCRIPTION_NAME_BYTES_MAX}`
  throw new GomqError('INVALID_ARGUMENT', message)
}
