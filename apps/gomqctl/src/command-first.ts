import type { Command, Option } from 'commander'
import { commandNamed, descendantsOf } from './command-tree.js'

/**
 * The arguments with the command in front of all options, so that every option may stand before or after it:
 *
 *     --topic A --from earliest sub --count 3  ->  sub --topic A --from earliest --count 3
 *     --json context --quiet list              ->  context list --json --quiet
 *
 * The command is the first argument that is neither an option nor the value of one, and the next such one if that command has commands
 * of its own; without a command nothing changes. Values are told
 * from commands by the options of the program and of all its commands, in which one name never means two things. From an unknown option
 * on nothing is certain: then nothing changes either, and commander says what is wrong.
 */
export function commandFirst(args: readonly string[], program: Command): string[] {
  const options = [program, ...descendantsOf(program)].flatMap((command) => [...command.options])
  const path: string[] = []
  const others = [...args]
  let command: Command | undefined = program
  let start = 0
  while (command !== undefined && command.commands.length > 0) {
    const at = indexOfOperand(others, start, options)
    if (at < 0) break
    const [word] = others.splice(at, 1)
    path.push(word!)
    command = commandNamed(command, word!)
    start = at
  }
  return [...path, ...others]
}

function indexOfOperand(args: readonly string[], start: number, options: readonly Option[]): number {
  for (let at = start; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '--') return -1
    if (arg === '-' || !arg.startsWith('-')) return at
    const values = valuesBehind(arg, options)
    if (values === undefined) return -1
    at += values
  }
  return -1
}

/** How many of the following arguments belong to the option, 0 or 1; undefined if there is no such option. */
function valuesBehind(arg: string, options: readonly Option[]): 0 | 1 | undefined {
  if (arg.startsWith('--')) {
    const [name] = arg.split('=', 1)
    const option = options.find(({ long }) => long === name)
    if (option === undefined) return name === '--help' ? 0 : undefined
    return option.required && name === arg ? 1 : 0
  }
  // `-q1` carries its value, `-lk` ends with the option that takes the next argument.
  for (let i = 1; i < arg.length; i++) {
    const option = options.find(({ short }) => short === `-${arg[i]}`)
    if (option === undefined && arg[i] !== 'h') return undefined
    if (option?.required) return i === arg.length - 1 ? 1 : 0
  }
  return 0
}
