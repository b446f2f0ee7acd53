import { baseOffsetOf, type Offset, type Random } from '@gomq/protocol'
import { expect } from 'vitest'
import type { CleanedStretch } from '../../src/replication/cleaned-stretch.js'
import type { ReplicatedLog } from '../../src/replication/replica-log.js'
import { snapshotStore } from '../../src/replication/snapshot-store.js'
import { settle } from './open-sim-log.js'
import { known, type ReplicaNode } from './replica-node.js'

/** Where the histories of two logs part: the smaller end of the greatest epoch that both know. Undefined if they share none. */
export function partingOf(a: ReplicatedLog, b: ReplicatedLog): Offset | undefined {
  const shared = a.epochStarts.findLast(({ epoch }) => b.epochStarts.some((start) => start.epoch === epoch))
  if (shared === undefined) return undefined
  const end = ({ epochStarts, logEndOffset }: ReplicatedLog): number =>
    epochStarts[epochStarts.findIndex(({ epoch }) => epoch === shared.epoch) + 1]?.startOffset ?? logEndOffset
  return Math.min(end(a), end(b)) as Offset
}

/** What a leader and a member do over one link, one step at a time, with the ports alone. */
export class ReplicaLink {
  readonly #leader: ReplicaNode
  readonly #member: ReplicaNode
  readonly #random: Random
  #stretch: { readonly into: CleanedStretch; readonly base: number; at: Offset; readonly end: Offset } | undefined
  #filledTo = 0
  /** Where the snapshot begins that the member got over this link. */
  #sentSnapshot = -1

  private constructor(leader: ReplicaNode, member: ReplicaNode, random: Random) {
    this.#leader = leader
    this.#member = member
    this.#random = random
  }

  /** The member cuts what the leader does not have, or begins anew; it gets a snapshot where its own state cannot go on. */
  static async open(leader: ReplicaNode, member: ReplicaNode, random: Random): Promise<ReplicaLink> {
    const link = new ReplicaLink(leader, member, random)
    const from = leader.log
    const own = member.log
    // A log without epochs is empty: it goes on where it ends.
    const cut = own.epochStarts.length === 0 ? own.logEndOffset : partingOf(from, own)
    // A crash came before the reset: the log is an older one, and the leader's snapshot may be too old for it.
    const isTooOld = member.isFilling && leader.snapshot < own.snapshotNeededFrom
    if (
      isTooOld ||
      cut === undefined ||
      cut < from.logStartOffset ||
      cut < own.logStartOffset ||
      cut > from.logEndOffset
    )
      await link.reset(from.logStartOffset)
    else if (cut < own.logEndOffset) {
      member.undecidedCut = cut
      await own.truncate(cut)
      member.undecidedCut = undefined
      member.open.handleTruncated(cut)
      member.acked = Math.min(member.acked, cut)
      member.truncated(cut)
    }
    if (member.isFilling || own.logEndOffset < from.snapshotNeededFrom) await link.#fill()
    return link
  }

  /** Empties the member's log, which is filled from `offset` on. */
  async reset(offset: Offset): Promise<void> {
    const member = this.#member
    await member.saveFilling(true)
    member.undecidedReset = offset
    await member.log.reset(offset)
    member.undecidedReset = undefined
    member.open.handleTruncated(offset)
    member.forgetAll(offset)
    await member.verify()
    expect(member.log.epochStarts).toEqual([])
  }

  async #fill(): Promise<void> {
    const leader = this.#leader
    const member = this.#member
    await member.saveFilling(true)
    this.#filledTo = leader.log.highWatermark
    this.#sentSnapshot = leader.snapshot
    if (leader.snapshot === 0) return
    await snapshotStore(member.location).install(leader.snapshot as Offset, leader.sendSnapshot())
  }

  /** Carries one piece over. */
  async step(bytesMax: number): Promise<void> {
    const leader = this.#leader
    const member = this.#member
    if (this.#stretch !== undefined) return this.#continue(bytesMax)
    const from = member.log.logEndOffset
    const piece = await leader.log.readForMember(from, bytesMax)
    if (piece.cleaned === undefined) {
      for (const batch of piece.batches) {
        member.batches.set(baseOffsetOf(batch), known(batch))
        member.log.append(batch.slice())
      }
      if (this.#random.next() < 0.5) await settle()
      await this.#follow()
      return
    }
    const { endOffset } = piece.cleaned
    // Control records may be gone from what comes now: also behind the begin of a snapshot that came before the leader cleaned.
    if (endOffset > this.#sentSnapshot) await this.#fill()
    const into = await member.log.receiveCleaned(piece.cleaned)
    this.#stretch = { into, base: from, at: from, end: endOffset }
    await this.#add(piece.batches, piece.nextOffset)
  }

  async #continue(bytesMax: number): Promise<void> {
    const { at, end, into, base } = this.#stretch!
    if (at < end) {
      const { batches, nextOffset } = await this.#leader.log.readForMember(at, bytesMax)
      return this.#add(batches, nextOffset)
    }
    this.#stretch = undefined
    if (this.#random.next() < 0.1) return into.abandon()
    const { batches, gone } = this.#leader
    for (const [offset, batch] of batches) if (offset >= base && offset < end) this.#member.batches.set(offset, batch)
    for (const offset of gone) if (offset >= base && offset < end) this.#member.gone.add(offset)
    await into.finish()
    const { logEndOffset, syncedOffset } = this.#member.log
    expect([logEndOffset, syncedOffset, this.#member.open.synced()]).toEqual([end, end, end])
    if (this.#random.next() < 0.3) await this.#member.verify()
    await this.#follow()
  }

  /** The leader may have merged segments meanwhile: the stretch ends where it was said to. */
  async #add(batches: readonly Uint8Array[], nextOffset: Offset): Promise<void> {
    const stretch = this.#stretch!
    for (const batch of batches) if (baseOffsetOf(batch) < stretch.end) await stretch.into.add(batch)
    stretch.at = Math.min(nextOffset, stretch.end) as Offset
  }

  /** The member takes the high watermark; when it holds what its snapshot needs, it has a state. */
  async #follow(): Promise<void> {
    const { log } = this.#member
    const committed = Math.min(this.#leader.log.highWatermark, log.syncedOffset)
    if (committed > log.highWatermark) log.setHighWatermark(committed as Offset)
    if (!this.#member.isFilling || log.syncedOffset < this.#filledTo) return
    await this.#member.saveFilling(false)
    await this.#member.loadState()
  }
}
