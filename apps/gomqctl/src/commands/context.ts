import { GomqError } from '@gomq/client'
import {
  type ContextSettings,
  type Contexts,
  checkContextName,
  contextFile,
  readContexts,
  writeContexts,
} from '../context-file.js'
import { noContext } from '../context-options.js'
import { printable } from '../format.js'
import { Notes } from '../notes.js'
import { Output } from '../output.js'
import { tableOf } from '../table.js'

/** What is to be done with contexts. */
export type ContextRequest =
  | {
      readonly action: 'add'
      readonly name: string
      readonly settings: ContextSettings
      /** Whether one of the same name may go. */
      readonly replace: boolean
    }
  | { readonly action: 'use' | 'show'; readonly name: string | undefined }
  | { readonly action: 'list' }
  | { readonly action: 'remove'; readonly name: string }

/** How results are written. */
export interface ContextOptions {
  readonly json: boolean
  readonly quiet: boolean
}

/** Adds, chooses, shows or removes contexts. A password is kept and never printed. */
export async function context(request: ContextRequest, options: ContextOptions): Promise<void> {
  const notes = new Notes(process.stderr, options.quiet)
  const file = contextFile()
  const contexts = readContexts(file)
  const write = async (text: string) => {
    const output = new Output(process.stdout)
    await output.write(Buffer.from(text))
    await output.flush()
  }
  if (request.action === 'list') {
    if (contexts.byName.size === 0) notes.hint('there are no contexts; add one with gomqctl context add')
    return write(listText(contexts, process.stdout.isTTY, options.json))
  }
  if (request.action === 'show') {
    const name = request.name ?? contexts.current
    if (name === undefined)
      throw new GomqError('INVALID_ARGUMENT', 'no context is in use; name one, or see gomqctl context list')
    return write(showText(contexts, name, options.json))
  }
  writeContexts(file, changed(contexts, request))
  notes.report(doneText(contexts, request))
}

/** The contexts after a request that changes them. @throws GomqError INVALID_ARGUMENT */
export function changed(
  { current, byName }: Contexts,
  request: Exclude<ContextRequest, { readonly action: 'list' | 'show' }>,
): Contexts {
  const { action, name } = request
  if (action === 'add') {
    checkContextName(name)
    if (byName.has(name) && !request.replace)
      throw new GomqError('INVALID_ARGUMENT', `there is a context '${name}' already; --replace puts this in its place`)
    if (Object.keys(request.settings).length === 0)
      throw new GomqError('INVALID_ARGUMENT', 'a context keeps options and none is given; give some, such as --connect')
    if ('password' in request.settings && 'password-file' in request.settings)
      throw new GomqError(
        'INVALID_ARGUMENT',
        '--password and --password-file are both given; a context keeps one of the two',
      )
    return { current, byName: new Map(byName).set(name, request.settings) }
  }
  if (name !== undefined && !byName.has(name)) throw noContext(name, byName.keys())
  if (action === 'use') return { current: name, byName }
  return {
    current: current === name ? undefined : current,
    byName: new Map([...byName].filter(([each]) => each !== name)),
  }
}

/** The list of contexts as it is printed. */
export function listText({ current, byName }: Contexts, isTable: boolean, isJson: boolean): string {
  if (byName.size === 0) return ''
  const rows = [...byName].map(([name, settings]) => [
    name,
    name === current ? 'yes' : 'no',
    printable(shown(settings['connect'] ?? '')),
  ])
  if (isJson)
    return rows
      .map(([name, , connect]) => `${JSON.stringify({ name, inUse: name === current, connect: connect || null })}\n`)
      .join('')
  return isTable
    ? `${tableOf(['NAME', 'IN USE', 'CONNECT'], rows)}\n`
    : `${rows.map((row) => row.join('\t')).join('\n')}\n`
}

/** One context as it is printed. @throws GomqError INVALID_ARGUMENT  there is none of that name */
export function showText({ current, byName }: Contexts, name: string, isJson: boolean): string {
  const settings = byName.get(name)
  if (settings === undefined) throw noContext(name, byName.keys())
  const { password, ...open } = settings
  if (isJson)
    return `${JSON.stringify({ name, inUse: name === current, hasPassword: password !== undefined, options: open })}\n`
  return Object.entries(settings)
    .map(
      ([option, value]) =>
        `${printable(option)}\t${option === 'password' ? '(kept, not shown)' : printable(shown(value))}\n`,
    )
    .join('')
}

function shown(value: string | readonly string[]): string {
  return typeof value === 'string' ? value.replaceAll('gomq://', '') : value.join(' ')
}

function doneText(
  { current }: Contexts,
  { action, name }: Pick<ContextRequest, 'action'> & { name?: string | undefined },
): string {
  if (action === 'add')
    return `context '${name}' is kept; use it with gomqctl context use ${name}, or --context ${name}`
  if (action === 'use') return name === undefined ? 'no context is in use' : `context '${name}' is in use`
  return `context '${name}' is removed${name === current ? '; no context is in use' : ''}`
}
