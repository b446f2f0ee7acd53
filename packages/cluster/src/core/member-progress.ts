import type { Offset } from '@gomq/protocol'
import type { Replica } from '../cluster-view.js'
import { APPEND_BYTES_MAX, BUSY_MS_MAX, CHUNK_BYTES, CHUNKS_IN_FLIGHT_MAX, WINDOW_BYTES } from '../limits.js'
import type { ReplicaMessage } from '../messages.js'
import type { LogPiece } from '../replica-log.js'
import { alignmentOf } from './divergence.js'
import type { LogView } from './log-view.js'
import type { Emit, LinkId } from './ready.js'

type Welcome = Extract<ReplicaMessage, { kind: 'welcome' }>

/**
 * How far a link has come.
 *
 *     closed -> opening -> greeting (hello) -> aligning (cut or reset) -> [snapshot ->] streaming
 */
export type ProgressState = 'closed' | 'opening' | 'greeting' | 'aligning' | 'snapshot' | 'streaming'

/** What the leader knows of one copy of the log, and the link over which it brings the copy up to its own. */
export class MemberProgress {
  readonly replica: Replica
  /** Where it listens; undefined if it is not registered. */
  address: string | undefined
  /** When something came from it while it followed, monotonic ms; at first, when its leader was elected, or before, if it was the leader until then. */
  heardAtMs: number
  readonly #log: LogView
  readonly #emit: Emit
  #state: ProgressState = 'closed'
  #link: LinkId | undefined
  #synced: Offset = 0 as Offset
  #hasConfirmed = false
  #isGone = false
  #needsSnapshot = false
  #next: Offset = 0 as Offset
  #isReading = false
  #inFlight: { readonly end: Offset; readonly bytes: number }[] = []
  #bytesInFlight = 0
  /** End of the cleaned stretch that is being sent. */
  #cleanedEnd: Offset | undefined
  /** End of the last cleaned stretch that was sent: the member confirms nothing of it before all of it. */
  #cleanedUntil: Offset = 0 as Offset
  #openedAtMs = 0
  /** Where the snapshot that was sent over this link begins. */
  #snapshotBegin: Offset = 0 as Offset
  #snapshot: { bytes: number; position: number; chunksInFlight: number; isEnded: boolean } | undefined

  constructor(replica: Replica, log: LogView, emit: Emit, heardAtMs: number) {
    this.replica = replica
    this.#log = log
    this.#emit = emit
    this.heardAtMs = heardAtMs
  }

  /** How far the link has come. */
  get state(): ProgressState {
    return this.#state
  }
  /** The link, unless it is closed. */
  get link(): LinkId | undefined {
    return this.#link
  }
  /**
   * What it has confirmed in this epoch (R4). While it counts it never falls: what is confirmed is on its disk, and only a later leader could cut it.
   */
  get syncedOffset(): Offset {
    return this.#synced
  }
  /** Whether it has confirmed anything in this epoch. */
  get hasConfirmed(): boolean {
    return this.#hasConfirmed
  }

  /** Whether its process is known to have ended: its host answers, and nobody listens there. */
  get isGone(): boolean {
    return this.#isGone
  }

  /** Whether an open link has been silent for longer than `lagMs`; a member that is busy with its disk is given more time. */
  isSilent(lagMs: number, nowMs: number): boolean {
    if (this.#state === 'closed' || this.#state === 'opening') return false
    const isBusy = this.#state === 'aligning' || this.#state === 'snapshot' || this.#synced < this.#cleanedUntil
    return nowMs - Math.max(this.heardAtMs, this.#openedAtMs) > (isBusy ? Math.max(lagMs, BUSY_MS_MAX) : lagMs)
  }

  /** Whether it may come into the in-sync set: it follows, and has everything up to `floor` on its disk (R11). */
  isCaughtUp(floor: Offset): boolean {
    return this.#state === 'streaming' && this.#hasConfirmed && this.#synced >= floor
  }

  /** Begins a link. */
  open(link: LinkId): void {
    this.#link = link
    this.#state = 'opening'
    this.#emit({ kind: 'openLink', link, address: this.address! })
  }

  /** Ends the link, also one that has closed already. */
  close(): void {
    if (this.#link === undefined) return
    if (this.#snapshot !== undefined) this.#emit({ kind: 'closeSnapshot', link: this.#link })
    this.#emit({ kind: 'closeLink', link: this.#link })
    this.#link = undefined
    this.#state = 'closed'
    this.#isReading = false
    this.#inFlight = []
    this.#bytesInFlight = 0
    this.#cleanedEnd = undefined
    this.#cleanedUntil = 0 as Offset
    this.#snapshotBegin = 0 as Offset
    this.#snapshot = undefined
  }

  /** The link did not come to stand, since nobody listens. */
  handleGone(): void {
    this.#isGone = true
    this.close()
  }

  /** The link stands. */
  handleOpened(hello: ReplicaMessage, nowMs: number): void {
    this.#isGone = false
    this.#state = 'greeting'
    this.#openedAtMs = nowMs
    this.send(hello)
  }

  /**
   * The member has said what it has; it is told where to go on. A copy that counts is never emptied: if nothing fits, or it has less than it
   * had confirmed, its disk has lost what it promised (F23), and the answer is the reason why it must stop. One that does not count owes nothing, and is
   * filled again from where it is: its process may have ended while its log was being filled, which throws that away.
   *
   * @param counts  whether it is in the in-sync set, or being added or removed
   */
  handleWelcome(welcome: Welcome, counts: boolean): string | undefined {
    const alignment = alignmentOf(this.#log, welcome, counts)
    // One that fell behind the log's start while it caught up has lost nothing, and begins anew.
    const hasLess = welcome.logEndOffset < this.#synced || alignment.offset < this.#synced
    if (hasLess && !counts) {
      this.#synced = 0 as Offset
      this.#hasConfirmed = false
    } else if (hasLess)
      return `the log ends at ${welcome.logEndOffset}, or differs from ${alignment.offset} on, but ${this.#synced} was confirmed in this epoch`
    if (counts && (alignment.kind === 'reset' || alignment.offset < this.#log.highWatermark))
      return `the log of ${welcome.id} fits only up to ${alignment.offset}, below what has committed, ${this.#log.highWatermark}, though it is in sync`
    const { kind, offset } = alignment
    // Records that are its own still make up its state; what it lacks must all be there to be fetched.
    const hasState = kind === 'cut' ? welcome.appliedOffset >= welcome.logStartOffset : offset === 0
    this.#needsSnapshot = !counts && (offset < this.#log.snapshotNeededFrom || !hasState)
    this.#state = 'aligning'
    this.#next = offset
    if (kind === 'cut') this.send({ kind, offset, highWatermark: this.#log.highWatermark })
    else this.send({ kind, offset })
    return undefined
  }

  /** The member has confirmed. @returns whether its confirmed offset has risen, or it has begun to follow */
  handleSynced(offset: Offset, nowMs: number): boolean {
    this.heardAtMs = nowMs
    if (this.#state === 'snapshot') {
      if (this.#snapshot !== undefined && this.#snapshot.chunksInFlight > 0) this.#snapshot.chunksInFlight--
      this.#continueSnapshot()
      return false
    }
    if (this.#state === 'aligning') {
      if (this.#needsSnapshot) {
        this.#state = 'snapshot'
        this.#emit({ kind: 'openSnapshot', link: this.#link! })
        return false
      }
      this.#state = 'streaming'
    }
    if (this.#state !== 'streaming' || offset > this.#next) return false
    while (this.#inFlight[0] !== undefined && this.#inFlight[0].end <= offset)
      this.#bytesInFlight -= this.#inFlight.shift()!.bytes
    const hasRisen = offset > this.#synced || !this.#hasConfirmed
    this.#hasConfirmed = true
    if (offset > this.#synced) this.#synced = offset
    this.readOn()
    return hasRisen
  }

  /**
   * Reads on if there is more that is written here, synced or not, and room in the window: the member syncs while this disk does
   * (docs/decisions/0026). Called again: nothing happens.
   */
  readOn(): void {
    if (this.#state !== 'streaming' || this.#isReading || this.#bytesInFlight >= WINDOW_BYTES) return
    if (this.#next >= this.#log.writtenOffset) return
    this.#isReading = true
    this.#emit({ kind: 'readLog', link: this.#link!, from: this.#next, bytesMax: APPEND_BYTES_MAX })
  }

  /**
   * What was read goes to the member, unless control records that it needs have been cleaned away meanwhile: then it needs a snapshot after all.
   * @returns whether the link can go on
   */
  handleLogRead(piece: LogPiece): boolean {
    this.#isReading = false
    const { snapshotNeededFrom } = this.#log
    if (this.#next < snapshotNeededFrom && this.#snapshotBegin < snapshotNeededFrom) return false
    const { batches, nextOffset, cleaned } = piece
    if (cleaned !== undefined) {
      this.#cleanedEnd = this.#cleanedUntil = cleaned.endOffset
      this.send({ kind: 'cleaned', endOffset: cleaned.endOffset, epochStarts: cleaned.epochStarts })
    }
    if (this.#cleanedEnd === undefined) this.send({ kind: 'append', highWatermark: this.#log.highWatermark, batches })
    else if (batches.length > 0) this.send({ kind: 'cleanedBatches', batches })
    if (this.#cleanedEnd !== undefined && nextOffset >= this.#cleanedEnd) {
      this.#cleanedEnd = undefined
      this.send({ kind: 'cleanedEnd' })
    }
    const bytes = batches.reduce((sum, batch) => sum + batch.byteLength, 0)
    this.#inFlight.push({ end: nextOffset, bytes })
    this.#bytesInFlight += bytes
    const hasMoved = nextOffset > this.#next
    this.#next = nextOffset
    // A log that gives nothing is asked again when it has more.
    if (hasMoved) this.readOn()
    return true
  }

  /** The snapshot is open; undefined if there is none. @returns whether the link can go on */
  handleSnapshotOpened(snapshot: { readonly beginOffset: Offset; readonly bytes: number } | undefined): boolean {
    if (snapshot === undefined) return false
    this.#snapshotBegin = snapshot.beginOffset
    this.#snapshot = { bytes: snapshot.bytes, position: 0, chunksInFlight: 0, isEnded: false }
    this.send({ kind: 'snapshot', beginOffset: snapshot.beginOffset, bytes: snapshot.bytes })
    this.#continueSnapshot()
    return true
  }

  /** A piece of the snapshot goes to the member. */
  handleSnapshotRead(bytes: Uint8Array): void {
    if (this.#snapshot === undefined) return
    this.#isReading = false
    this.#snapshot.position += bytes.byteLength
    this.#snapshot.chunksInFlight++
    this.send({ kind: 'chunk', bytes })
    this.#continueSnapshot()
  }

  /** A sign of life; what the member answers tells that it lives. While it is busy with a snapshot the pieces are signs enough. */
  beat(): void {
    if (this.#state === 'streaming' && this.#cleanedEnd === undefined)
      this.send({ kind: 'append', highWatermark: this.#log.highWatermark, batches: [] })
  }

  /** Sends a message over the link, if there is one. */
  send(message: ReplicaMessage): void {
    if (this.#link !== undefined) this.#emit({ kind: 'send', link: this.#link, message })
  }

  #continueSnapshot(): void {
    const snapshot = this.#snapshot
    if (snapshot === undefined || this.#isReading) return
    if (snapshot.position < snapshot.bytes) {
      if (snapshot.chunksInFlight >= CHUNKS_IN_FLIGHT_MAX) return
      this.#isReading = true
      const length = Math.min(CHUNK_BYTES, snapshot.bytes - snapshot.position)
      this.#emit({ kind: 'readSnapshot', link: this.#link!, position: snapshot.position, length })
    } else if (!snapshot.isEnded) {
      snapshot.isEnded = true
      snapshot.chunksInFlight++
      this.send({ kind: 'chunk', bytes: new Uint8Array(0) })
    } else if (snapshot.chunksInFlight === 0) {
      this.#snapshot = undefined
      this.#emit({ kind: 'closeSnapshot', link: this.#link! })
      this.#state = 'streaming'
      this.readOn()
    }
  }
}
