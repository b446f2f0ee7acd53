import type { ClusterView, LeaderKey } from '@gomq/cluster'
import type { Epoch, Offset } from '@gomq/protocol'
import { describe, expect, it } from 'vitest'
import { LastLeader } from '../../src/core/last-leader.js'
import { Leadership } from '../../src/core/leadership.js'
import { LeaderLease } from '../../src/core/lease.js'
import type { Ready } from '../../src/core/ready.js'

const addresses = (id: string) => ({ tcp: '', http: '', replication: id })
const a = { id: 'a', storeId: 'a1' }
const b = { id: 'b', storeId: 'b1' }
const c = { id: 'c', storeId: 'c1' }
const key: LeaderKey = { ...a, epoch: 4 as Epoch, addresses: addresses('a'), createRevision: 20 }
const broker = (copy: typeof a) => ({ ...copy, addresses: addresses(copy.id), version: '', isEmpty: false })
const view: ClusterView = {
  coordinatorId: 'etcd',
  revision: 20,
  cluster: { uuid: 'u', replicas: 3 },
  inSync: { epoch: 4 as Epoch, members: [a, b], modRevision: 20 },
  leader: key,
  brokers: [a, b, c].map(broker),
}

/** A leader elected with a log end of 30 and a high watermark of 10; its epoch's first record is at 30. */
function lead() {
  const log = {
    storeId: 'a1',
    logStartOffset: 0 as Offset,
    highWatermark: 10 as Offset,
    syncedOffset: 30 as Offset,
    writtenOffset: 30 as Offset,
    logEndOffset: 30 as Offset,
    epochStarts: [{ epoch: 3 as Epoch, startOffset: 0 as Offset }],
    snapshotNeededFrom: 0 as Offset,
  }
  const ready: Ready[] = []
  const lease = new LeaderLease()
  lease.handleRenewed(0, 5000)
  lease.handleKeySeen()
  let numbers = 0
  const emit = (item: Ready) => void ready.push(item)
  const lastLeader = new LastLeader()
  const leadership = new Leadership(
    { self: a, log, lease, lagMs: 3000, lastLeader, emit, takeNumber: () => ++numbers },
    key,
    view,
    0,
  )
  leadership.handleView(view, 0)
  const links = new Map(ready.flatMap((item) => (item.kind === 'openLink' ? [[item.address, item.link]] : [])))
  const take = <K extends Ready['kind']>(kind: K) =>
    ready.filter((item): item is Extract<Ready, { kind: K }> => item.kind === kind)
  const confirm = (copy: typeof a, offset: number, nowMs = 0) =>
    leadership.handleMessage(links.get(copy.id)!, { kind: 'synced', offset: offset as Offset }, nowMs)
  /** Appended and written; not synced yet. */
  const write = (end: number) => {
    Object.assign(log, { logEndOffset: end, writtenOffset: end })
    if (log.epochStarts.length === 1) log.epochStarts.push({ epoch: 4 as Epoch, startOffset: 30 as Offset })
    leadership.handleWritten()
  }
  const sync = () => {
    log.syncedOffset = log.writtenOffset
    leadership.handleSynced(0)
  }
  return {
    log,
    leadership,
    take,
    /** The member's link stands, and it has everything up to `end`. */
    follow(copy: typeof a, end: number) {
      const link = links.get(copy.id)!
      leadership.handleLinkOpened(link, 0)
      const welcome = { logStartOffset: 0 as Offset, logEndOffset: end as Offset, highWatermark: 0 as Offset }
      const rest = { epochStarts: log.epochStarts, appliedOffset: 0 as Offset }
      leadership.handleMessage(link, { kind: 'welcome', ...copy, ...welcome, ...rest }, 0)
      confirm(copy, end)
    },
    confirm,
    read(copy: typeof a, nextOffset: number) {
      leadership.handleLogRead(links.get(copy.id)!, { batches: [], nextOffset: nextOffset as Offset })
    },
    write,
    sync,
    append(end: number) {
      write(end)
      sync()
    },
  }
}

describe('who comes into the in-sync set', () => {
  it('[R11] not one that has what the leader knows to be committed, but not what was in its log when it was elected', () => {
    const { follow, confirm, read, take } = lead()
    follow(c, 10)
    read(c, 30)
    confirm(c, 29)
    expect(take('changeInSync')).toEqual([])
    confirm(c, 30)
    expect(take('changeInSync')).toMatchObject([{ members: [a, b, c], leaderRevision: 20, inSyncRevision: 20 }])
  })
})

describe('what commits', () => {
  it('[R14] nothing before the first record of the epoch is synced by all, then everything below at once', () => {
    const { follow, append, read, confirm, take } = lead()
    follow(b, 30)
    expect(take('commit')).toEqual([])
    append(31)
    expect(take('commit')).toEqual([])
    read(b, 31)
    confirm(b, 31)
    expect(take('commit')).toEqual([{ kind: 'commit', offset: 31 }])
  })

  it('[R17] nothing when the lease has run out, although all have confirmed', () => {
    const { leadership, follow, append, read, confirm, take } = lead()
    follow(b, 30)
    append(31)
    read(b, 31)
    confirm(b, 31, 4000)
    leadership.handleTick(4001)
    expect(take('commit')).toEqual([])
  })

  it('[R8] nothing that a member which is being removed lacks', () => {
    const { leadership, follow, append, read, confirm, take } = lead()
    follow(b, 30)
    follow(c, 30)
    leadership.handleView({ ...view, inSync: { ...view.inSync!, members: [a, b, c], modRevision: 21 } }, 0)
    append(31)
    read(b, 31)
    confirm(b, 31)
    for (let nowMs = 250; nowMs <= 3500; nowMs += 250) {
      confirm(b, 31)
      leadership.handleTick(nowMs)
    }
    expect(take('commit')).toEqual([])
  })
})

describe('a member that has less than it had confirmed', () => {
  /** It comes back over another link, and its log ends at `end`. @returns the link */
  function comeBack({ leadership, take }: ReturnType<typeof lead>, copy: typeof a, end: number) {
    leadership.handleLinkClosed(take('openLink').find(({ address }) => address === copy.id)!.link)
    leadership.handleTick(250)
    const link = take('openLink').at(-1)!.link
    leadership.handleLinkOpened(link, 250)
    const marks = { logStartOffset: 0 as Offset, logEndOffset: end as Offset, highWatermark: 0 as Offset }
    const rest = { epochStarts: [{ epoch: 3 as Epoch, startOffset: 0 as Offset }], appliedOffset: 0 as Offset }
    leadership.handleMessage(link, { kind: 'welcome', ...copy, ...marks, ...rest }, 250)
    return link
  }

  it('[F23] is told to stop if it is in sync: its disk has lost what others count on', () => {
    const leader = lead()
    leader.follow(b, 30)
    const link = comeBack(leader, b, 20)
    expect(leader.take('send').at(-1)).toMatchObject({
      link,
      message: { kind: 'refuse', reason: /ends at 20.*30 was confirmed/ },
    })
  })

  it('is filled again if it is not in sync: it was stopped while its log was being filled', () => {
    const leader = lead()
    leader.follow(c, 20)
    const link = comeBack(leader, c, 0)
    expect(leader.take('send').at(-1)).toMatchObject({ link, message: { kind: 'cut', offset: 0 } })
    leader.leadership.handleMessage(link, { kind: 'synced', offset: 0 as Offset }, 250)
    expect(leader.leadership.syncedOf(c)).toBe(0)
    expect(leader.take('changeInSync')).toEqual([])
  })
})

describe('a leader that nobody answers', () => {
  /** Ticks from then to then, ms. */
  const tick = ({ leadership }: ReturnType<typeof lead>, fromMs: number, toMs: number) => {
    for (let nowMs = fromMs; nowMs <= toMs; nowMs += 250) leadership.handleTick(nowMs)
  }

  it('gives the lead up after the lag limit, as others in sync live', () => {
    const led = lead()
    led.follow(b, 30)
    tick(led, 250, 3000)
    expect(led.take('removeLeader')).toEqual([])
    tick(led, 3250, 3250)
    expect(led.take('removeLeader')).toEqual([{ kind: 'removeLeader', leaderRevision: 20 }])
  })

  it('keeps it while one member answers, or if nobody else is there', () => {
    const led = lead()
    led.follow(b, 30)
    for (let nowMs = 250; nowMs <= 9000; nowMs += 250) {
      led.confirm(b, 30, nowMs)
      led.leadership.handleTick(nowMs)
    }
    const alone = lead()
    alone.follow(b, 30)
    alone.leadership.handleView({ ...view, brokers: [broker(a)] }, 0)
    tick(alone, 250, 9000)
    expect([...led.take('removeLeader'), ...alone.take('removeLeader')]).toEqual([])
  })

  it('keeps it while one answers that is not in sync, but on its way', () => {
    const led = lead()
    led.follow(b, 30)
    led.follow(c, 10)
    for (let nowMs = 250; nowMs <= 9000; nowMs += 250) {
      led.confirm(c, 11, nowMs)
      led.leadership.handleTick(nowMs)
    }
    expect(led.take('removeLeader')).toEqual([])
  })

  it('gives them the limit once more after it stood still itself', () => {
    const led = lead()
    led.follow(b, 30)
    tick(led, 250, 2000)
    tick(led, 9000, 12_000)
    expect(led.take('removeLeader')).toEqual([])
    tick(led, 12_250, 12_250)
    expect(led.take('removeLeader')).toHaveLength(1)
  })
})

describe('[R4, R5] what is written and not yet synced by the leader', () => {
  it('goes to the members, and commits when it has synced it as well, whoever is first', () => {
    const { log, follow, confirm, read, write, sync, take } = lead()
    const committed = () => {
      const points = take('commit').map(({ offset }) => offset)
      log.highWatermark = points.at(-1) ?? log.highWatermark
      return log.highWatermark
    }
    follow(b, 30)
    const readsBefore = take('readLog').length
    write(40)
    expect(take('readLog').slice(readsBefore)).toMatchObject([{ from: 30 }])
    read(b, 40)
    confirm(b, 40)
    expect(committed()).toBe(10)
    sync()
    expect(committed()).toBe(40)
    write(50)
    read(b, 50)
    sync()
    expect(committed()).toBe(40)
    confirm(b, 50)
    expect(committed()).toBe(50)
  })
})
