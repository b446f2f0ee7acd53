import type { Command } from 'commander'

/** All commands below a command, each before its own. */
export function descendantsOf(command: Command): Command[] {
  return command.commands.flatMap((each) => [each, ...descendantsOf(each)])
}

/** How a command is called behind the name of the program: `pub`, `context add`; empty for the program. */
export function pathOf(command: Command): string {
  if (command.parent === null) return ''
  return `${pathOf(command.parent)} ${command.name()}`.trimStart()
}

/** The command that a word names here, by its name or alias. */
export function commandNamed(parent: Command, word: string): Command | undefined {
  return parent.commands.find((command) => command.name() === word || command.aliases().includes(word))
}
