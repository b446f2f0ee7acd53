/** What one worker process does: a producer or a consumer, with the work it is to do. */
export interface WorkerTask {
  readonly role:
    | 'gomq-publish'
    | 'gomq-consume'
    | 'gomq-awaited'
    | 'relay-publish'
    | 'relay-awaited'
    | 'relay-consume'
    | 'relay-catch-up'
  readonly address: string
  readonly messages: number
  readonly messageBytes: number
  /** Undefined: messages of one byte repeated, uncompressed. Otherwise JSON, compressed so by the client. */
  readonly compression?: 'none' | 'deflate' | undefined
}

/** What it says: that it is ready to be started, how far it is, what it measured. */
export type WorkerReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly messages: number }
  | {
      readonly kind: 'done'
      readonly ratePerSec: number
      readonly cpuSec: number
      readonly rssBytesMax: number
      readonly latenciesUs?: number[]
    }

/** Tells the harness. */
export function report(message: WorkerReport): void {
  process.send!(message)
}
