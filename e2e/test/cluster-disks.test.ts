import { spawn } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type GomqClient } from '@gomq/client'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { LONG_MS, rounds, seed, skipUnlessCampaign } from './support/campaign.js'
import { inSyncCount, nextLeader } from './support/cluster-processes.js'
import { delay } from './support/killed-load.js'
import { SmallDisk } from './support/small-disk.js'
import { straceMissing } from './support/strace.js'
import { survive } from './support/survival.js'
import { until } from './support/until.js'

skipUnlessCampaign(['under the leader publishes are refused, a member leaves; with room all go on without a restart'])

describe('disks that are lost', () => {
  test(
    'a member, or the leader, with its disk, while another member is behind',
    async () => {
      const random = new SeededRandom(seed)
      await survive('F21/F22 wiped disks', { qos: 2, seed, hasNetwork: true }, async (surviving) => {
        const { cluster, network, gaps } = surviving
        for (let round = 0; round < rounds(50); round++) {
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

  test(
    'and put back as they were: refused where the copy counts, filled where it does not',
    async () => {
      await survive('F23 old copy of a data directory', { qos: 2 }, async ({ cluster, note }) => {
        for (let round = 0; round < rounds(10, 2); round++) {
          const counts = round % 2 === 0
          const leader = await cluster.leader()
          const [old, other] = cluster.others(leader)
          const copy = `${old!.dataDirectory}-copy`
          await old!.kill()
          cpSync(old!.dataDirectory, copy, { recursive: true })
          await old!.restart()
          await cluster.settled()
          await delay(500)
          // With nobody but these two in sync, the leader cannot do without it.
          if (counts) await other!.kill()
          if (counts) await until('two are in sync', async () => (await inSyncCount(leader)) === 2, 60_000)
          await old!.kill()
          if (!counts) await until('two are in sync', async () => (await inSyncCount(leader)) === 2, 60_000)
          rmSync(old!.dataDirectory, { recursive: true })
          cpSync(copy, old!.dataDirectory, { recursive: true })
          rmSync(copy, { recursive: true })
          const said = old!.stderr.length
          await old!.restart().catch(() => undefined)
          if (counts) {
            const code = await Promise.race([old!.ended, delay(15_000).then(() => 'still running')])
            expect([code, old!.stderr.slice(said)]).toEqual([
              expect.not.stringMatching('still running'),
              expect.stringContaining("replace this broker's data directory"),
            ])
            expect(code).not.toBe(0)
            rmSync(old!.dataDirectory, { recursive: true })
            await Promise.all([old!.restart(), other!.restart()])
            note('refused')
          } else note('filled')
          await cluster.settled()
        }
      })
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
        for (let round = 0; round < rounds(50); round++) {
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

describe('disks that are slow', () => {
  test(
    'under a member: it leaves the in-sync set after the lag limit, acks recover, it comes back',
    async (context) => {
      if (straceMissing !== undefined) context.skip(straceMissing)
      await survive('F19 slow disk of a member', { qos: 1 }, async ({ cluster, note }) => {
        await using mq = await connect(cluster.urls)
        for (let round = 0; round < rounds(5); round++) {
          const leader = await cluster.leader()
          const slow = cluster.others(leader)[round % 2]!
          const before = await awaitedMs(mq, 1_000)
          const half = await slowDown(slow.pid, 500)
          const during = await awaitedMs(mq, 5_000)
          await half.end()
          const startedMs = performance.now()
          const whole = await slowDown(slow.pid, 5_000)
          const waited = awaitedMs(mq, 8_000)
          await until('two are in sync', async () => (await inSyncCount(leader)) === 2, 60_000)
          const removedMs = performance.now() - startedMs
          await waited
          const after = await awaitedMs(mq, 1_000)
          await whole.end()
          const healedMs = performance.now()
          await cluster.settled()
          const backMs = performance.now() - healedMs
          note(
            `ack p50/p99 ${before}; with syncs of 0.5 s ${during}; of 5 s: left after ${Math.round(removedMs)} ms, then ${after}; back after ${Math.round(backMs)} ms`,
          )
          expect(backMs).toBeLessThan(30_000)
        }
      })
    },
    LONG_MS,
  )
})

describe('disks that are full', () => {
  test(
    'under the leader publishes are refused, a member leaves; with room all go on without a restart',
    async (context) => {
      const disks = [SmallDisk.mount(200), SmallDisk.mount(200), SmallDisk.mount(200)]
      const [refusal] = disks.filter((disk) => typeof disk === 'string')
      if (refusal !== undefined) context.skip(refusal)
      const mounted = disks as SmallDisk[]
      try {
        const cluster = {
          dataDirectories: mounted.map(({ path }) => join(path, 'data')),
          args: ['--segment-bytes', '4MiB', '--snapshot-interval-bytes', '8MiB'],
        }
        await survive('F7 full disks', { qos: 1, cluster }, async ({ cluster, gaps, note }) => {
          const diskOf = (broker: { readonly dataDirectory: string }) =>
            mounted.find(({ path }) => broker.dataDirectory.startsWith(path))!
          for (let round = 0; round < rounds(5); round++) {
            const pids = cluster.brokers.map(({ pid }) => pid)
            const leader = await cluster.leader()
            const member = cluster.others(leader)[round % 2]!
            const ready = async () =>
              ((await (await fetch(`${leader.httpUrl}/readyz`)).json()) as { publishes?: string }).publishes
            diskOf(leader).occupy(diskOf(leader).freeBytes - (1 << 20))
            await until('publishes are refused', async () => (await ready()) === 'refused', 60_000)
            await gaps.across(async () => diskOf(leader).release())
            // Nothing at all is free; without a few bytes more there is nothing that it lacks.
            diskOf(member).occupy()
            await until('two are in sync', async () => (await inSyncCount(leader)) === 2, 60_000)
            const acked = gaps.count('acked')
            await until('publishes are acked', async () => gaps.count('acked') > acked + 100, 60_000)
            diskOf(member).release()
            await cluster.settled()
            expect(cluster.brokers.map(({ pid }) => pid)).toEqual(pids)
          }
          note(`${rounds(5)} full disks of a leader and of a member, the same processes`)
        })
      } finally {
        for (const disk of mounted) disk[Symbol.dispose]()
      }
    },
    LONG_MS,
  )
})

/** How long awaited publishes take, one after the other, in words: p50 and p99. */
async function awaitedMs(mq: GomqClient, forMs: number): Promise<string> {
  const times: number[] = []
  for (const untilMs = performance.now() + forMs; performance.now() < untilMs; ) {
    const startedMs = performance.now()
    await mq.publish('awaited', 'x', { qos: 1, timeoutMs: 60_000 })
    times.push(performance.now() - startedMs)
  }
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))]!.toFixed(1)
  return `${at(0.5)}/${at(0.99)} ms`
}

/** Every sync of this process takes so much longer, until `end`. */
async function slowDown(pid: number, byMs: number): Promise<{ end(): Promise<void> }> {
  const injection = `inject=fdatasync:delay_enter=${byMs * 1000}`
  const flags = ['-f', '-p', String(pid), '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', injection]
  const strace = spawn('strace', flags, { stdio: ['ignore', 'ignore', 'pipe'] })
  await new Promise((resolve) => strace.stderr.once('data', resolve))
  const ended = new Promise<void>((resolve) => strace.once('exit', () => resolve()))
  return {
    end: () => {
      strace.kill('SIGTERM')
      return ended
    },
  }
}
