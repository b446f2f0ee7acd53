import { beforeEach, expect, test } from 'vitest'
import { ClusterProcesses } from './support/cluster-processes.js'
import { etcdMissing } from './support/etcd-process.js'

beforeEach((context) => {
  if (etcdMissing !== undefined) context.skip(etcdMissing)
})

test('HTTP at a member publishes, subscribes and shows the cluster as HTTP at the leader does', async () => {
  await using cluster = await ClusterProcesses.start()
  const leader = await cluster.leader()
  const [one, two] = cluster.brokers.filter((broker) => broker !== leader)
  const stop = new AbortController()
  const stream = await fetch(`${two!.httpUrl}/v1/subscribe?topic=A&from=earliest`, { signal: stop.signal })
  const events = stream.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
  const published = await fetch(`${one!.httpUrl}/pub`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ topic: 'A', body: 'through a member' }),
  })
  expect(await published.json()).toMatchObject({ durability: 'replicated' })
  let text = ''
  while (!text.includes('through a member')) text += (await events.next()).value
  stop.abort()
  const shown = (await (await fetch(`${one!.httpUrl}/v1/cluster`)).json()) as {
    id: string
    leaderId: string
    brokers: { lag: number | null; startedAtMs: number | null }[]
  }
  expect(shown.id).toBe(shown.leaderId)
  expect(shown.brokers).toHaveLength(3)
  for (const { lag, startedAtMs } of shown.brokers) expect([lag, startedAtMs]).not.toContain(null)
}, 60_000)
