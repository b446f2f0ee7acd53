/** What is to be done with the files of a log. */
export type LogRequest =
  | { readonly action: 'verify'; readonly directory: string; readonly live: boolean }
  | ({ readonly action: 'dump'; readonly directory: string; readonly topics: readonly string[] } & DumpFlags)
  | { readonly action: 'repair'; readonly directory: string; readonly apply: boolean }
  | { readonly action: 'backup'; readonly directory: string; readonly target: string; readonly verify: boolean }
  | { readonly action: 'restore'; readonly backup: string; readonly directory: string }

/** Options of `log dump`. */
export interface DumpFlags {
  /** First offset that is printed. */
  readonly from?: number
  /** Offset to stop before. */
  readonly to?: number
  /** Control records in the place of messages. */
  readonly control?: boolean
  /** Batches in the place of messages. */
  readonly batches?: boolean
  readonly values?: 'text' | 'base64' | 'none'
  /** Beside a broker that works. */
  readonly live?: boolean
}

/** How results are written. */
export interface LogOptions {
  readonly json: boolean
  readonly quiet: boolean
}
