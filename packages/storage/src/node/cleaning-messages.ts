import { GomqError, InvariantError } from '@gomq/protocol'
import type { CleaningWork } from '../cleaning/cleaning-work.js'

/** What the cleaner's thread is started with. */
export interface CleaningThreadData {
  readonly keyBytesMax: number
  readonly pauseMs: number
}

/** A call, from the cleaner to its thread. */
export interface CleaningCall {
  readonly id: number
  readonly method: keyof CleaningWork
  readonly argument: unknown
}

/** The answer to a call. */
export type CleaningAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: PlainError }

/** An error in a form that passes between threads without losing what it is. */
export interface PlainError {
  readonly kind: 'gomq' | 'invariant' | 'other'
  /** Of a {@link GomqError}, or of the operating system's error. */
  readonly code: string | undefined
  readonly message: string
  readonly stack: string | undefined
}

/** The error as plain values. */
export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { kind: 'other', code: undefined, message: String(error), stack: undefined }
  const kind = error instanceof GomqError ? 'gomq' : error instanceof InvariantError ? 'invariant' : 'other'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return { kind, code, message: error.message, stack: error.stack }
}

/** The error again: of the same class, with the same code, message and stack. */
export function errorFrom({ kind, code, message, stack }: PlainError): Error {
  const error =
    kind === 'gomq'
      ? new GomqError(code as GomqError['code'], message)
      : kind === 'invariant'
        ? new InvariantError(message)
        : Object.assign(new Error(message), code !== undefined && { code })
  if (stack !== undefined) error.stack = stack
  return error
}
