import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { isLong, LONG_MS, rounds, seed, skipUnlessCampaign } from './support/campaign.js'
import { inSyncCount } from './support/cluster-processes.js'
import { BLACK_HOLE } from './support/fault-proxy.js'
import { delay } from './support/killed-load.js'
import { LeaderKeyWatch } from './support/leader-key-watch.js'
import { survive } from './support/survival.js'

/** What is done without GOMQ_LONG too. */
skipUnlessCampaign(['between the leader and etcd: the last ack comes before the key can go'])

describe('networks that fail', () => {
  test(
    'between the leader and etcd: the last ack comes before the key can go',
    async () => {
      await survive(
        'F11 leader cut from etcd',
        { qos: 1, hasNetwork: true },
        async ({ cluster, network, gaps, note }) => {
          await using watch = await LeaderKeyWatch.start(cluster.etcd.url, '/gomq/test/leader')
          for (let round = 0; round < rounds(50); round++) {
            const leader = await cluster.leader()
            await delay(round * 100)
            const cutMs = performance.now()
            // What the old one acknowledges is told apart from what the next one does by the key.
            network.toEtcd(leader).treat(undefined, BLACK_HOLE)
            const { goneMs } = await watch.gone()
            const lastAckMs = gaps.lastAckMs
            note(`margin ${Math.round(goneMs - lastAckMs)} ms`)
            expect(goneMs - lastAckMs).toBeGreaterThanOrEqual(500)
            await gaps.nextAck()
            gaps.gapsMs.push(performance.now() - cutMs)
            network.heal()
            await cluster.settled()
          }
        },
      )
    },
    LONG_MS,
  )

  test(
    'between the leader and one member, or both',
    async () => {
      await survive(
        'F10 leader cut from members',
        { qos: 2, hasNetwork: true },
        async ({ cluster, network, gaps, note }) => {
          for (let round = 0; round < rounds(10); round++) {
            const leader = await cluster.leader()
            const cut = cluster.others(leader).slice(round % 2)
            const startedMs = performance.now()
            await gaps.across(() => Promise.resolve(cut.forEach((member) => void network.part(leader, member))))
            note(`cut from ${cut.length}: ${Math.round(performance.now() - startedMs)} ms`)
            await delay(2_000)
            network.heal()
            await cluster.settled()
          }
        },
      )
    },
    LONG_MS,
  )

  test(
    'in one direction only',
    async () => {
      await survive('F12 one-way cuts', { qos: 2, hasNetwork: true }, async ({ cluster, network, gaps, note }) => {
        for (let round = 0; round < rounds(12); round++) {
          const leader = await cluster.leader()
          const a = cluster.others(leader)[0]
          const startedMs = performance.now()
          const cuts = [
            () => network.part(leader, a!, true),
            () => network.part(a!, leader, true),
            () => cluster.others(leader).forEach((member) => void network.part(leader, member, true)),
            () => cluster.others(leader).forEach((member) => void network.part(member, leader, true)),
            () => network.toEtcd(leader).treat(undefined, { toTarget: { isHeld: true } }),
            () => network.toEtcd(leader).treat(undefined, { fromTarget: { isHeld: true } }),
          ]
          await gaps.across(() => Promise.resolve(void cuts[round % cuts.length]!()))
          note(`cut ${round % cuts.length}: ${Math.round(performance.now() - startedMs)} ms`)
          await delay(2_000)
          network.heal()
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )

  test(
    'between pairs that change all the time',
    async () => {
      const random = new SeededRandom(seed)
      await survive('F13 flapping', { qos: 2, hasNetwork: true, seed }, async ({ cluster, network, gaps, note }) => {
        for (let round = 0; round < rounds(3); round++) {
          const untilMs = performance.now() + (isLong ? 60_000 : 3_000)
          const parted = new Set<string>()
          while (performance.now() < untilMs) {
            const a = random.below(3)
            const b = (a + 1 + random.below(2)) % 3
            const [x, y] = [cluster.brokers[a]!, cluster.brokers[b]!]
            if (parted.delete(`${a}${b}`)) network.reunite(x, y)
            else {
              network.part(x, y, random.below(2) === 0)
              parted.add(`${a}${b}`)
            }
            await delay(200)
          }
          const healedMs = performance.now()
          network.heal()
          await gaps.nextAck()
          const backMs = performance.now() - healedMs
          note(`acks again after ${Math.round(backMs)} ms, epoch ${(await cluster.settled()).epoch}`)
          expect(backMs).toBeLessThan(10_000)
        }
      })
    },
    LONG_MS,
  )

  test(
    'to a member that is slow: it leaves the in-sync set, acks recover, it comes back',
    async () => {
      await survive('F18 slow member', { qos: 1, hasNetwork: true }, async ({ cluster, network, gaps, note }) => {
        for (let round = 0; round < rounds(5); round++) {
          const leader = await cluster.leader()
          const slow = cluster.others(leader)[0]!
          const slowed = { bytesPerSecond: 3_000, delayMs: 200 }
          network.toBroker(slow).treat(undefined, { toTarget: slowed, fromTarget: slowed })
          const startedMs = performance.now()
          while ((await inSyncCount(leader)) === 3 && performance.now() < startedMs + 20_000) await delay(50)
          const removedMs = performance.now()
          const acked = gaps.count('acked')
          await delay(3_000)
          const perSecond = Math.round((gaps.count('acked') - acked) / 3)
          network.heal()
          const healedMs = performance.now()
          await cluster.settled()
          note(
            `removed after ${Math.round(removedMs - startedMs)} ms, then ${perSecond} acks/s, back after ${Math.round(performance.now() - healedMs)} ms`,
          )
          expect(removedMs - startedMs).toBeLessThan(20_000)
          expect(perSecond).toBeGreaterThan(100)
        }
      })
    },
    LONG_MS,
  )
})
