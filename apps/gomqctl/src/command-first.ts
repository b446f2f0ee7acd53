import type { Command, Option } from 'commander'

/**
 * The arguments with the command in front of all options, so that every option may stand before or after it:
 *
 *     --topic A --from earliest sub --count 3  ->  sub --topic A --from earliest --count 3
 *
 * The command is the first argument that is neither an option nor the value of one; without a command nothing changes. Values are told
 * from commands by the options of the program and of all its commands, in which one name never means two things. From an unknown option
 * on nothing is certain: then nothing changes either, and commander says what is wrong.
 */
export function commandFirst(args: readonly string[], program: Command): string[] {
  const options = [program, ...program.commands].flatMap((command) => [...command.options])
  const at = indexOfOperand(args, options)
  if (at < 0) return [...args]
  return [args[at]!, ...args.slice(0, at), ...args.slice(at + 1)]
}

function indexOfOperand(args: readonly string[], options: readonly Option[]): number {
  for (let at = 0; at < args.length; at++) {
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
