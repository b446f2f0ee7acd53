import { rmSync } from 'node:fs'
import { connect } from '@gomq/client'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { ClusterProcesses, statusOf } from './support/cluster-processes.js'
import { etcdMissing } from './support/etcd-process.js'
import { delay } from './support/killed-load.js'
import { readAll } from './support/read-all.js'
import { survive } from './support/survival.js'

const seed = Number(process.env['GOMQ_SEED'] ?? 20_262)

beforeEach((context) => {
  if (etcdMissing !== undefined) context.skip(etcdMissing)
})

describe('a cluster of three', () => {
  test('forms by itself, takes publishes at any broker and says that they are replicated', async () => {
    await using cluster = await ClusterProcesses.start()
    for (const broker of cluster.brokers) {
      await using mq = await connect(broker.url)
      expect(await mq.publish('t', 'x', { qos: 1 })).toMatchObject({ durability: 'replicated' })
    }
    const answers = await Promise.all(cluster.brokers.map(statusOf))
    expect(new Set(answers.map((answer) => answer?.leaderId)).size).toBe(1)
    expect(answers.map((answer) => answer?.role).sort()).toEqual(['leader', 'member', 'member'])
    expect(await readAll(cluster.urls, 't')).toEqual(['x', 'x', 'x'])
  })

  test('loses, doubles and reorders nothing when its leader is killed and a member loses its disk', async () => {
    const random = new SeededRandom(seed)
    await survive('kill -9 of the leader, wiped member', { qos: 2, seed }, async ({ cluster, gaps }) => {
      await delay(200 + random.below(500))
      const leader = await cluster.leader()
      await gaps.across(() => leader.kill())
      await leader.restart()
      await cluster.settled()
      const member = cluster.others(await cluster.leader())[0]!
      await member.kill()
      rmSync(member.dataDirectory, { recursive: true })
      await member.restart()
    })
  }, 120_000)

  test('is restarted one by one under load, and no publish fails', async () => {
    const gaps = await survive('rolling restart', { qos: 1, seed }, async ({ cluster, gaps }) => {
      for (const broker of cluster.brokers) {
        await gaps.across(async () => void (await broker.stop()))
        await broker.restart()
        await cluster.settled()
      }
    })
    expect(gaps.count('refused') + gaps.count('unknown')).toBe(0)
  }, 120_000)

  test('stops acknowledging when etcd is gone, and goes on when it is back', async () => {
    await survive('etcd gone', { qos: 2, seed }, async ({ cluster, gaps }) => {
      await cluster.etcd.kill()
      // The lease of 5 s has run out by then, whenever it was renewed last.
      await delay(6_000)
      const acked = gaps.count('acked')
      await delay(1_500)
      expect(gaps.count('acked')).toBe(acked)
      await gaps.across(() => cluster.etcd.start())
    })
  }, 120_000)
})
