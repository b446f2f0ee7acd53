import { Attribute, attributesOf, baseOffsetOf, type Crc32, nextOffsetOf, writeU32, writeU64 } from '@gomq/protocol'
import type { Report } from '../checker.js'

const HEADER_CRC_AT = 4
const SYNCED_OFFSET_AT = 32

/** What a leader says it has committed, and what else is known at that moment. */
export interface Commit {
  readonly id: string
  readonly epoch: number
  readonly highWatermark: number
  /** Disks, lost ones included, that have synced so far. */
  readonly copies: number
  /** Whether the leader's lease may have run out without its notice. */
  readonly hasLostTime: boolean
}

/** Sees all brokers of a cluster at once, and holds what they commit against each other, at the moment at which they do so. */
export class Witness {
  readonly #report: Report
  readonly #crc32: Crc32
  readonly #copiesMin: number
  readonly #leaders = new Map<number, string>()
  /** By base offset: what has committed, without the fields that each disk seals for itself. */
  readonly #committed = new Map<number, { readonly hash: number; readonly nextOffset: number; readonly id: string }>()
  /** The greatest high watermark that clients may have seen. */
  #visible = 0
  reigns = 0
  compared = 0

  constructor(report: Report, crc32: Crc32, copiesMin: number) {
    this.#report = report
    this.#crc32 = crc32
    this.#copiesMin = copiesMin
  }

  /** A broker has won an epoch: everything that has committed is in its log. */
  handleLeading(id: string, epoch: number, logEndOffset: number): void {
    this.reigns++
    if (logEndOffset < this.#visible)
      this.#report(
        'who leads has all that committed',
        `${id} leads epoch ${epoch} with ${logEndOffset} of ${this.#visible}`,
      )
  }

  /** A leader commits. */
  handleCommitted({ id, epoch, highWatermark, copies, hasLostTime }: Commit): void {
    const other = this.#leaders.get(epoch) ?? id
    if (other !== id) this.#report('one leader per epoch', `${other} and ${id} both commit in epoch ${epoch}`)
    this.#leaders.set(epoch, id)
    if (copies < this.#copiesMin)
      this.#report('committed is on f+1 disks', `${id} commits ${highWatermark} with ${copies} copies`)
    if (highWatermark < this.#visible && !hasLostTime)
      this.#report('the high watermark never goes back', `${id} shows ${highWatermark}, not ${this.#visible}`)
    this.#visible = Math.max(this.#visible, highWatermark)
  }

  /** A client was sent messages. */
  handleDelivered(name: string, offsets: readonly number[]): void {
    for (const offset of offsets)
      if (offset >= this.#visible)
        this.#report('delivered only what is committed', `${name} was sent ${offset} of ${this.#visible}`)
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
}
