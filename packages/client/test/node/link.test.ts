import { createServer, type Server } from 'node:net'
import { GomqError } from '@gomq/protocol'
import { afterEach, expect, test } from 'vitest'
import { parseAddress } from '../../src/node/address.js'
import { Link } from '../../src/node/link.js'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** A server that accepts and says nothing. */
async function listen(): Promise<string> {
  const server = createServer((socket) => socket.resume().on('error', () => {}))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

function linkTo(addresses: string[], connectTimeoutMs = 1000, greet?: (link: Link, opens: number) => void) {
  const log: string[] = []
  const link: Link = new Link(
    {
      addresses: addresses.map(parseAddress),
      connectTimeoutMs,
      reconnectMinMs: 1,
      reconnectMaxMs: 4,
      random: { next: () => 0.5 },
    },
    {
      handleOpen: () => {
        log.push('open')
        if (greet === undefined) link.handleEstablished(1000)
        else greet(link, log.filter((line) => line === 'open').length)
      },
      handlePacket() {},
      handlePause() {},
      handleBlocked() {},
      handleLost: (error) => void log.push(`lost ${error.code}`),
      handleClosed: () => void log.push('closed'),
      handleReconnecting: (attempt, delayMs) => void log.push(`reconnecting ${attempt} ${delayMs}`),
    },
  )
  return { link, log }
}

test('tries each address once, and names the last failure', async () => {
  const { link, log } = linkTo(['127.0.0.1:1', '127.0.0.1:2'])
  await expect(link.connect()).rejects.toThrow(/127\.0\.0\.1:2/)
  expect(log).toEqual(['closed', 'closed'])
})

test('connects again after a loss, with pauses between half and the whole of the bound, until it is closed', async () => {
  const { link, log } = linkTo(['127.0.0.1:1', await listen()])
  await link.connect()
  link.disconnect(new GomqError('KEEP_ALIVE_TIMEOUT', ''))
  await expect.poll(() => log.filter((line) => line === 'open').length).toBe(2)
  expect(log).toEqual([
    'closed',
    'open',
    'closed',
    'lost KEEP_ALIVE_TIMEOUT',
    'reconnecting 1 0.75',
    'closed',
    // The pause grows when all addresses have been tried.
    'reconnecting 2 0.75',
    'open',
  ])
  const closing = [link.close(new GomqError('CLOSED', '')), link.close(new GomqError('CLOSED', ''))]
  await Promise.all(closing)
  expect(log.slice(8)).toEqual(['closed', 'lost CLOSED'])
})

test('closed before it connects, between attempts, or twice, it settles and stays closed', async () => {
  const never = linkTo([await listen()])
  await never.link.close(new GomqError('CLOSED', ''))
  await expect(never.link.connect()).rejects.toMatchObject({ code: 'CLOSED' })
  const between = linkTo([await listen()])
  await between.link.connect()
  servers.at(-1)!.close()
  between.link.disconnect(new GomqError('KEEP_ALIVE_TIMEOUT', ''))
  await expect.poll(() => between.log.some((line) => line.startsWith('reconnecting 3'))).toBe(true)
  await between.link.close(new GomqError('CLOSED', ''))
  const { length } = between.log
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(between.log.length).toBe(length)
})

test('goes to the leader that a broker names, at once, also to one that was not given', async () => {
  const leader = await listen()
  let connections = 0
  servers.at(-1)!.on('connection', () => connections++)
  const { link, log } = linkTo([await listen(), '127.0.0.1:1'], 1000, (to, opens) => {
    if (opens === 1) to.disconnect(new GomqError('NOT_LEADER', ''), leader)
    else to.handleEstablished(1000)
  })
  await link.connect()
  expect(log).toEqual(['open', 'closed', 'open'])
  expect(connections).toBe(1)
  await link.close(new GomqError('CLOSED', ''))
})

test('two brokers that name each other are not followed for ever', async () => {
  const both = [await listen(), await listen()]
  const { link, log } = linkTo(both, 300, (to, opens) =>
    to.disconnect(new GomqError('NOT_LEADER', ''), both[opens % 2]),
  )
  await expect(link.connect()).rejects.toMatchObject({ code: 'NOT_LEADER' })
  expect(log.filter((line) => line === 'open').length).toBeLessThan(30)
})

test('waits for a cluster without a leader, and says so when there is none in time', async () => {
  const brokers = [await listen(), await listen()]
  const elects = linkTo(brokers, 5000, (to, opens) => {
    if (opens < 4) to.disconnect(new GomqError('NO_LEADER', ''))
    else to.handleEstablished(1000)
  })
  await elects.link.connect()
  await elects.link.close(new GomqError('CLOSED', ''))
  const never = linkTo(brokers, 300, (to) => to.disconnect(new GomqError('NO_LEADER', 'nobody leads')))
  await expect(never.link.connect()).rejects.toMatchObject({ code: 'NO_LEADER', message: 'nobody leads' })
})

test('what a broker names that is no address is passed over', async () => {
  const { link } = linkTo([await listen(), await listen()], 1000, (to, opens) => {
    if (opens === 1) to.disconnect(new GomqError('NOT_LEADER', ''), 'no address at all')
    else to.handleEstablished(1000)
  })
  await link.connect()
  await link.close(new GomqError('CLOSED', ''))
})
