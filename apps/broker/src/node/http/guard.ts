import { isIP } from 'node:net'
import { GomqError } from '@gomq/protocol'
import type { FastifyRequest } from 'fastify'

/**
 * Refuses what a web page could make a browser send here: requests for a foreign host name (DNS rebinding makes such a name point
 * at this machine) and requests from another origin (CSRF). Addresses and `localhost` cannot be rebound.
 *
 * The answer is the refusal, if there is one.
 *
 * @param hostNames  names that are this broker's as well, in lower case
 */
export function browserGuard(hostNames: readonly string[]): (request: FastifyRequest) => GomqError | undefined {
  const known = new Set(['localhost', ...hostNames])
  return (request) => {
    const { host, origin } = request.headers
    const name = hostNameOf(host ?? '')
    if (!known.has(name) && isIP(name) === 0) {
      return new GomqError(
        'NOT_AUTHORIZED',
        'the Host header names a host that is not this broker; use its address, or add the name to --http-hosts',
      )
    }
    if (origin !== undefined && origin.toLowerCase() !== `http://${host?.toLowerCase()}`) {
      return new GomqError('NOT_AUTHORIZED', 'requests from pages of another origin are refused')
    }
    return undefined
  }
}

/** The name in a Host header: without port, and without the brackets of an IPv6 address. */
function hostNameOf(host: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(host)
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase()
}
