import { baseOffsetOf, nextOffsetOf, type Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { writeCleaned } from '../support/clean-segments.js'
import { settle } from '../support/open-sim-log.js'
import { ReplicaLink } from '../support/replica-link.js'
import { epochsOf, known, ReplicaNode } from '../support/replica-node.js'
import { stampedBatch } from '../support/stamped-batch.js'

const SEEDS = process.env['GOMQ_LONG'] ? 10_000 : 40
const FIRST_SEED = Number(process.env['GOMQ_SEED'] ?? 1)
const STEPS = 120

interface Counts {
  crashes: number
  pieces: number
  resets: number
  takeovers: number
  cleanings: number
}

test(`of two logs that crash, one always becomes what the other is (${SEEDS} programs)`, {
  timeout: 3_600_000,
}, async () => {
  const counts: Counts = { crashes: 0, pieces: 0, resets: 0, takeovers: 0, cleanings: 0 }
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    try {
      await new Program(seed, counts).run()
    } catch (error) {
      throw new Error(`GOMQ_SEED=${seed}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
    }
  }
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(SEEDS / 4)
  console.log(`replication twin: ${SEEDS} programs, ${JSON.stringify(counts)}`)
})

class Program {
  readonly #random: SeededRandom
  readonly #counts: Counts
  #leader: ReplicaNode
  #member: ReplicaNode
  #link: ReplicaLink | undefined
  #epoch = 1
  /** The clocks of both. */
  #nowMs = 1000

  constructor(seed: number, counts: Counts) {
    this.#random = new SeededRandom(seed)
    this.#counts = counts
    const options = {
      segmentBytes: 2500,
      tailCacheBytes: seed % 3 === 0 ? 20_000 : seed % 3 === 1 ? 2000 : 0,
      zeroAheadBytes: seed % 2 === 0 ? 1500 : 0,
    }
    this.#leader = new ReplicaNode(this.#random, options)
    this.#member = new ReplicaNode(this.#random, options)
  }

  async run(): Promise<void> {
    await this.#leader.boot(0)
    await this.#member.boot(0)
    for (let step = 0; step < STEPS; step++) {
      for (const node of [this.#leader, this.#member])
        if (node.crashIn === Number.POSITIVE_INFINITY && this.#random.chance(0.05))
          node.crashIn = 1 + this.#random.below(this.#random.pick([8, 40]))
      const committed = this.#leader.log.highWatermark
      try {
        await this.#step()
      } catch (error) {
        if (this.#leader.crashIn > 0 && this.#member.crashIn > 0) throw error
      }
      await this.#reboot(Math.max(committed, this.#leader.log.highWatermark))
    }
    await this.#end()
  }

  /** What has crashed starts again; a link ends with either of its ends. */
  async #reboot(committed: number): Promise<void> {
    for (const node of [this.#leader, this.#member]) {
      node.noteSynced()
      if (node.crashIn > 0) continue
      this.#counts.crashes++
      this.#link = undefined
      // What is committed a member learns when it has cut what the leader does not have.
      await node.boot(node === this.#leader ? committed : 0)
      this.#epoch++
    }
  }

  async #step(): Promise<void> {
    const random = this.#random
    const operation = random.below(100)
    if (operation < 30) this.#append()
    else if (operation < 36) await settle()
    else if (operation < 44) this.#commit()
    else if (operation < 72) await this.#follow()
    else if (operation < 78) await this.#read()
    else if (operation < 86) await this.#clean(random.chance(0.7) ? this.#leader : this.#member)
    else if (operation < 90) await this.#advance(random.chance(0.7) ? this.#leader : this.#member)
    else if (operation < 92) await this.#reset()
    else if (operation < 96) await this.#takeOver()
    else {
      const node = random.pick([this.#leader, this.#member])
      node.disk.crash()
      node.crashIn = 0
    }
  }

  #append(): void {
    const { log, batches } = this.#leader
    const random = this.#random
    for (let i = random.below(6); i >= 0; i--) {
      const batch = stampedBatch({
        baseOffset: log.logEndOffset,
        records: 1 + random.below(5),
        valueBytes: 10 + random.below(random.chance(0.05) ? 3000 : 150),
        topic: random.pick(['a', 'b']),
        appendTimeMs: (this.#nowMs += random.below(3)),
        epoch: this.#epoch,
      })
      batches.set(log.logEndOffset, known(batch))
      log.append(batch)
    }
  }

  /** What both have, or with a member that is out of the set, what the leader has. */
  #commit(): void {
    const { log, batches } = this.#leader
    const upTo = log.highWatermark + this.#random.below(log.syncedOffset - log.highWatermark + 1)
    let to: number = log.highWatermark
    for (const { next } of batches.values()) if (next <= upTo) to = Math.max(to, next)
    log.setHighWatermark(to as Offset)
  }

  async #follow(): Promise<void> {
    this.#link ??= await ReplicaLink.open(this.#leader, this.#member, this.#random)
    if (this.#member.log.logEndOffset < this.#leader.log.logStartOffset) {
      this.#link = undefined
      return
    }
    for (let i = this.#random.below(8); i >= 0; i--) {
      this.#counts.pieces++
      try {
        await this.#link.step(1 + this.#random.below(2500))
      } catch (error) {
        // The leader's start has moved over what was being sent.
        if ((error as { code?: string }).code !== 'OFFSET_OUT_OF_RANGE') throw error
        this.#link = undefined
        return
      }
    }
  }

  /** Anywhere where a batch begins or began: what lives there comes, and no other. */
  async #read(): Promise<void> {
    const node = this.#random.pick([this.#leader, this.#member])
    const { log, batches } = node
    const places = [...batches.keys()].filter((base) => base >= log.logStartOffset && base <= log.syncedOffset)
    if (places.length === 0) return
    const to = log.syncedOffset
    const seen = new Set<number>()
    const from = this.#random.pick(places)
    for (let at = from as Offset; at < to; ) {
      const piece = await log.readForMember(at, 1 + this.#random.below(3000))
      expect(piece.nextOffset, 'a reader always advances').toBeGreaterThan(at)
      for (const batch of piece.batches) {
        expect(known(batch).bytes).toBe(batches.get(baseOffsetOf(batch))?.bytes)
        expect(baseOffsetOf(batch)).toBeGreaterThanOrEqual(at)
        expect(nextOffsetOf(batch)).toBeLessThanOrEqual(piece.nextOffset)
        seen.add(baseOffsetOf(batch))
      }
      if (piece.cleaned === undefined) expect(piece.batches.length).toBeGreaterThan(0)
      else {
        const { endOffset, epochStarts } = piece.cleaned
        const range = [...batches.values()].filter(({ base }) => base >= at && base < endOffset)
        expect(epochStarts).toEqual(
          epochsOf(
            range.sort((a, b) => a.base - b.base),
            at,
          ),
        )
        expect(piece.nextOffset).toBeLessThanOrEqual(endOffset)
      }
      at = piece.nextOffset
    }
    for (const base of places)
      if (base >= from && base < to && !node.gone.has(base)) expect(seen.has(base), `${base} was read`).toBe(true)
  }

  async #clean(node: ReplicaNode): Promise<void> {
    if (node.isFilling) return
    const random = this.#random
    const { open, gone } = node
    if (random.chance(0.7)) await node.writeSnapshot()
    const views = open.log.sealedSegments.filter((view) => view.endOffset <= node.cleanableTo)
    if (views.length === 0) return
    this.#counts.cleanings++
    await open.log.requireSnapshotFrom(node.snapshot as Offset)
    const first = random.below(views.length)
    const chosen = views.slice(first, first + 1 + random.below(3))
    const lives = random.pick([0, 0.3, 0.9])
    const range = { from: chosen[0]!.baseOffset, to: chosen.at(-1)!.endOffset }
    for (const base of node.batches.keys())
      if (base >= range.from && base < range.to && !random.chance(lives)) gone.add(base)
    const { cleaned } = await writeCleaned(
      node.disk.mount(),
      open.log,
      chosen,
      (batch) => !gone.has(baseOffsetOf(batch)),
    )
    await Promise.all([open.log.replaceSegments(cleaned), random.chance(0.5) ? this.#read() : undefined])
  }

  async #advance(node: ReplicaNode): Promise<void> {
    if (node.isFilling) return
    const ends = node.open.log.sealedSegments.map((view) => view.endOffset).filter((end) => end <= node.cleanableTo)
    if (ends.length === 0) return
    const to = this.#random.pick(ends)
    node.undecidedStart = to
    await node.open.log.advanceStart(to)
    node.undecidedStart = undefined
    node.start = to
  }

  async #reset(): Promise<void> {
    this.#counts.resets++
    const link = (this.#link ??= await ReplicaLink.open(this.#leader, this.#member, this.#random))
    this.#link = undefined
    await link.reset(this.#leader.log.logStartOffset)
  }

  /** The member has all that is committed and leads; what only the other one has is not part of the log any more. */
  async #takeOver(): Promise<void> {
    const [leader, member] = [this.#leader, this.#member]
    // Without a link nobody knows whether it has the same.
    if (this.#link === undefined || member.isFilling || member.log.syncedOffset < leader.log.highWatermark) return
    if (member.log.highWatermark < leader.log.highWatermark) member.log.setHighWatermark(leader.log.highWatermark)
    this.#counts.takeovers++
    this.#leader = member
    this.#member = leader
    this.#link = undefined
    this.#epoch++
    this.#append()
  }

  /** Nothing fails any more: what is missing is carried over, and both hold the same. */
  async #end(): Promise<void> {
    const [leader, member] = [this.#leader, this.#member]
    for (const node of [leader, member]) if (node.crashIn > 0) node.crashIn = Number.POSITIVE_INFINITY
    await this.#reboot(leader.log.highWatermark)
    while (leader.log.syncedOffset < leader.log.logEndOffset) await settle()
    leader.log.setHighWatermark(leader.log.syncedOffset)
    const link = await ReplicaLink.open(leader, member, this.#random)
    for (let steps = 0; member.log.syncedOffset < leader.log.syncedOffset || member.isFilling; steps++) {
      expect(steps, 'it comes to an end').toBeLessThan(10_000)
      await link.step(1 + this.#random.below(2500))
      await settle()
    }
    await leader.verify()
    await member.verify()
    const start = Math.max(leader.log.logStartOffset, member.log.logStartOffset)
    const from = (node: ReplicaNode) =>
      [...node.batches.values()].filter(({ base }) => base >= start).sort((a, b) => a.base - b.base)
    expect(from(member)).toEqual(from(leader))
    for (const node of [leader, member]) {
      node.disk.crash()
      await node.boot(leader.log.highWatermark)
    }
  }
}
