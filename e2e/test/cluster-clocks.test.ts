import { connect } from '@gomq/client'
import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import type { BrokerProcess } from './support/broker-process.js'
import { LONG_MS, rounds, skipUnlessCampaign } from './support/campaign.js'
import { nextLeader, statusOf } from './support/cluster-processes.js'
import { FrameProxy } from './support/frame-proxy.js'
import { delay } from './support/killed-load.js'
import { readAll } from './support/read-all.js'
import { type Surviving, survive } from './support/survival.js'

const HOUR_MS = 3_600_000
const BLOCKED_MS = 8_000
/** For `--import`: SIGUSR2 keeps the event loop busy. */
const BLOCKED_LOOP = `process.on('SIGUSR2', () => {
  const untilMs = performance.now() + ${BLOCKED_MS}
  while (performance.now() < untilMs);
})`
/** For `--import`: the wall clock is a tenth too fast, and SIGUSR2 sets it an hour on, or two back, by turns. */
const BAD_CLOCK = `const now = Date.now, startMs = now()
let jumpMs = 0
Date.now = () => startMs + Math.floor((now() - startMs) * 1.1) + jumpMs
process.on('SIGUSR2', () => { jumpMs = jumpMs > 0 ? -${HOUR_MS} : ${HOUR_MS} })`

skipUnlessCampaign()

describe('processes that sleep', () => {
  test(
    'the leader, for longer than its lease',
    async () => {
      await survive('F8 SIGSTOP of the leader for 12 s', { qos: 2 }, async (surviving) => {
        for (let round = 0; round < rounds(50); round++)
          await sleepAndAckNothing(surviving, {
            forMs: 12_000,
            begin: (leader) => void process.kill(leader.pid, 'SIGSTOP'),
            end: (leader) => void process.kill(leader.pid, 'SIGCONT'),
          })
      })
    },
    LONG_MS,
  )

  test(
    "the leader's event loop, for longer than its lease",
    async () => {
      const cluster = { nodeArgs: imported(BLOCKED_LOOP) }
      await survive('F9 blocked loop of the leader for 8 s', { qos: 2, cluster }, async (surviving) => {
        for (let round = 0; round < rounds(10); round++)
          await sleepAndAckNothing(surviving, {
            // A little before it wakes.
            forMs: BLOCKED_MS - 300,
            begin: (leader) => void process.kill(leader.pid, 'SIGUSR2'),
            end: () => undefined,
          })
      })
    },
    LONG_MS,
  )
})

describe('clocks that are wrong', () => {
  test(
    'by an hour, on and back, and a tenth too fast: nobody is elected, and nothing expires before its time',
    async () => {
      const cluster = { nodeArgs: imported(BAD_CLOCK) }
      await survive('F24 wall clock', { qos: 2, cluster }, async ({ cluster, gaps, note }) => {
        const { epoch } = await cluster.settled()
        await using mq = await connect(cluster.urls)
        let longestMs = 0
        for (let round = 0; round < rounds(10, 2); round++) {
          await mq.publish(`lives/${round}`, 'ten minutes', { ttlMs: HOUR_MS / 6 })
          for (const broker of cluster.brokers) {
            const startedMs = performance.now()
            process.kill(broker.pid, 'SIGUSR2')
            await gaps.nextAck()
            longestMs = Math.max(longestMs, performance.now() - startedMs)
            await delay(500)
          }
          await delay(2_000)
          expect((await cluster.settled()).epoch, 'no election').toBe(epoch)
        }
        const alive = await readAll(cluster.urls, 'lives/#')
        note(`${3 * rounds(10, 2)} jumps, 0 elections, longest wait for an ack ${Math.round(longestMs)} ms`)
        expect(alive).toHaveLength(rounds(10, 2))
      })
    },
    LONG_MS,
  )

  test(
    'that start anywhere: a broker comes back with another monotonic clock',
    async () => {
      await survive('F24 monotonic clock', { qos: 2 }, async ({ cluster, gaps, note }) => {
        let days = 0
        for (let round = 0; round < rounds(4); round++) {
          for (const broker of cluster.brokers) {
            days = (days + 7) % 30
            const under = ['unshare', '--time', '--fork', '--kill-child', '--monotonic', String(days * 86_400)]
            await gaps.across(() => broker.kill())
            await broker.restart({ under })
            await cluster.settled()
          }
        }
        note(`${3 * rounds(4)} brokers came back with a clock of their own`)
      })
    },
    LONG_MS,
  )
})

/** Flags of Node that run this module first. */
function imported(source: string): string[] {
  return ['--import', `data:text/javascript,${encodeURIComponent(source)}`]
}

/** How a leader sleeps. */
interface Sleep {
  readonly forMs: number
  begin(leader: BrokerProcess): void
  /** `forMs` later. */
  end(leader: BrokerProcess): void
}

/** The leader sleeps past its lease while publishes wait for its acks: another leads, and the old one acknowledges nothing when it wakes. */
async function sleepAndAckNothing({ cluster, note }: Surviving, sleep: Sleep): Promise<void> {
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
  const beganMs = performance.now()
  sleep.begin(leader)
  const next = await nextLeader(cluster.others(leader))
  const leadsMs = performance.now() - beganMs
  // What it had sent before it slept has come by then.
  await delay(sleep.forMs - leadsMs)
  let hasAcked = false
  void way.cutAt({ type: PacketType.PUBACK, nth: 1, when: 'before' }).then(() => (hasAcked = true))
  sleep.end(leader)
  await delay(2_000)
  isAsking = false
  await asking
  void witness.close().catch(() => undefined)
  note(`next leader after ${Math.round(leadsMs)} ms, acks of the old one after it woke: ${hasAcked ? 'SOME' : 0}`)
  expect(hasAcked).toBe(false)
  expect((await statusOf(next))?.role).toBe('leader')
  await cluster.settled()
}
