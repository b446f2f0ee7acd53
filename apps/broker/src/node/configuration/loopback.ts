import { isIP } from 'node:net'

/** Whether only this machine reaches the host: `localhost`, 127.0.0.0/8, `::1`, and the latter's IPv4-mapped form. */
export function isLoopback(host: string): boolean {
  const address = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
  if (isIP(address) === 4) return address.startsWith('127.')
  return address === '::1' || address === '0:0:0:0:0:0:0:1' || address === 'localhost'
}
