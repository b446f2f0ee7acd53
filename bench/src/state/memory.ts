import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type GomqClient } from '@gomq/client'
import { BrokerRun } from './broker-run.js'
import { fillClients, fillRetained, PATIENT } from './fill.js'
import type { Row, StateContext } from './state-context.js'

/** Clients of which some state is measured: what is kept of each is the same. */
const CLIENTS = 5_000
/** Connections that are open at once while their memory is measured. */
const CONNECTIONS = 1_000

type Fill = (address: string, count: number, onProgress: (share: number) => void) => Promise<void>

/** Bytes of memory that the broker needs for one entry of each kind, after a start, with everything collected that can be. */
export async function memory(context: StateContext): Promise<Row[]> {
  return [
    await measure('retained topic', context.entries, fillRetained, context),
    await measure(
      'session with a durable subscription',
      CLIENTS,
      (a, n, on) => fillClients(a, n, 'durable', on),
      context,
    ),
    await measure('producer', CLIENTS, (a, n, on) => fillClients(a, n, 'producer', on), context),
    await measureConnections(context),
  ]
}

async function measure(what: string, count: number, fill: Fill, context: StateContext): Promise<Row> {
  const directory = mkdtempSync(join(context.workDirectory, 'memory-'))
  try {
    const empty = await withBroker(directory, (broker) => bytesOf(broker))
    await withBroker(directory, (broker) => fill(broker.address, count, (share) => context.onProgress(what, share)))
    const full = await withBroker(directory, (broker) => bytesOf(broker))
    return { of: what, count, 'bytes each': Math.round((full - empty) / count), 'MiB together': toMib(full - empty) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function measureConnections(context: StateContext): Promise<Row> {
  const directory = mkdtempSync(join(context.workDirectory, 'memory-'))
  try {
    return await withBroker(directory, async (broker) => {
      const empty = await bytesOf(broker)
      const emptyRss = (await broker.ask('memory')).rssBytes
      const clients: GomqClient[] = []
      for (let i = 0; i < CONNECTIONS; i++) clients.push(await connect(`gomq://${broker.address}`, PATIENT))
      const bytes = (await bytesOf(broker)) - empty
      const rss = (await broker.ask('memory')).rssBytes - emptyRss
      for (const client of clients) await client.close()
      return {
        of: 'idle connection',
        count: CONNECTIONS,
        'bytes each': Math.round(bytes / CONNECTIONS),
        'MiB together': toMib(bytes),
        'resident bytes each': Math.round(rss / CONNECTIONS),
      }
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function withBroker<T>(directory: string, work: (broker: BrokerRun) => Promise<T>): Promise<T> {
  const broker = await BrokerRun.start(directory, { probe: true })
  try {
    return await work(broker)
  } finally {
    await broker.stop()
  }
}

async function bytesOf(broker: BrokerRun): Promise<number> {
  const { heapBytes, externalBytes } = await broker.ask('memory')
  return heapBytes + externalBytes
}

function toMib(bytes: number): number {
  return Math.round((10 * bytes) / 2 ** 20) / 10
}
