import { Worker } from 'node:worker_threads'
import { GomqError } from '@gomq/protocol'
import { type Cleaner, type CleanerOptions, LogCleaner } from '../cleaning/cleaner.js'
import type { CleaningWork } from '../cleaning/cleaning-work.js'
import { CLEANING_PAUSE_MS, COMPACTION_KEY_BYTES_DEFAULT, SEGMENT_BYTES_DEFAULT } from '../limits.js'
import { type CleaningAnswer, type CleaningCall, type CleaningThreadData, errorFrom } from './cleaning-messages.js'

/** What a cleaner with a thread of its own is made with. */
export interface WorkerCleanerOptions extends Pick<CleanerOptions, 'segmentBytes' | 'keyBytesMax'> {
  /** Milliseconds that the thread rests after each read of 256 KiB, from 0; 2 by default, for 130 MB/s at most. */
  readonly pauseMs?: number
}

/** A {@link Cleaner} that is closed when it is no longer needed. */
export interface WorkerCleaner extends Cleaner {
  /**
   * Ends the thread, in the middle of its work if it has some: the call under way and later ones reject with CLOSED. The log is whole, but
   * there may be files that it does not know: close it too, so that the next start takes or removes them, before another cleaner goes on.
   * Again: the same promise.
   */
  close(): Promise<void>
}

/** From source the thread runs the built files, and not with the options that make this thread prefer the sources: Node reads no TypeScript. */
const IS_SOURCE = import.meta.url.endsWith('.ts')
const THREAD = new URL(IS_SOURCE ? '../../dist/node/cleaning-thread.js' : './cleaning-thread.js', import.meta.url)

/**
 * A cleaner for logs on the real disk that reads and writes segments in a thread of its own, which starts with the first call and keeps the
 * process alive only while it works. Errors are those of {@link Cleaner}; one that ends the thread (out of memory) rejects the call under way with
 * INTERNAL, and the next call begins with a new thread.
 */
export function createWorkerCleaner(options: WorkerCleanerOptions = {}): WorkerCleaner {
  return new ThreadCleaner(options)
}

class ThreadCleaner implements WorkerCleaner {
  readonly #data: CleaningThreadData
  readonly #segmentBytes: number
  #current: { readonly thread: CleaningThread; readonly cleaner: Cleaner } | undefined
  #closing: Promise<void> | undefined

  constructor({ segmentBytes, keyBytesMax, pauseMs }: WorkerCleanerOptions) {
    this.#segmentBytes = segmentBytes ?? SEGMENT_BYTES_DEFAULT
    this.#data = {
      keyBytesMax: keyBytesMax ?? COMPACTION_KEY_BYTES_DEFAULT,
      pauseMs: pauseMs ?? CLEANING_PAUSE_MS,
    }
  }

  survey(...[log, rules]: Parameters<Cleaner['survey']>): ReturnType<Cleaner['survey']> {
    return this.#run((cleaner) => cleaner.survey(log, rules))
  }

  clean(...[log, rules, budgetBytes]: Parameters<Cleaner['clean']>): ReturnType<Cleaner['clean']> {
    return this.#run((cleaner) => cleaner.clean(log, rules, budgetBytes))
  }

  close(): Promise<void> {
    this.#closing ??= this.#current?.thread.end(closed()) ?? Promise.resolve()
    return this.#closing
  }

  async #run<T>(work: (cleaner: Cleaner) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw closed()
    // What a thread knew went with it, and so does the half that counts on it.
    if (this.#current === undefined || this.#current.thread.hasEnded) {
      const thread = new CleaningThread(this.#data)
      this.#current = { thread, cleaner: new LogCleaner(thread.work, this.#segmentBytes) }
    }
    return work(this.#current.cleaner)
  }
}

/** A thread, and the calls that wait for it. */
class CleaningThread {
  readonly #worker: Worker
  readonly #waiting = new Map<
    number,
    { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }
  >()
  #lastId = 0
  #ended: Error | undefined
  /** {@link CleaningWork} over there. */
  readonly work: CleaningWork

  constructor(workerData: CleaningThreadData) {
    this.#worker = new Worker(THREAD, IS_SOURCE ? { workerData, execArgv: [] } : { workerData })
    this.#worker.unref()
    this.#worker.on('message', (answer: CleaningAnswer) => this.#handleAnswer(answer))
    this.#worker.on('error', (cause) => this.#handleEnd(lost(`: ${String(cause)}`, cause)))
    this.#worker.on('exit', (code) => this.#handleEnd(lost(` with code ${code}`)))
    const call =
      <Method extends keyof CleaningWork>(method: Method) =>
      (...[argument]: Parameters<CleaningWork[Method]>) =>
        this.#call(method, argument) as ReturnType<CleaningWork[Method]>
    this.work = {
      begin: call('begin'),
      addOpen: call('addOpen'),
      survey: call('survey'),
      plan: call('plan'),
      rewrite: call('rewrite'),
      beginCompaction: call('beginCompaction'),
      compact: call('compact'),
      endCompaction: call('endCompaction'),
      damages: call('damages'),
      discard: call('discard'),
    }
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  async end(error: Error): Promise<void> {
    this.#handleEnd(error)
    await this.#worker.terminate()
  }

  #call(method: keyof CleaningWork, argument: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended)
        return
      }
      const id = ++this.#lastId
      if (this.#waiting.size === 0) this.#worker.ref()
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, method, argument } satisfies CleaningCall)
    })
  }

  #handleAnswer(answer: CleaningAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('error' in answer) waiting?.reject(errorFrom(answer.error))
    else waiting?.resolve(answer.result)
  }

  #handleEnd(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }
}

function lost(how: string, cause?: unknown): GomqError {
  return new GomqError('INTERNAL', `the thread of the cleaner ended${how}; the next turn starts another`, { cause })
}

function closed(): GomqError {
  return new GomqError('CLOSED', 'the cleaner is closed')
}
