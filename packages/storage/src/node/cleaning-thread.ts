import { parentPort, workerData } from 'node:worker_threads'
import { crc32 } from '@gomq/protocol/node'
import { type CleaningWork, LocalCleaningWork } from '../cleaning/cleaning-work.js'
import { type CleaningAnswer, type CleaningCall, type CleaningThreadData, plainError } from './cleaning-messages.js'
import { nodeFileSystem } from './node-file-system.js'

// The thread that `createWorkerCleaner` starts: it does what it is told, one call at a time.
const { keyBytesMax, pauseMs } = workerData as CleaningThreadData
const pause = () => new Promise<void>((resolve) => setTimeout(resolve, pauseMs))
const work = new LocalCleaningWork({ fs: nodeFileSystem(), crc32, pause }, keyBytesMax)

parentPort!.on('message', ({ id, method, argument }: CleaningCall) => {
  const run = work[method] as (argument: unknown) => ReturnType<CleaningWork[typeof method]>
  run.call(work, argument).then(
    (result) => parentPort!.postMessage({ id, result } satisfies CleaningAnswer),
    (error) => parentPort!.postMessage({ id, error: plainError(error) } satisfies CleaningAnswer),
  )
})
