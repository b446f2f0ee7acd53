import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { connect } from '@gomq/client'
import { PacketType } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import type { BrokerProcess } from './support/broker-process.js'
import { ClusterProcesses, statusOf } from './support/cluster-processes.js'
import { etcdMissing } from './support/etcd-process.js'
import { FrameProxy } from './support/frame-proxy.js'
import { delay } from './support/killed-load.js'
import { compareLogs } from './support/member-logs.js'
import { straceMissing } from './support/strace.js'
import { survive } from './support/survival.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const seed = Number(process.env['GOMQ_SEED'] ?? 20_262)
/** Runs of a fault in the long campaign. */
const rounds = (long: number, short = 1) => Number(process.env['GOMQ_ROUNDS'] ?? (isLong ? long : short))
const LONG_MS = 3_600_000

beforeEach((context) => {
  if (etcdMissing !== undefined) context.skip(etcdMissing)
  if (!isLong) context.skip('takes long: GOMQ_LONG=1')
})

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
        for (let round = 0; round < rounds(20); round++) {
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
        for (let round = 0; round < rounds(20); round++) {
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

  test(
    'a member, or the leader, with its disk, while another member is behind',
    async () => {
      const random = new SeededRandom(seed)
      await survive('F21/F22 wiped disks', { qos: 2, seed, hasNetwork: true }, async (surviving) => {
        const { cluster, network, gaps } = surviving
        for (let round = 0; round < rounds(10); round++) {
          const leader = await cluster.leader()
          const [behind, wiped] = random.below(2) === 0 ? cluster.others(leader) : cluster.others(leader).reverse()
          const victim = round % 2 === 0 ? leader : wiped!
          network.toBroker(behind!).treat(undefined, { toTarget: { bytesPerSecond: 20_000 } })
          await delay(random.below(1500))
          await gaps.across(async () => {
            await victim.kill()
            rmSync(victim.dataDirectory, { recursive: true })
            await delay(random.below(500))
            await victim.restart()
          })
          await delay(500)
          network.heal()
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )
})

describe('processes that sleep', () => {
  test(
    'the leader, for longer than its lease',
    async () => {
      await survive('F8 SIGSTOP of the leader for 12 s', { qos: 2 }, async ({ cluster, note }) => {
        for (let round = 0; round < rounds(10); round++) {
          const leader = await cluster.leader()
          await using way = await FrameProxy.start(() => leader.tcp)
          const witness = await connect(way.url, { clientId: 'witness' })
          let isAsking = true
          const asking = (async () => {
            while (isAsking) {
              for (let i = 0; i < 20; i++) witness.publish('witness', 'x', { qos: 1 }).catch(() => undefined)
              await delay(10)
            }
          })()
          await delay(300)
          const pausedMs = performance.now()
          process.kill(leader.pid, 'SIGSTOP')
          const next = await nextLeader(cluster.others(leader))
          const leadsMs = performance.now() - pausedMs
          // What it had sent before it slept has come by then.
          await delay(12_000 - leadsMs)
          let hasAcked = false
          void way.cutAt({ type: PacketType.PUBACK, nth: 1, when: 'before' }).then(() => (hasAcked = true))
          process.kill(leader.pid, 'SIGCONT')
          await delay(2_000)
          isAsking = false
          await asking
          void witness.close().catch(() => undefined)
          note(
            `next leader after ${Math.round(leadsMs)} ms, acks of the old one after SIGCONT: ${hasAcked ? 'SOME' : 0}`,
          )
          expect(hasAcked).toBe(false)
          expect((await statusOf(next))?.role).toBe('leader')
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )

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

describe('disks that fail', () => {
  test(
    'EIO on a sync of the leader: it acknowledges nothing more, and another one leads at once',
    async (context) => {
      if (straceMissing !== undefined) context.skip(straceMissing)
      await survive('F6 EIO on fdatasync of the leader', { qos: 1 }, async ({ cluster, gaps, note }) => {
        for (let round = 0; round < rounds(10); round++) {
          const leader = await cluster.leader()
          // The n-th sync of each thread fails.
          const strace = spawn('strace', [
            '-f',
            '-p',
            String(leader.pid),
            '-o',
            '/dev/null',
            '-e',
            'trace=fdatasync',
            '-e',
            'inject=fdatasync:error=EIO',
          ])
          const attachedMs = performance.now()
          const code = await Promise.race([leader.ended, delay(20_000).then(() => 'still running')])
          const endedMs = performance.now()
          expect(code).not.toBe(0)
          expect(code).not.toBe('still running')
          const leadsMs = await nextLeader(cluster.others(leader)).then(() => performance.now())
          gaps.gapsMs.push((await gaps.nextAck()) - endedMs)
          note(
            `ended (${code}) ${Math.round(endedMs - attachedMs)} ms after strace began, next leader ${Math.round(leadsMs - endedMs)} ms later`,
          )
          strace.kill('SIGKILL')
          await leader.restart()
          await cluster.settled()
        }
      })
    },
    LONG_MS,
  )
})

/** Who of these leads, as soon as one does. */
async function nextLeader(brokers: readonly BrokerProcess[]): Promise<BrokerProcess> {
  const untilMs = Date.now() + 30_000
  while (Date.now() < untilMs) {
    for (const broker of brokers) if ((await statusOf(broker))?.role === 'leader') return broker
    await delay(20)
  }
  throw new Error('nobody leads')
}
