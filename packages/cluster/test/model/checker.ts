import { baseOffsetOf, type Epoch, epochOf, nextOffsetOf, type Offset } from '@gomq/protocol'
import type { Node } from '../support/node.js'
import { messageOf } from '../support/test-batch.js'

interface Committed {
  readonly message: number
  readonly epoch: Epoch
  readonly nextOffset: Offset
}

/** A disk that is, or was: one that was wiped keeps what it had when that happened. */
export interface Copy {
  readonly name: string
  has(offset: Offset, message: number): boolean
}

/** What must hold after every step; throws when it does not. */
export class Checker {
  /** By base offset: what has committed, wherever. */
  readonly #committed: Map<number, Committed> = new Map()
  readonly #leaders: Map<number, string> = new Map()
  /** By base offset: what a client was told is safe. */
  readonly #acked: Map<number, Committed> = new Map()
  /** Where each node's log has been compared up to. */
  readonly #checked: Map<Node, Offset> = new Map()
  readonly #copiesMin: number
  readonly #copies: () => readonly Copy[]
  /** The greatest high watermark that a client has seen. */
  visible: Offset = 0 as Offset
  reigns = 0

  constructor(copiesMin: number, copies: () => readonly Copy[]) {
    this.#copiesMin = copiesMin
    this.#copies = copies
  }

  /** Messages that were acknowledged. */
  get ackedCount(): number {
    return this.#acked.size
  }

  /** A node leads: everything that was ever acknowledged is in its log. */
  handleLeading(node: Node, epoch: Epoch): void {
    this.reigns++
    const batches = new Map([...node.log.batches()].map((batch) => [baseOffsetOf(batch), batch]))
    const { snapshotNeededFrom } = node.log
    for (const [base, acked] of this.#acked) {
      if (base < snapshotNeededFrom) continue
      const batch = batches.get(base as Offset)
      if (batch === undefined || messageOf(batch) !== acked.message)
        throw new Error(`${node.id} leads epoch ${epoch} without message ${acked.message}, acknowledged at ${base}`)
    }
    if (snapshotNeededFrom > 0 && (node.snapshots.newest?.beginOffset ?? -1) < snapshotNeededFrom)
      throw new Error(
        `${node.id} leads epoch ${epoch} and has no state: control records below ${snapshotNeededFrom} are gone`,
      )
    if (node.records.saved?.isFilling === true)
      throw new Error(`${node.id} leads epoch ${epoch} while its log is being filled`)
  }

  /** A node's high watermark has risen. */
  handleCommitted(node: Node, highWatermark: Offset): void {
    if (highWatermark > node.log.syncedOffset)
      throw new Error(`${node.id} commits ${highWatermark}, which it has not synced`)
    const from = this.#checked.get(node) ?? (0 as Offset)
    let last: Uint8Array | undefined
    for (const batch of node.log.batchesFrom(from)) {
      if (nextOffsetOf(batch) > highWatermark) break
      this.#compare(node, batch)
      last = batch
    }
    this.#checked.set(node, highWatermark)
    if (node.leadingEpoch !== undefined) this.#checkLeader(node, highWatermark, last)
  }

  /** A node has forgotten what it had, or another process goes on with its disk. */
  forget(node: Node): void {
    this.#checked.delete(node)
  }

  #compare(node: Node, batch: Uint8Array): void {
    const base = baseOffsetOf(batch)
    const found = { message: messageOf(batch), epoch: epochOf(batch), nextOffset: nextOffsetOf(batch) }
    const known = this.#committed.get(base)
    if (known === undefined) this.#committed.set(base, found)
    else if (known.message !== found.message || known.epoch !== found.epoch || known.nextOffset !== found.nextOffset)
      throw new Error(
        `${node.id} commits ${JSON.stringify(found)} at ${base}, where ${JSON.stringify(known)} had committed`,
      )
  }

  #checkLeader(node: Node, highWatermark: Offset, last: Uint8Array | undefined): void {
    const epoch = node.leadingEpoch!
    const other = this.#leaders.get(epoch)
    if (other !== undefined && other !== node.id)
      throw new Error(`${other} and ${node.id} both commit in epoch ${epoch}`)
    this.#leaders.set(epoch, node.id)
    if (last === undefined) return
    const copies = this.#copies().filter((copy) => copy.has(baseOffsetOf(last), messageOf(last)))
    if (copies.length < this.#copiesMin)
      throw new Error(
        `${node.id} commits up to ${highWatermark} with ${copies.length} copies: ${copies.map(({ name }) => name)}`,
      )
    if (!node.replication.mayAcknowledge()) return
    if (highWatermark < this.visible)
      throw new Error(`${node.id} shows high watermark ${highWatermark}, clients have seen ${this.visible}`)
    this.visible = highWatermark
    for (const [base, committed] of node.unacked) {
      if (committed.nextOffset > highWatermark) break
      this.#acked.set(base, committed)
      node.unacked.delete(base)
    }
  }
}
