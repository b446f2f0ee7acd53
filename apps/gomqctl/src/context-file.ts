import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { GomqError } from '@gomq/client'

/** Options by their long names without dashes, as they are written on a command line; a list for one that may be repeated. */
export type ContextSettings = Readonly<Record<string, string | readonly string[]>>

/** Everything that the file of contexts holds. */
export interface Contexts {
  /** The context that counts unless another is named. */
  readonly current: string | undefined
  /** Settings by name, in the order in which they were added. */
  readonly byName: ReadonlyMap<string, ContextSettings>
}

const VERSION = 1
const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/

/** Where contexts are kept: `$XDG_CONFIG_HOME/gomqctl/contexts.json`, in `~/.config` by default. */
export function contextFile(environment: NodeJS.ProcessEnv = process.env): string {
  const configHome = environment['XDG_CONFIG_HOME'] ?? ''
  // The specification ignores a relative path.
  return join(isAbsolute(configHome) ? configHome : join(homedir(), '.config'), 'gomqctl', 'contexts.json')
}

/** @throws GomqError INVALID_ARGUMENT  it is none */
export function checkContextName(name: string): void {
  if (!NAME.test(name))
    throw new GomqError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(name)} is no name of a context; use 1 to 64 letters, digits, '-', '_' and '.', first a letter or digit`,
    )
}

/** The contexts in a file; none if there is no file. @throws GomqError CONFIG_INVALID  it cannot be read or is damaged */
export function readContexts(file: string): Contexts {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { current: undefined, byName: new Map() }
    throw new GomqError('CONFIG_INVALID', `the contexts in ${file} cannot be read: ${message}`, { cause })
  }
  return parseContexts(text, file)
}

/** Keeps the contexts: readable by their owner alone, and the old file or the new one at any moment. @throws GomqError CONFIG_INVALID */
export function writeContexts(file: string, { current, byName }: Contexts): void {
  const contexts = Object.fromEntries(byName)
  const text = `${JSON.stringify({ version: VERSION, ...(current !== undefined && { current }), contexts }, null, 2)}\n`
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    replaceFile(targetOf(file), text)
  } catch (cause) {
    throw new GomqError('CONFIG_INVALID', `the contexts cannot be kept in ${file}: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** The file itself, also when what stands in its place is a link to it. */
function targetOf(file: string): string {
  try {
    return realpathSync(file)
  } catch {
    return file
  }
}

function replaceFile(file: string, text: string): void {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const descriptor = openSync(temporary, 'wx', 0o600)
    try {
      fchmodSync(descriptor, 0o600)
      const bytes = Buffer.from(text)
      for (let written = 0; written < bytes.byteLength; ) written += writeSync(descriptor, bytes, written)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** What a parser says of damaged text may repeat a password, so it is never passed on. */
function parseContexts(text: string, file: string): Contexts {
  const damaged = (what: string): GomqError =>
    new GomqError('CONFIG_INVALID', `the contexts in ${file} are damaged: ${what}; mend or remove the file`)
  let whole: unknown
  try {
    whole = JSON.parse(text)
  } catch {
    throw damaged('it is not JSON')
  }
  if (!isObject(whole)) throw damaged('it holds no object')
  if (whole['version'] !== VERSION) throw damaged(`its version is not ${VERSION}, the only one that this gomqctl knows`)
  const { current, contexts } = whole
  if (!isObject(contexts)) throw damaged("it holds no 'contexts'")
  const byName = new Map<string, ContextSettings>()
  for (const [name, settings] of Object.entries(contexts)) {
    if (!NAME.test(name)) throw damaged('a context has a name that none can have')
    if (!isObject(settings)) throw damaged(`context '${name}' holds no object`)
    for (const [option, value] of Object.entries(settings))
      if (typeof value !== 'string' && !isTexts(value))
        throw damaged(`context '${name}': ${JSON.stringify(option)} is no text`)
    byName.set(name, settings as ContextSettings)
  }
  if (current !== undefined && (typeof current !== 'string' || !byName.has(current)))
    throw damaged("'current' names none of its contexts")
  return { current, byName }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}
