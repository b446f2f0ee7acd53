import { askBroker } from '../broker-http.js'
import type { ListEntry } from '../broker-lists.js'
import { Notes } from '../notes.js'
import type { GlobalOptions } from '../options.js'
import { Output } from '../output.js'
import { tableOf } from '../table.js'
import { sizeText } from '../units.js'
import { pageText } from './lists.js'

/** Options of `policy set`: what is not given has no bound. */
export interface PolicyOptions {
  /** Milliseconds. */
  readonly maxAge?: number
  readonly maxBytes?: number
  readonly maxCount?: number
  readonly acked?: boolean
  readonly compact?: boolean
  /** Milliseconds. */
  readonly tombstone?: number
  readonly dryRun?: boolean
}

/** What is to be done with a retention policy. */
export type PolicyRequest =
  | { readonly action: 'get'; readonly filter: string }
  | { readonly action: 'remove'; readonly filter: string }
  | { readonly action: 'set'; readonly filter: string; readonly options: PolicyOptions }

const PATH = '/v1/policies'

/** Shows, sets or removes a retention policy over the broker's HTTP. */
export async function policy(request: PolicyRequest, globals: GlobalOptions): Promise<void> {
  const notes = new Notes(process.stderr, globals.quiet)
  const { http, json } = globals
  const { filter } = request
  const isTable = process.stdout.isTTY && !json
  const one = `${PATH}?${new URLSearchParams({ filter })}`
  if (request.action === 'get') {
    const { items } = (await askBroker(http, one)) as { readonly items: readonly ListEntry[] }
    return print(pageText('policies', items, isTable, json))
  }
  if (request.action === 'remove') {
    const removed = (await askBroker(http, one, { method: 'DELETE' })) as ListEntry
    notes.report(
      `the policy of ${filter} is removed; its messages are kept from now on as another policy says, or for ever`,
    )
    return json ? print(pageText('policies', [removed], isTable, json)) : undefined
  }
  const { dryRun = false } = request.options
  const path = dryRun ? `${PATH}?dryRun=true` : PATH
  const answer = (await askBroker(http, path, { method: 'PUT', body: bodyOf(request) })) as ListEntry
  if (dryRun) return print(dryRunText(answer, isTable, json))
  notes.report(`the policy of ${filter} holds`)
  return json ? print(pageText('policies', [answer], isTable, json)) : undefined
}

/** The policy as the broker's HTTP takes it. */
export function bodyOf({ filter, options }: Extract<PolicyRequest, { action: 'set' }>): Record<string, unknown> {
  const { maxAge, maxBytes, maxCount, acked, compact, tombstone } = options
  return {
    filter,
    ...(maxAge !== undefined && { maxAgeMs: maxAge }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(maxCount !== undefined && { maxCount }),
    ...(acked !== undefined && { isAckedRemoved: acked }),
    ...(compact !== undefined && { isCompacted: compact }),
    ...(tombstone !== undefined && { tombstoneMs: tombstone }),
  }
}

/** What a dry run found, without the last line end. */
export function dryRunText(answer: ListEntry, isTable: boolean, isJson: boolean): string {
  if (isJson) return JSON.stringify(answer)
  const { before, deadBytes, liveBytes } = answer
  if (isTable)
    return tableOf(['REMOVED', 'KEPT', 'BEFORE'], [[sizeText(deadBytes), sizeText(liveBytes), String(before)]])
  return [deadBytes, liveBytes, before].join('\t')
}

async function print(text: string): Promise<void> {
  const output = new Output(process.stdout)
  await output.write(Buffer.from(`${text}\n`))
  await output.flush()
}
