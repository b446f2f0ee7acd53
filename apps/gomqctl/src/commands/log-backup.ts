import { crc32, systemRandom } from '@gomq/protocol/node'
import { type BackupManifest, backUp, type OnProgress, restore, verifyBackup } from '@gomq/storage'
import { nodeFileSystem } from '@gomq/storage/node'
import type { LogOptions, LogRequest } from '../log-request.js'
import type { Notes } from '../notes.js'
import { Output } from '../output.js'
import { Progress } from '../progress.js'

/** Copies a data directory into a new one, while its broker works or not. */
export async function backup(
  { directory, target, verify }: Extract<LogRequest, { action: 'backup' }>,
  options: LogOptions,
  notes: Notes,
): Promise<void> {
  const fs = nodeFileSystem()
  const manifest = await withProgress((onProgress) =>
    backUp({ fs, directory, target, crc32, random: systemRandom, nowMs: Date.now(), onProgress }),
  )
  if (verify) await withProgress((onProgress) => verifyBackup({ fs, backup: target, crc32, onProgress }))
  await report(manifest, options)
  notes.report(`${text(manifest)} copied to ${target}${verify ? ' and read again' : ''}`)
}

/** Makes a data directory from a backup. */
export async function restoreBackup(
  { backup, directory }: Extract<LogRequest, { action: 'restore' }>,
  options: LogOptions,
  notes: Notes,
): Promise<void> {
  const fs = nodeFileSystem()
  const manifest = await withProgress((onProgress) =>
    restore({ fs, backup, directory, crc32, random: systemRandom, onProgress }),
  )
  await report(manifest, options)
  notes.report(`${text(manifest)} restored to ${directory}, from a backup of ${timeText(manifest)}`)
}

async function withProgress<T>(work: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  const progress = new Progress(process.stderr)
  try {
    return await work((done, total) => progress.update(done, total))
  } finally {
    progress.stop()
  }
}

async function report(manifest: BackupManifest, { json }: LogOptions): Promise<void> {
  if (!json) return
  const { logStartOffset, logEndOffset, files } = manifest
  const output = new Output(process.stdout)
  const result = {
    createdAt: timeText(manifest),
    logStartOffset,
    logEndOffset,
    files: files.length,
    bytes: bytesOf(manifest),
  }
  await output.write(Buffer.from(`${JSON.stringify(result)}\n`))
  await output.flush()
}

function text(manifest: BackupManifest): string {
  const { logStartOffset, logEndOffset, files } = manifest
  return `offsets ${logStartOffset} to ${logEndOffset}: ${files.length} files, ${bytesOf(manifest)} bytes`
}

function bytesOf({ files }: BackupManifest): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}

function timeText({ createdAtMs }: BackupManifest): string {
  return new Date(createdAtMs).toISOString()
}
