import {
  baseOffsetOf,
  decodeRecord,
  isControl,
  type Offset,
  offset,
  presentRanges,
  type RetentionPolicy,
  recordBytesOf,
  recordCountOf,
  recordsStartOf,
  topicOf,
} from '@gomq/protocol'
import type { CleaningRules } from '../../../src/cleaning/rules.js'

/** What the log says to the state that is folded from it: as the engine's control records, and the retained messages, do. */
export type Command =
  | readonly ['set', string, string]
  | readonly ['policy', RetentionPolicy]
  | readonly ['drop', string]
  | readonly ['floor', string, number]
  | readonly ['pin', string, number]

/** A batch as the fold sees it. */
export interface Folded {
  readonly next: number
  readonly commands: readonly Command[]
}

/** The state: what committed commands came to. Applying the same ones again, in order, changes nothing. */
export type State = Map<string, string>

/** First character of the value of a message that its topic retains. */
export const RETAINED_MARK = 'R'

/** Applies one command. A floor only rises, and only while there is a policy; a policy that is put anew keeps its floor. */
export function applyCommand(state: State, command: Command): void {
  if (command[0] === 'set') state.set(`set:${command[1]}`, command[2])
  else if (command[0] === 'pin') state.set(`pin:${command[1]}`, String(command[2]))
  else if (command[0] === 'policy') {
    const { filter } = command[1]
    state.set(`policy:${filter}`, JSON.stringify(command[1]))
    if (!state.has(`floor:${filter}`)) state.set(`floor:${filter}`, '0')
  } else if (command[0] === 'drop') {
    state.delete(`policy:${command[1]}`)
    state.delete(`floor:${command[1]}`)
  } else {
    const key = `floor:${command[1]}`
    const before = state.get(key)
    if (before !== undefined && command[2] > Number(before)) state.set(key, String(command[2]))
  }
}

/** What everything below `end` comes to, from nothing. */
export function foldAll(batches: Iterable<Folded>, end: number): State {
  const state: State = new Map()
  for (const { next, commands } of batches) if (next <= end) for (const one of commands) applyCommand(state, one)
  return state
}

/** The rules that the state has for a cleaner. */
export function rulesOf(state: State, cleanableTo: number, nowMs: number): CleaningRules {
  const rules: { policy: RetentionPolicy; before: Offset }[] = []
  const pinned: number[] = []
  for (const [key, value] of state) {
    if (key.startsWith('pin:')) pinned.push(Number(value))
    if (!key.startsWith('policy:')) continue
    const policy = JSON.parse(value) as RetentionPolicy
    rules.push({ policy, before: offset(Number(state.get(`floor:${policy.filter}`))) })
  }
  pinned.sort((a, b) => a - b)
  return { rules, pinned: Float64Array.from(pinned), cleanableTo: offset(cleanableTo), nowMs }
}

/** One entry of a snapshot. */
export function encodeEntry(entry: readonly [string, string]): Uint8Array {
  return Buffer.from(JSON.stringify(entry))
}

/** The other way. */
export function decodeEntry(bytes: Uint8Array): [string, string] {
  return JSON.parse(Buffer.from(bytes).toString()) as [string, string]
}

/** The commands that a batch of the log holds, read from its bytes. */
export function commandsOf(batch: Uint8Array): Command[] {
  const commands: Command[] = []
  const count = recordCountOf(batch)
  if (!isControl(batch) && count > 1) return []
  for (const [index, start, end] of recordsOf(batch)) {
    const text = Buffer.from(decodeRecord(batch, start, end).value).toString()
    if (isControl(batch)) commands.push(JSON.parse(text) as Command)
    else if (text.startsWith(RETAINED_MARK)) commands.push(['pin', topicOf(batch), baseOffsetOf(batch) + index])
  }
  return commands
}

/** Index, first byte and end of each record that is there. */
export function* recordsOf(batch: Uint8Array): Generator<[number, number, number]> {
  const ranges = presentRanges(batch)
  let at = recordsStartOf(batch)
  for (let i = 0; i < ranges.length; i += 2)
    for (let index = ranges[i]!; index < ranges[i + 1]!; index++) {
      const end = at + recordBytesOf(batch, index)
      yield [index, at, end]
      at = end
    }
}
