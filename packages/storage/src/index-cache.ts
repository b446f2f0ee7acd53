import type { SegmentIndex } from './format/segment-index.js'
import type { Segment } from './segment.js'

/**
 * Loads the indexes of sealed segments when they are needed and lets the least recently used go above a bound of memory. The active
 * segment's index is always there and not counted.
 */
export class IndexCache {
  readonly #bytesMax: number
  readonly #load: (segment: Segment) => Promise<SegmentIndex>
  /** Sealed segments whose index is in memory, the least recently used first. */
  readonly #loaded = new Set<Segment>()
  readonly #loading = new Map<Segment, Promise<SegmentIndex>>()

  /**
   * @param bytesMax  bytes of indexes kept; the one last used always stays
   * @param load      reads the index of a sealed segment, or rebuilds it
   */
  constructor(bytesMax: number, load: (segment: Segment) => Promise<SegmentIndex>) {
    this.#bytesMax = bytesMax
    this.#load = load
  }

  /** Bytes of memory that the indexes of sealed segments take. */
  get bytes(): number {
    let bytes = 0
    for (const segment of this.#loaded) bytes += segment.index!.memoryBytes
    return bytes
  }

  /** The segment's index. Two who ask at once share one load. */
  async get(segment: Segment): Promise<SegmentIndex> {
    const { index } = segment
    if (index !== undefined) {
      if (this.#loaded.delete(segment)) this.#loaded.add(segment)
      return index
    }
    let loading = this.#loading.get(segment)
    if (loading === undefined) {
      loading = this.#load(segment)
        .then((loaded) => {
          segment.load(loaded)
          this.add(segment)
          return loaded
        })
        .finally(() => this.#loading.delete(segment))
      this.#loading.set(segment, loading)
    }
    return loading
  }

  /** Counts a sealed segment whose index is in memory, and lets it go in its turn. Its index file has been written. */
  add(segment: Segment): void {
    this.#loaded.delete(segment)
    this.#loaded.add(segment)
    let { bytes } = this
    for (const oldest of this.#loaded) {
      if (bytes <= this.#bytesMax || oldest === segment) return
      bytes -= oldest.index!.memoryBytes
      oldest.unload()
      this.#loaded.delete(oldest)
    }
  }

  /** Counts the segment no more: it is gone, or active again. */
  forget(segment: Segment): void {
    this.#loaded.delete(segment)
  }
}
