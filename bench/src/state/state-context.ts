/** One line of a workload's own table. */
export type Row = Readonly<Record<string, string | number>>

/** What a workload about the broker's state needs from the harness. */
export interface StateContext {
  readonly workDirectory: string
  /** Bytes of the log. */
  readonly logBytes: number
  /** Entries of the state. */
  readonly entries: number
  /** A data directory that is kept; undefined: a new one that is removed. */
  readonly dataDirectory: string | undefined
  /** Whether an earlier run has filled {@link dataDirectory}. */
  readonly isMade: boolean
  onProgress(what: string, share: number): void
}
