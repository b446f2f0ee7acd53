import { connect } from '@gomq/client'
import { describe, expect, test } from 'vitest'
import { LONG_MS, rounds, skipUnlessCampaign } from './support/campaign.js'
import { ClusterProcesses, statusOf } from './support/cluster-processes.js'
import { delay } from './support/killed-load.js'
import { compareLogs } from './support/member-logs.js'
import { survive } from './support/survival.js'

skipUnlessCampaign()

describe('an etcd that is gone', () => {
  test.each(['kill', 'SIGSTOP'] as const)(
    'etcd (%s), for 30 s',
    async (how) => {
      await survive(`F14 etcd gone for 30 s (${how})`, { qos: 2 }, async ({ cluster, gaps, note }) => {
        for (let round = 0; round < rounds(5); round++) {
          const { etcd } = cluster
          const goneMs = performance.now()
          if (how === 'kill') await etcd.kill()
          else etcd.signal('SIGSTOP')
          await delay(30_000)
          note(`last ack ${Math.round(gaps.lastAckMs - goneMs)} ms after etcd went`)
          expect(gaps.lastAckMs - goneMs).toBeLessThan(4_000 + 200)
          const leading = (await Promise.all(cluster.brokers.map(statusOf))).map((status) => status?.role)
          expect(leading).not.toContain('leader')
          await gaps.across(async () => (how === 'kill' ? await etcd.start() : etcd.signal('SIGCONT')))
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )

  test(
    'two of its three members, for 30 s',
    async () => {
      const options = { qos: 2, cluster: { etcdMembers: 3 } } as const
      await survive('F15 etcd without a quorum for 30 s', options, async ({ cluster, gaps, note }) => {
        for (let round = 0; round < rounds(5); round++) {
          const gone = cluster.etcds.filter((_, i) => i !== round % 3)
          const goneMs = performance.now()
          await Promise.all(gone.map((etcd) => etcd.kill()))
          await delay(30_000)
          note(`last ack ${Math.round(gaps.lastAckMs - goneMs)} ms after etcd lost its quorum`)
          expect(gaps.lastAckMs - goneMs).toBeLessThan(4_000 + 200)
          await gaps.across(() => Promise.all(gone.map((etcd) => etcd.start())).then(() => undefined))
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )
})

describe('an etcd whose answers are lost', () => {
  test(
    "with etcd's answer lost: to an election, to a change of the in-sync set",
    async () => {
      const isElection = (chunk: Buffer) =>
        chunk.includes('/leader') && chunk.includes('"addresses"') && chunk.includes('/isr')
      const isChange = (chunk: Buffer) => chunk.includes('"members"') && !chunk.includes('"addresses"')
      await survive('F16 lost replies', { qos: 2, hasNetwork: true }, async ({ cluster, network, gaps, note }) => {
        for (let round = 0; round < rounds(200); round++) {
          const leader = await cluster.leader()
          const others = cluster.others(leader)
          let isLost = false
          const lost = Promise.race(
            round % 2 === 0
              ? others.map((broker) => network.toEtcd(broker).loseReplyTo(isElection))
              : [network.toEtcd(leader).loseReplyTo(isChange)],
          ).then(() => (isLost = true))
          const startedMs = performance.now()
          if (round % 2 === 0) {
            await gaps.across(() => leader.kill())
            await leader.restart()
          } else {
            await gaps.across(() => others[0]!.kill())
            await Promise.race([lost, delay(10_000)])
            await others[0]!.restart()
          }
          note(
            `${round % 2 === 0 ? 'election' : 'in-sync'} ${isLost ? 'lost' : 'NOT LOST'}, ${Math.round(performance.now() - startedMs)} ms`,
          )
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )
})

describe('an etcd that is not the one it was', () => {
  test.each(['wiped', 'restored', 'restored, then written to by others'] as const)(
    '%s: every broker refuses with a reason, and nothing is cut',
    async (how) => {
      for (let round = 0; round < rounds(3); round++) {
        await using cluster = await ClusterProcesses.start()
        await using mq = await connect(cluster.urls)
        if (how !== 'wiped') {
          await cluster.etcd.backUp()
          await cluster.etcd.start()
          // The set moves on.
          const leader = await cluster.leader()
          await leader.kill()
          await leader.restart()
          await cluster.settled()
        }
        for (let i = 0; i < 50; i++) await mq.publish('t', `${i}`)
        await mq.close()
        const { highWatermark } = await cluster.settled()
        const isLate = how === 'restored, then written to by others'
        if (isLate) for (const broker of cluster.brokers) await broker.kill()
        if (how === 'wiped') await cluster.etcd.wipe()
        else await cluster.etcd.restore()
        await cluster.etcd.start()
        if (isLate) {
          const body = JSON.stringify({ key: 'b3RoZXI=', value: 'eA==' })
          for (let i = 0; i < 300; i++) await fetch(`${cluster.etcd.url}/v3/kv/put`, { method: 'POST', body })
          await Promise.allSettled(cluster.brokers.map((broker) => broker.restart()))
        }
        for (const broker of cluster.brokers) {
          const code = await Promise.race([broker.ended, delay(15_000).then(() => 'still running')])
          expect(code, broker.stderr).not.toBe('still running')
          expect(code).not.toBe(0)
          expect(broker.stderr).toMatch(/etcd was (wiped or )?restored|etcd was wiped/)
        }
        const directories = cluster.brokers.map(({ dataDirectory }) => dataDirectory)
        const logs = await compareLogs(directories, highWatermark)
        console.log(
          `F17 etcd ${how}: 3 of 3 refused, exit codes not 0; ${logs.batches} batches below ${highWatermark} on each`,
        )
        expect(logs.difference).toBeUndefined()
      }
    },
    LONG_MS,
  )
})
