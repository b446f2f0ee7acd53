import { crc32 } from '@gomq/protocol/node'
import { type Finding, type Verification, verifyDirectory } from '@gomq/storage'
import { nodeFileSystem } from '@gomq/storage/node'
import { Exit, ExitCode } from '../exit.js'
import { printable } from '../format.js'
import type { LogOptions, LogRequest } from '../log-request.js'
import type { Notes } from '../notes.js'
import { Output } from '../output.js'
import { Progress } from '../progress.js'
import { tableOf } from '../table.js'

/** Columns of a terminal that topics may take. */
const TOPICS_COLUMNS = 40
const HEAD = ['SEVERITY', 'FILE', 'BYTES', 'OFFSETS', 'BATCHES', 'TOPICS', 'WHAT']

/** Checks a data directory, prints what it finds, and ends with 65 if something is damaged. */
export async function verify(
  { directory, live }: Extract<LogRequest, { action: 'verify' }>,
  options: LogOptions,
  notes: Notes,
): Promise<void> {
  const progress = new Progress(process.stderr)
  let verification: Verification
  try {
    verification = await verifyDirectory({
      fs: nodeFileSystem(),
      directory,
      crc32,
      isLive: live,
      onProgress: (done, total) => progress.update(done, total),
    })
  } finally {
    progress.stop()
  }
  const text = findingsText(verification, process.stdout.isTTY, options.json)
  const output = new Output(process.stdout)
  await output.write(Buffer.from(text))
  await output.flush()
  notes.report(summaryText(verification))
  if (verification.isDamaged) {
    notes.hint(`see what can be saved with gomqctl log repair ${directory}`)
    throw new Exit(ExitCode.DATA)
  }
}

/** The findings as they are printed: a table, tab-separated fields, or JSON with a summary behind them. */
export function findingsText(verification: Verification, isTable: boolean, isJson: boolean): string {
  const { findings, isDamaged, segments, batches, records, bytes, logStartOffset, logEndOffset, snapshots } =
    verification
  if (isJson) {
    const summary = { isDamaged, segments, batches, records, bytes, logStartOffset, logEndOffset, snapshots }
    return [...findings, summary].map((each) => `${JSON.stringify(each)}\n`).join('')
  }
  if (findings.length === 0) return ''
  const rows = findings.map((finding) => rowOf(finding, isTable))
  return isTable ? `${tableOf(HEAD, rows)}\n` : rows.map((row) => `${row.join('\t')}\n`).join('')
}

/** One line that says how the directory is. */
export function summaryText(verification: Verification): string {
  const { isDamaged, findings, segments, batches, records, bytes, logStartOffset, logEndOffset } = verification
  const size = `${segments} segments, ${batches} batches, ${records} records, ${bytes} bytes`
  const count = findings.filter(({ severity }) => severity !== 'harmless').length
  const state = isDamaged ? `damaged in ${count === 1 ? 'one place' : `${count} places`}` : 'clean'
  return `offsets ${logStartOffset} to ${logEndOffset}: ${size}; ${state}`
}

/** A finding in one line. */
export function findingText(finding: Finding): string {
  const [, file, bytes, offsets, batches, topics, what] = rowOf(finding, false)
  const parts = [
    offsets === '' ? '' : `offsets ${offsets}`,
    bytes === '' ? '' : `bytes ${bytes}`,
    batches === '' ? '' : `batches ${batches}`,
    topics === '' ? '' : `topics ${topics}`,
  ]
  return [`${file}: ${what}`, ...parts.filter((part) => part !== '')].join(', ')
}

function rowOf({ severity, file, bytes, offsets, batches, topics, what }: Finding, isTable: boolean): string[] {
  const range = (pair: readonly [number, number | null] | undefined) =>
    pair === undefined ? '' : `${pair[0]}..${pair[1] ?? '?'}`
  const names = (topics ?? []).map(printable).join(' ')
  const shortened = isTable && names.length > TOPICS_COLUMNS ? `${names.slice(0, TOPICS_COLUMNS - 1)}…` : names
  return [severity, printable(file), range(bytes), range(offsets), String(batches ?? ''), shortened, what]
}
