import { baseOffsetOf, type Epoch, epochOf, GomqError, nextOffsetOf, type Offset } from '@gomq/protocol'
import type { Replica } from '../cluster-view.js'
import { INBOX_MESSAGES_MAX } from '../limits.js'
import type { ReplicaMessage } from '../messages.js'
import type { LogView } from './log-view.js'
import type { Emit, LinkId } from './ready.js'
import type { RecordKeeper } from './record-keeper.js'

type Of<K extends ReplicaMessage['kind']> = Extract<ReplicaMessage, { kind: K }>

/** What a member needs from the replica that it belongs to. */
export interface MemberContext {
  readonly self: Replica
  readonly log: LogView
  readonly records: RecordKeeper
  readonly emit: Emit
  /** Where the broker's state goes on. */
  appliedOffset(): Offset
}

/**
 * A copy that follows a leader. What comes over the link is done one after the other: each message waits until the disk has done what the
 * one before asked for, also across links, so that a log is never appended to while it is being cut.
 *
 *     hello -> (persist) welcome -> cut or reset -> (disk) synced -> [snapshot, chunks ->] append, append, ...
 */
export class Member {
  readonly #context: MemberContext
  #link: LinkId | undefined
  #epoch: Epoch = 0 as Epoch
  #inbox: ReplicaMessage[] = []
  /** Whether the log or the snapshot is being changed. */
  #isBusy = false
  /** Over which link the change was asked for. */
  #changedFor: LinkId | undefined
  /** What goes on when the disk has done, or the record is saved. */
  #waiting:
    | { readonly for: 'disk' | 'record'; readonly then: () => void; readonly link: LinkId | undefined }
    | undefined
  #isAligned = false
  /** What the log ends with when all that was asked for is done. */
  #end: Offset = 0 as Offset
  #lastEpoch: Epoch = 0 as Epoch
  /** The link ended while something was being received and the disk was busy: it is abandoned when the disk is done. */
  #mustAbandon = false
  #receiving: 'cleaned' | 'snapshot' | undefined
  #leaderHighWatermark: Offset = 0 as Offset
  #reported: Offset = -1 as Offset
  /** While the log is being filled: where its snapshot begins, and from where on it holds all that the snapshot's state needs. */
  #fill: { readonly begin: Offset; readonly target: Offset | undefined } | undefined

  constructor(context: MemberContext) {
    this.#context = context
  }

  /** The link to the leader that it follows. */
  get link(): LinkId | undefined {
    return this.#link
  }
  /** Whether the disk is changing the log: nobody may lead meanwhile. */
  get isBusy(): boolean {
    return this.#isBusy
  }

  /** Follows over a new link, whose leader the caller has accepted: `epoch` is in the record (R3). What comes over the old one is void. */
  follow(link: LinkId, epoch: Epoch): void {
    this.leave()
    this.#link = link
    this.#epoch = epoch
    this.#whenIdle(() => this.#whenSaved(() => this.#welcome()))
  }

  /** Ends the link if its leader is of an older epoch than this. */
  fence(epoch: Epoch): void {
    if (this.#epoch < epoch) this.leave()
  }

  /** Ends the link. What the disk is doing goes on. */
  leave(): void {
    if (this.#link === undefined) return
    this.#context.emit({ kind: 'closeLink', link: this.#link })
    this.#link = undefined
    this.#inbox = []
    this.#isAligned = false
    this.#reported = -1 as Offset
    if (this.#waiting?.for === 'record') this.#waiting = undefined
    if (this.#receiving === undefined) return
    this.#receiving = undefined
    if (this.#isBusy) this.#mustAbandon = true
    else this.#abandon()
  }

  /** The leader has spoken. */
  handleMessage(message: ReplicaMessage): void {
    this.#inbox.push(message)
    if (this.#inbox.length > INBOX_MESSAGES_MAX) this.leave()
    else this.#drain()
  }

  /** What the disk was asked for is done. */
  handleLogChanged(): void {
    this.#isBusy = false
    if (this.#mustAbandon) this.#abandon()
    else this.#resume('disk')
  }

  /**
   * What the disk was asked for could not be done: there is no room for what is being received, or it was damaged on its way. All of it is given up
   * and the log is as it was. The link ends, and over the next one the leader tries again.
   */
  handleLogUnchanged(): void {
    this.#isBusy = false
    this.#mustAbandon = false
    if (this.#link !== undefined && this.#link === this.#changedFor) {
      this.#receiving = undefined
      this.#waiting = undefined
      this.leave()
    } else this.#resume('disk')
  }

  /** The record may have been saved. */
  handlePersisted(): void {
    if (this.#context.records.isSettled) this.#resume('record')
    if (this.#isAligned) this.#reportIfRisen()
  }

  /** A piece of the snapshot was taken. */
  handleChunkTaken(): void {
    if (this.#receiving === 'snapshot') this.#report()
  }

  /** More of the log is on disk. */
  handleSynced(): void {
    if (!this.#isAligned || this.#isBusy || this.#receiving !== undefined) return
    this.#commit()
    this.#reportIfRisen()
  }

  #welcome(): void {
    const { log, self, records } = this.#context
    // A log that was being filled when the process ended belongs to a state that is lost.
    if (records.current.isFilling && this.#fill === undefined) {
      this.#change({ kind: 'reset', to: 0 as Offset }, () => {
        this.#fill = { begin: 0 as Offset, target: undefined }
        this.#welcome()
      })
      return
    }
    this.#send({
      kind: 'welcome',
      id: self.id,
      storeId: self.storeId,
      logStartOffset: log.logStartOffset,
      logEndOffset: log.logEndOffset,
      highWatermark: log.highWatermark,
      epochStarts: log.epochStarts,
      appliedOffset: this.#context.appliedOffset(),
    })
  }

  #drain(): void {
    while (this.#waiting === undefined && !this.#isBusy && this.#link !== undefined) {
      const message = this.#inbox.shift()
      if (message === undefined) return
      this.#process(message)
    }
  }

  #process(message: ReplicaMessage): void {
    if (message.kind === 'refuse')
      return this.#fail(`the leader of epoch ${message.epoch} refuses it: ${message.reason}`)
    if (message.kind === 'cut' && !this.#isAligned) return this.#cut(message)
    if (message.kind === 'reset' && !this.#isAligned) return this.#reset(message.offset)
    if (!this.#isAligned) return this.leave()
    if (message.kind === 'handover') return this.#context.emit({ kind: 'readView' })
    if (message.kind === 'snapshot' && this.#receiving === undefined) return this.#beginSnapshot(message)
    if (message.kind === 'chunk' && this.#receiving === 'snapshot') return this.#takeChunk(message)
    if (message.kind === 'append' && this.#receiving === undefined) return this.#append(message)
    if (message.kind === 'cleaned' && this.#receiving === undefined) return this.#beginCleaned(message)
    if (message.kind === 'cleanedBatches' && this.#receiving === 'cleaned')
      return this.#change({ kind: 'addCleaned', batches: message.batches }, () => this.#report())
    if (message.kind === 'cleanedEnd' && this.#receiving === 'cleaned') {
      this.#receiving = undefined
      return this.#change({ kind: 'finishCleaned' }, () => this.#handleGrown())
    }
    // Out of order: the peer broke the contract.
    this.leave()
  }

  /** R13: the log is cut where the histories part, and only then is the leader's high watermark taken. */
  #cut({ offset, highWatermark }: Of<'cut'>): void {
    const { log } = this.#context
    if (offset < log.highWatermark || offset > log.logEndOffset)
      return this.#fail(
        `the leader of epoch ${this.#epoch} would cut this log at ${offset}, outside ${log.highWatermark} to ${log.logEndOffset}`,
      )
    const align = () => {
      this.#align(highWatermark)
      this.#commit()
      this.#report()
    }
    if (offset === log.logEndOffset) align()
    else this.#change({ kind: 'truncate', to: offset }, align)
  }

  #reset(offset: Offset): void {
    this.#context.records.update({ isFilling: true })
    this.#whenSaved(() =>
      this.#change({ kind: 'reset', to: offset }, () => {
        this.#fill = { begin: offset, target: undefined }
        this.#align(offset)
        this.#report()
      }),
    )
  }

  #beginSnapshot({ beginOffset }: Of<'snapshot'>): void {
    this.#receiving = 'snapshot'
    this.#context.records.update({ isFilling: true })
    this.#whenSaved(() => {
      this.#fill = { begin: beginOffset, target: undefined }
      this.#context.emit({ kind: 'beginSnapshot', beginOffset })
    })
  }

  #takeChunk({ bytes }: Of<'chunk'>): void {
    if (bytes.byteLength > 0) return this.#context.emit({ kind: 'addChunk', bytes })
    this.#change({ kind: 'finishSnapshot' }, () => {
      this.#report()
      this.#receiving = undefined
    })
  }

  #append(message: Of<'append'>): void {
    if (this.#fill !== undefined && this.#fill.target === undefined) {
      const begin = this.#fill.begin
      // The state behind a snapshot is whole from where the leader had committed when the snapshot had come.
      this.#fill = { begin, target: Math.max(begin, message.highWatermark) as Offset }
    }
    for (const batch of message.batches) {
      if (!this.#fits(batch)) return this.leave()
      this.#end = nextOffsetOf(batch)
      this.#lastEpoch = epochOf(batch)
      this.#context.emit({ kind: 'append', batch })
    }
    if (message.highWatermark > this.#leaderHighWatermark) this.#leaderHighWatermark = message.highWatermark
    this.#commit()
    if (message.batches.length === 0) this.#report()
    else this.#reportIfRisen()
  }

  /** Whether a batch continues the log: no gap, no epoch that goes back or is newer than the leader's. Its checksums were verified when it came in. */
  #fits(batch: Uint8Array): boolean {
    const epoch = epochOf(batch)
    return (
      baseOffsetOf(batch) === this.#end &&
      nextOffsetOf(batch) > this.#end &&
      epoch >= this.#lastEpoch &&
      epoch <= this.#epoch
    )
  }

  #align(leaderHighWatermark: Offset): void {
    const { log } = this.#context
    this.#isAligned = true
    this.#leaderHighWatermark = leaderHighWatermark
    this.#end = log.logEndOffset
    this.#lastEpoch = log.epochStarts.at(-1)?.epoch ?? (0 as Epoch)
  }

  #abandon(): void {
    this.#mustAbandon = false
    this.#isBusy = true
    this.#context.emit({ kind: 'abandon' })
  }

  #beginCleaned({ endOffset, epochStarts }: Of<'cleaned'>): void {
    if (endOffset <= this.#end || epochStarts.some(({ epoch }) => epoch > this.#epoch)) return this.leave()
    this.#receiving = 'cleaned'
    this.#change({ kind: 'beginCleaned', endOffset, epochStarts })
  }

  #handleGrown(): void {
    this.#align(this.#leaderHighWatermark)
    this.#commit()
    this.#report()
  }

  /** What the leader has committed and this disk has. */
  #commit(): void {
    const { log, emit } = this.#context
    const point = Math.min(this.#leaderHighWatermark, log.syncedOffset) as Offset
    if (point > log.highWatermark) emit({ kind: 'commit', offset: point })
  }

  #reportIfRisen(): void {
    if (this.#confirmable() > this.#reported) this.#report()
  }

  #report(): void {
    this.#reported = this.#confirmable()
    this.#send({ kind: 'synced', offset: this.#reported })
  }

  /**
   * What is on this disk (R4). A log that is being filled is thrown away by a restart: until the record says that it is whole, it confirms
   * less than what would bring it into the in-sync set.
   */
  #confirmable(): Offset {
    const { log, records } = this.#context
    const target = this.#fill?.target
    if (target !== undefined && log.syncedOffset >= target && records.current.isFilling)
      records.update({ isFilling: false })
    if (records.isSettled && !records.current.isFilling) {
      this.#fill = undefined
      return log.syncedOffset
    }
    if (this.#fill === undefined) return log.syncedOffset
    return Math.max(0, Math.min(log.syncedOffset, (target ?? this.#fill.begin) - 1)) as Offset
  }

  #change(ready: Parameters<Emit>[0], then: () => void = () => undefined): void {
    this.#isBusy = true
    this.#changedFor = this.#link
    this.#waiting = { for: 'disk', then, link: this.#link }
    this.#context.emit(ready)
  }

  #whenIdle(then: () => void): void {
    if (!this.#isBusy) then()
    else this.#waiting = { for: 'disk', then, link: this.#link }
  }

  #whenSaved(then: () => void): void {
    if (this.#context.records.isSettled) then()
    else this.#waiting = { for: 'record', then, link: this.#link }
  }

  #resume(cause: 'disk' | 'record'): void {
    const waiting = this.#waiting
    if (waiting?.for === cause) {
      this.#waiting = undefined
      if (waiting.link === this.#link && this.#link !== undefined) waiting.then()
    }
    this.#drain()
  }

  #send(message: ReplicaMessage): void {
    if (this.#link !== undefined) this.#context.emit({ kind: 'send', link: this.#link, message })
  }

  #fail(reason: string): void {
    this.#context.emit({
      kind: 'fail',
      error: new GomqError('CORRUPT_LOG', `${reason}; replace this broker's data directory`),
    })
    this.leave()
  }
}
