import { crc32, systemRandom } from '@gomq/protocol/node'
import { planRepair, type RepairPlan, repairDirectory } from '@gomq/storage'
import { nodeFileSystem } from '@gomq/storage/node'
import type { LogOptions, LogRequest } from '../log-request.js'
import type { Notes } from '../notes.js'
import { Output } from '../output.js'
import { Progress } from '../progress.js'
import { findingText } from './log-verify.js'

/** Prints what a repair would do and lose; with `--apply` does it, and prints what it did. */
export async function repair(
  { directory, apply }: Extract<LogRequest, { action: 'repair' }>,
  { json }: LogOptions,
  notes: Notes,
): Promise<void> {
  const progress = new Progress(process.stderr)
  const options = {
    fs: nodeFileSystem(),
    directory,
    crc32,
    onProgress: (done: number, total: number) => progress.update(done, total),
  }
  let plan: RepairPlan
  try {
    plan = apply
      ? await repairDirectory({ ...options, random: systemRandom, nowMs: Date.now() })
      : await planRepair(options)
  } finally {
    progress.stop()
  }
  const output = new Output(process.stdout)
  await output.write(Buffer.from(planText(plan, apply, json)))
  await output.flush()
  if (plan.steps.length === 0) notes.report('there is nothing to repair')
  else if (apply) notes.report(`repaired: offsets ${plan.logStartOffset} to ${plan.logEndOffset}`)
  else notes.report('nothing is changed; --apply does it')
}

/** A plan as it is printed: what is done, what is lost and what follows, one a line; or JSON. */
export function planText(plan: RepairPlan, isApplied: boolean, isJson: boolean): string {
  const { steps, losses, consequences, isNewIdentity, logStartOffset, logEndOffset } = plan
  if (isJson)
    return `${JSON.stringify({ isApplied, steps, losses, consequences, isNewIdentity, logStartOffset, logEndOffset })}\n`
  const lines = [
    ...steps.map((step) => `do\t${step}`),
    ...losses.map((loss) => `lost\t${findingText(loss)}`),
    ...consequences.map((consequence) => `then\t${consequence}`),
  ]
  return lines.map((line) => `${line}\n`).join('')
}
