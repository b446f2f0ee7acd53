import type { Crc32, Epoch, Offset } from '@gomq/protocol'
import { type FileSystem, readFile, replaceFile } from './file-system.js'
import { decodeSealed, encodeSealed } from './format/sealed-record.js'

const NAME = 'checkpoint'
const MAGIC = 0x43514d47 // "GMQC"
const VERSION = 1

/** What this disk knows about itself: a log that ends below `syncedOffset` has lost something. */
export interface Checkpoint {
  readonly storeId: string
  readonly syncedOffset: Offset
  readonly epoch: Epoch
}

export async function readCheckpoint(fs: FileSystem, directory: string, crc32: Crc32): Promise<Checkpoint | undefined> {
  const bytes = await readFile(fs, `${directory}/${NAME}`)
  const sealed = bytes && decodeSealed(bytes, MAGIC, VERSION, 'the checkpoint', crc32)
  if (sealed === undefined) return undefined
  const [storeId, syncedOffset, epoch] = sealed.value as [string, Offset, Epoch]
  return { storeId, syncedOffset, epoch }
}

export function writeCheckpoint(
  fs: FileSystem,
  directory: string,
  checkpoint: Checkpoint,
  crc32: Crc32,
): Promise<void> {
  const { storeId, syncedOffset, epoch } = checkpoint
  return replaceFile(fs, directory, NAME, [encodeSealed(MAGIC, VERSION, [storeId, syncedOffset, epoch], crc32)])
}
