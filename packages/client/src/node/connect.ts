import { GomqError } from '@gomq/protocol'
import { parseAddress } from './address.js'
import { GomqClient } from './client.js'
import { type ConnectOptions, resolveConnectOptions } from './connect-options.js'

/**
 * Connects to a broker, or to the first of several that answers. After that the client reconnects by itself.
 *
 *     await using mq = await connect('gomq://127.0.0.1:9000', { clientId: 'svc-1' })
 *     await mq.publish('orders/eu', { id: 7 })
 *
 * @throws GomqError UNAVAILABLE       nobody answers; the message names the address
 * @throws GomqError INVALID_ARGUMENT  an address or option
 * @throws GomqError ABORTED           by the signal
 */
export async function connect(urls: string | readonly string[], options: ConnectOptions = {}): Promise<GomqClient> {
  const addresses = (typeof urls === 'string' ? [urls] : urls).map(parseAddress)
  if (addresses.length === 0) throw new GomqError('INVALID_ARGUMENT', 'connect needs at least one address')
  const client = new GomqClient(addresses, resolveConnectOptions(options))
  await client.open(options.signal)
  return client
}
