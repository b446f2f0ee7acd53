import type { ReplicaMessage } from '@gomq/cluster'
import { type Epoch, nextOffsetOf, type Offset } from '@gomq/protocol'
import { beforeEach, describe, expect, it } from 'vitest'
import { Member } from '../../src/core/member.js'
import type { Ready } from '../../src/core/ready.js'
import { RecordKeeper } from '../../src/core/record-keeper.js'
import { testBatch } from '../support/test-batch.js'

const self = { id: 'b', storeId: 'b1' }
const LINK = 1

let log: ReturnType<typeof newLog>
let ready: Ready[]
let records: RecordKeeper
let member: Member

/** A log [0, 30) of epoch 1, all of it synced, 10 committed. */
function newLog() {
  return {
    storeId: 'b1',
    logStartOffset: 0 as Offset,
    highWatermark: 10 as Offset,
    syncedOffset: 30 as Offset,
    writtenOffset: 30 as Offset,
    logEndOffset: 30 as Offset,
    epochStarts: [{ epoch: 1 as Epoch, startOffset: 0 as Offset }],
    snapshotNeededFrom: 0 as Offset,
  }
}

beforeEach(() => {
  log = newLog()
  ready = []
  const emit = (item: Ready) => void ready.push(item)
  records = new RecordKeeper(undefined, emit)
  member = new Member({
    self,
    log,
    records,
    emit,
    appliedOffset: () => 10 as Offset,
  })
})

/** What is to be done since the last look, in words. */
function taken(): string[] {
  return ready.splice(0).map((item) => {
    if (item.kind === 'send')
      return item.message.kind === 'synced' ? `send synced ${item.message.offset}` : `send ${item.message.kind}`
    if (item.kind === 'truncate' || item.kind === 'reset') return `${item.kind} ${item.to}`
    if (item.kind === 'append') return `append to ${nextOffsetOf(item.batch)}`
    if (item.kind === 'commit') return `commit ${item.offset}`
    if (item.kind === 'persist')
      return `persist ${JSON.stringify({ epoch: item.record.epoch, isFilling: item.record.isFilling })}`
    return item.kind === 'fail' ? `fail: ${item.error.message}` : item.kind
  })
}

const hear = (message: ReplicaMessage) => member.handleMessage(message)
const cut = (offset: number, highWatermark = 20): ReplicaMessage => ({
  kind: 'cut',
  offset: offset as Offset,
  highWatermark: highWatermark as Offset,
})
const append = (batches: Uint8Array[] = [], highWatermark = 20): ReplicaMessage => ({
  kind: 'append',
  highWatermark: highWatermark as Offset,
  batches,
})
const batch = (base: number, epoch = 2, message = 1) => testBatch(message, base as Offset, epoch as Epoch, 5)

describe('a member that follows', () => {
  it('[R3] answers only when the epoch is on its disk', () => {
    records.update({ epoch: 2 as Epoch })
    member.follow(LINK, 2 as Epoch)
    expect(taken()).toEqual(['persist {"epoch":2,"isFilling":false}'])
    records.handlePersisted()
    member.handlePersisted()
    expect(taken()).toEqual(['send welcome'])
  })

  it('[R13] cuts its log before it takes the high watermark, and confirms then', () => {
    member.follow(LINK, 2 as Epoch)
    hear(cut(25))
    hear(append([batch(25)]))
    expect(taken()).toEqual(['send welcome', 'truncate 25'])
    Object.assign(log, { logEndOffset: 25, syncedOffset: 25 })
    member.handleLogChanged()
    expect(taken()).toEqual(['commit 20', 'send synced 25', 'append to 30', 'commit 20'])
  })

  it('[R13] stops rather than cut what has committed', () => {
    member.follow(LINK, 2 as Epoch)
    hear(cut(9))
    expect(taken()).toEqual([
      'send welcome',
      expect.stringMatching(/^fail: .*would cut this log at 9, outside 10 to 30/),
      'closeLink',
    ])
  })

  it('[R4] confirms what is synced, not what is appended, and commits no further', () => {
    member.follow(LINK, 2 as Epoch)
    hear(cut(30))
    taken()
    hear(append([batch(30), batch(35)], 40))
    Object.assign(log, { logEndOffset: 40 })
    expect(taken()).toEqual(['append to 35', 'append to 40', 'commit 30'])
    Object.assign(log, { syncedOffset: 35, highWatermark: 30 })
    member.handleSynced()
    expect(taken()).toEqual(['commit 35', 'send synced 35'])
  })

  it('answers a sign of life', () => {
    member.follow(LINK, 2 as Epoch)
    hear(cut(30, 10))
    taken()
    hear(append([], 10))
    expect(taken()).toEqual(['send synced 30'])
  })

  it.each([
    ['leaves a gap', () => batch(31)],
    ['is there already', () => batch(25)],
    ['has a newer epoch than its leader', () => batch(30, 3)],
    ['has an epoch that goes back', () => batch(30, 0)],
  ])('ends the link when a batch %s', (_, made) => {
    member.follow(LINK, 2 as Epoch)
    hear(cut(30, 10))
    taken()
    hear(append([made()]))
    expect(taken()).toEqual(['closeLink'])
    expect(member.link).toBeUndefined()
  })

  it('ends the link when the leader speaks out of turn', () => {
    member.follow(LINK, 2 as Epoch)
    hear(append())
    expect(taken()).toEqual(['send welcome', 'closeLink'])
  })

  it('waits with a new leader until the disk has done what the old one asked for', () => {
    member.follow(LINK, 2 as Epoch)
    hear(cut(25))
    taken()
    member.follow(2, 3 as Epoch)
    expect(taken()).toEqual(['closeLink'])
    member.handleLogChanged()
    expect(taken()).toEqual(['send welcome'])
  })
})

describe('a member whose log is filled anew', () => {
  it('confirms less than all until the record says that its state is whole', () => {
    member.follow(LINK, 2 as Epoch)
    hear({ kind: 'reset', offset: 100 as Offset })
    expect(taken()).toEqual(['send welcome', 'persist {"epoch":0,"isFilling":true}'])
    records.handlePersisted()
    member.handlePersisted()
    expect(taken()).toEqual(['reset 100'])
    Object.assign(log, {
      logStartOffset: 100,
      highWatermark: 100,
      syncedOffset: 100,
      logEndOffset: 100,
      epochStarts: [],
    })
    member.handleLogChanged()
    expect(taken()).toEqual(['send synced 99'])
    hear({ kind: 'snapshot', beginOffset: 103 as Offset, bytes: 1 })
    hear({ kind: 'chunk', bytes: new Uint8Array(1) })
    hear({ kind: 'chunk', bytes: new Uint8Array(0) })
    hear(append([batch(100), batch(105)], 107))
    expect(taken()).toEqual(['beginSnapshot', 'addChunk', 'finishSnapshot'])
    member.handleChunkTaken()
    member.handleLogChanged()
    expect(taken()).toEqual(['send synced 100', 'send synced 100', 'append to 105', 'append to 110'])
    Object.assign(log, { logEndOffset: 110, syncedOffset: 110 })
    member.handleSynced()
    expect(taken()).toEqual(['commit 107', 'persist {"epoch":0,"isFilling":false}', 'send synced 106'])
    records.handlePersisted()
    member.handlePersisted()
    expect(taken()).toEqual(['send synced 110'])
  })

  it('is emptied when it is started again before that: its state is lost', () => {
    records.update({ isFilling: true })
    records.handlePersisted()
    taken()
    member.follow(LINK, 2 as Epoch)
    expect(taken()).toEqual(['reset 0'])
    Object.assign(log, { syncedOffset: 0, logEndOffset: 0, highWatermark: 0, epochStarts: [] })
    member.handleLogChanged()
    expect(taken()).toEqual(['send welcome'])
  })

  it('gives up what it is receiving when the link ends, before anything else', () => {
    member.follow(LINK, 2 as Epoch)
    hear(cut(30, 10))
    hear({ kind: 'cleaned', endOffset: 50 as Offset, epochStarts: [] })
    taken()
    member.follow(2, 2 as Epoch)
    expect(taken()).toEqual(['closeLink'])
    member.handleLogChanged()
    expect(taken()).toEqual(['abandon'])
    member.handleLogChanged()
    expect(taken()).toEqual(['send welcome'])
  })

  it('ends the link when there is no room for what it is receiving, and begins anew over the next one', () => {
    member.follow(LINK, 2 as Epoch)
    hear(cut(30, 10))
    hear({ kind: 'cleaned', endOffset: 50 as Offset, epochStarts: [] })
    taken()
    member.handleLogUnchanged()
    expect(taken()).toEqual(['closeLink'])
    member.follow(2, 2 as Epoch)
    expect(taken()).toEqual(['send welcome'])
    hear(cut(30, 10))
    expect(taken()).toEqual(['send synced 30'])
  })

  it('answers the next link when there was no room for what came over the last one', () => {
    member.follow(LINK, 2 as Epoch)
    hear(cut(30, 10))
    hear({ kind: 'cleaned', endOffset: 50 as Offset, epochStarts: [] })
    member.follow(2, 2 as Epoch)
    taken()
    member.handleLogUnchanged()
    expect(taken()).toEqual(['send welcome'])
  })
})
