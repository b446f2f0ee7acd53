import type { Command } from 'commander'
import { buildProgram } from './program.js'

/** Columns of the printed help texts. */
const WIDTH = 100

/** The help of the program and of each command, as Markdown, for `docs/reference/gomqctl.md`. */
export function printHelp(): string {
  const program = buildProgram()
  return [program, ...program.commands]
    .map((command) => `### ${headingOf(command)}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``)
    .join('\n\n')
}

function headingOf(command: Command): string {
  return command.parent === null ? 'gomqctl' : `gomqctl ${command.name()}`
}

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({
    getOutHelpWidth: () => WIDTH,
    writeOut: (part) => {
      text += part
    },
  })
  command.outputHelp()
  return text.trim()
}
