import { rmSync } from 'node:fs'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { LONG_MS, rounds, seed, skipUnlessCampaign } from './support/campaign.js'
import { delay } from './support/killed-load.js'
import { survive } from './support/survival.js'

skipUnlessCampaign()

describe('processes that die', () => {
  test.each([{ qos: 1 }, { qos: 2 }] as const)(
    'the leader, again and again, at QoS $qos',
    async ({ qos }) => {
      const random = new SeededRandom(seed + qos)
      await survive('F1/F25 kill -9 of the leader', { qos, seed }, async ({ cluster, gaps }) => {
        for (let round = 0; round < rounds(50); round++) {
          await delay(random.below(500))
          const leader = await cluster.leader()
          await gaps.across(() => leader.kill())
          await delay(random.below(300))
          await leader.restart()
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )

  test(
    'the leader, and another broker while the next one is elected',
    async () => {
      const random = new SeededRandom(seed)
      await survive('F25 second kill during the failover', { qos: 2, seed }, async ({ cluster, gaps }) => {
        for (let round = 0; round < rounds(50); round++) {
          const leader = await cluster.leader()
          const second = cluster.others(leader)[random.below(2)]!
          await leader.kill()
          await delay(random.below(600))
          await second.kill()
          await delay(random.below(300))
          await gaps.across(() => Promise.all([leader.restart(), second.restart()]).then(() => undefined))
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )

  test(
    'a member while it catches up, and the leader meanwhile',
    async () => {
      const random = new SeededRandom(seed)
      await survive('F25 kills during catch-up', { qos: 1, seed }, async ({ cluster, gaps }) => {
        for (let round = 0; round < rounds(50); round++) {
          const leader = await cluster.leader()
          const member = cluster.others(leader)[random.below(2)]!
          await member.kill()
          if (round % 3 === 2) rmSync(member.dataDirectory, { recursive: true })
          await delay(500 + random.below(1000))
          await member.restartAndKill(() => delay(300 + random.below(900)))
          await member.restart()
          await delay(random.below(400))
          if (round % 2 === 0) {
            await gaps.across(() => leader.kill())
            await leader.restart()
          }
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )

  test(
    'each in turn by SIGTERM, three times over, and no publish fails',
    async () => {
      const gaps = await survive('F20 rolling restart', { qos: 1 }, async ({ cluster, gaps }) => {
        for (let round = 0; round < rounds(3); round++) {
          for (const broker of cluster.brokers) {
            const isLeader = broker === (await cluster.leader())
            const stopping = async () => void (await broker.stop())
            if (isLeader) await gaps.across(stopping)
            else await stopping()
            await broker.restart()
            await cluster.settled()
          }
        }
      })
      expect(gaps.count('refused') + gaps.count('unknown')).toBe(0)
    },
    LONG_MS,
  )
})
