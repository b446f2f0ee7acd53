import type { Offset } from '@gomq/protocol'

/**
 * How bad a finding is. `damage`: a start is refused, or a read will be. `repairable`: bytes of a file are damaged that the next start makes
 * anew or does without. `harmless`: what a crash leaves and the next start puts in order.
 */
export type Severity = 'damage' | 'repairable' | 'harmless'

/** Something about one file of a data directory. Undefined where nothing is known. */
export interface Finding {
  readonly severity: Severity
  /** Below the data directory. */
  readonly file: string
  /** What it is, in words. */
  readonly what: string
  /** Bytes of the file, half-open. */
  readonly bytes: readonly [from: number, to: number] | undefined
  /** Offsets that are lost, half-open; the end is null where it is not known. */
  readonly offsets: readonly [from: Offset, to: Offset | null] | undefined
  /** Batches that were there, and up to 100 of their topics. */
  readonly batches: number | undefined
  readonly topics: readonly string[] | undefined
}

/** How far a check is. */
export type OnProgress = (doneBytes: number, totalBytes: number) => void

/** Takes a finding; what it does not say is undefined. @internal */
export type Find = (severity: Severity, file: string, what: string, more?: Partial<Finding>) => void
