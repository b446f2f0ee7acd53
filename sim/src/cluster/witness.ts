import { Attribute, attributesOf, baseOffsetOf, type Crc32, nextOffsetOf, writeU32, writeU64 } from '@gomq/protocol'
import type { Report } from '../checker.js'
import { CommittedEpochs, type LogMarks } from './committed-epochs.js'
import { Deliveries } from './deliveries.js'

const HEADER_CRC_AT = 4
const SYNCED_OFFSET_AT = 32

/** A disk that holds a log, or did until it was lost. */
export interface Copy {
  readonly name: string
  /** The log itself while its broker runs, else what it was when that ended. */
  readonly marks: LogMarks
}

/** What a leader says it has committed, and what else is known at that moment. */
export interface Commit {
  readonly id: string
  readonly epoch: number
  readonly marks: LogMarks
  readonly highWatermark: number
  /** Whether the leader's lease may have run out without its notice. */
  readonly hasLostTime: boolean
}

/** A copy as it was when it was looked at last. */
interface Seen {
  readonly highWatermark: number
  readonly syncedOffset: number
  readonly logEndOffset: number
  readonly logStartOffset: number
  /** What had been committed, by whomever. */
  readonly committedTo: number
  /** Whether all of that was on its disk. */
  readonly holdsAll: boolean
}

/** Sees all brokers of a cluster at once, and holds against each other what they commit, have on their disks and show, at the moment at which they do so. */
export class Witness {
  readonly deliveries: Deliveries
  readonly #report: Report
  readonly #crc32: Crc32
  readonly #copiesMin: number
  readonly #leaders = new Map<number, string>()
  readonly #epochs = new CommittedEpochs()
  readonly #seen = new WeakMap<LogMarks, Seen>()
  /** By base offset: what has committed, without the fields that each disk seals for itself. */
  readonly #committed = new Map<number, { readonly hash: number; readonly nextOffset: number; readonly id: string }>()
  #newestEpoch = 0
  #isThin = false
  reigns = 0
  compared = 0
  /** Times that {@link inspect} was called. */
  inspections = 0

  constructor(report: Report, crc32: Crc32, copiesMin: number, nowMs: () => number) {
    this.#report = report
    this.#crc32 = crc32
    this.#copiesMin = copiesMin
    this.deliveries = new Deliveries(report, nowMs)
  }

  /** A broker has won an epoch: nobody else ever has it, and everything that has committed is in its log. */
  handleLeading(id: string, epoch: number, marks: LogMarks): void {
    this.reigns++
    this.#claim(id, epoch)
    // One that stood still between its election and this may have been deposed meanwhile.
    if (epoch < this.#newestEpoch) return
    const committedTo = this.#epochs.endOffset
    const parts = this.#epochs.partsAt(marks, committedTo)
    if (marks.logEndOffset < committedTo || parts !== undefined)
      this.#report(
        'who leads has all that committed',
        `${id} leads epoch ${epoch} with ${parts ?? marks.logEndOffset} of ${committedTo}`,
      )
  }

  /** A leader commits. */
  handleCommitted({ id, epoch, marks, highWatermark, hasLostTime }: Commit): void {
    this.#claim(id, epoch)
    this.#newestEpoch = Math.max(this.#newestEpoch, epoch)
    const committedTo = this.#epochs.endOffset
    if (highWatermark < committedTo && !hasLostTime)
      this.#report('the high watermark never goes back', `${id} shows ${highWatermark}, not ${committedTo}`)
    this.#epochs.extend(marks, highWatermark)
    this.deliveries.handleCommitted(this.#epochs.endOffset)
  }

  /**
   * One event is over: what has committed is the same on every disk that has it, and on f+1 of them, lost ones included; no broker shows less than it
   * did, or more than a leader has committed.
   */
  inspect(copies: readonly Copy[]): void {
    this.inspections++
    const committedTo = this.#epochs.endOffset
    let holding = 0
    for (const copy of copies) {
      let seen = this.#seen.get(copy.marks)
      if (seen === undefined || !isAsSeen(copy.marks, seen, committedTo)) {
        seen = this.#look(copy, seen)
        this.#seen.set(copy.marks, seen)
      }
      if (seen.holdsAll) holding++
    }
    const isThin = holding < this.#copiesMin
    if (isThin && !this.#isThin)
      this.#report('committed is on f+1 disks', `${committedTo} has committed and is on ${holding} disks`)
    this.#isThin = isThin
  }

  /** A batch below the high watermark of a broker: the same on all, for ever. One that was cleaned has lost some of its records. */
  compare(id: string, batch: Uint8Array): void {
    if (attributesOf(batch) & Attribute.SPARSE) return
    const bare = batch.slice()
    writeU32(bare, HEADER_CRC_AT, 0)
    writeU64(bare, SYNCED_OFFSET_AT, 0)
    const found = { hash: this.#crc32(bare), nextOffset: nextOffsetOf(batch), id }
    const baseOffset = baseOffsetOf(batch)
    const known = this.#committed.get(baseOffset)
    this.compared++
    if (known === undefined) this.#committed.set(baseOffset, found)
    else if (known.hash !== found.hash || known.nextOffset !== found.nextOffset)
      this.#report('one committed prefix', `${id} has another batch at ${baseOffset} than ${known.id} had`)
  }

  #claim(id: string, epoch: number): void {
    const other = this.#leaders.get(epoch) ?? id
    if (other !== id) this.#report('one leader per epoch', `${other} and ${id} both lead epoch ${epoch}`)
    this.#leaders.set(epoch, id)
  }

  #look({ name, marks }: Copy, before: Seen | undefined): Seen {
    const { highWatermark, syncedOffset, logEndOffset, logStartOffset } = marks
    const committedTo = this.#epochs.endOffset
    // A log that begins anew is empty at first.
    const isEmpty = logStartOffset === logEndOffset
    if (before !== undefined && highWatermark < before.highWatermark && !isEmpty)
      this.#report('the high watermark never goes back', `${name} shows ${highWatermark}, not ${before.highWatermark}`)
    if (highWatermark > committedTo)
      this.#report('only leaders commit', `${name} shows ${highWatermark}, and ${committedTo} has committed`)
    const parts = this.#epochs.partsAt(marks, committedTo)
    if (parts !== undefined && parts < highWatermark)
      this.#report('one committed prefix', `${name} has at ${parts} what another epoch wrote, and shows it`)
    const holdsAll = syncedOffset >= committedTo && parts === undefined
    return { highWatermark, syncedOffset, logEndOffset, logStartOffset, committedTo, holdsAll }
  }
}

function isAsSeen(marks: LogMarks, seen: Seen, committedTo: number): boolean {
  return (
    seen.committedTo === committedTo &&
    seen.syncedOffset === marks.syncedOffset &&
    seen.logEndOffset === marks.logEndOffset &&
    seen.highWatermark === marks.highWatermark &&
    seen.logStartOffset === marks.logStartOffset
  )
}
