import { GomqError, type Offset } from '@gomq/protocol'
import { corruptAt, type SegmentView } from '../segment.js'

/** A damaged place in a sealed segment, the first that was found. Plain values. */
export interface SegmentDamage {
  /** Path of the segment's file. */
  readonly file: string
  /** Where in the file. */
  readonly byte: number
  /** The offset that should begin there. */
  readonly offset: Offset
  /** What is wrong and what to do. */
  readonly message: string
}

/** A segment is damaged: CORRUPT_LOG that knows where. */
export class DamagedSegmentError extends GomqError {
  readonly segment: SegmentView
  readonly damage: SegmentDamage

  /** @param byte  where in the file; `offset` should begin there */
  constructor(segment: SegmentView, byte: number, offset: Offset) {
    const { code, message } = corruptAt(segment.path, byte, offset)
    super(code, message)
    this.segment = segment
    this.damage = { file: segment.path, byte, offset, message }
  }
}

/**
 * The segments in which damage was found. They are left as they are, for a repair or a backup, while all others are cleaned: what they hold is
 * not known, so that nothing may be concluded from it.
 */
export class DamagedSegments {
  readonly #byPath = new Map<string, DamagedSegmentError>()

  /** What was found, in no order. */
  get damages(): SegmentDamage[] {
    return [...this.#byPath.values()].map(({ damage }) => damage)
  }

  /** Whether damage was found in the segment. */
  has({ path }: SegmentView): boolean {
    return this.#byPath.has(path)
  }

  /** Forgets those that are not there any more. */
  keep(segments: readonly SegmentView[]): void {
    const paths = new Set(segments.map(({ path }) => path))
    for (const path of this.#byPath.keys()) if (!paths.has(path)) this.#byPath.delete(path)
  }

  /** Does the work; undefined if it came upon damage, which is remembered. */
  async until<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof DamagedSegmentError)) throw error
      this.#byPath.set(error.segment.path, error)
      return undefined
    }
  }

  /** Does the work, and again whenever it came upon damage in a segment that was sound so far: it leaves those out that {@link has} names. */
  async despite<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const known = this.#byPath.size
      const done = await this.until(async () => ({ result: await work() }))
      if (done !== undefined) return done.result
      if (this.#byPath.size === known) throw [...this.#byPath.values()].at(-1)!
    }
  }
}
