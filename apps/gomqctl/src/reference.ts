import type { Command } from 'commander'
import { descendantsOf, pathOf } from './command-tree.js'
import { buildProgram } from './program.js'

/** Columns of the printed help texts. */
const WIDTH = 100

/** The help of the program and of each command, as Markdown, for `docs/reference/gomqctl.md`. Options of all stand only with the program. */
export function printHelp(): string {
  const program = buildProgram()
  return [program, ...descendantsOf(program)]
    .map((command) => `### ${`gomqctl ${pathOf(command)}`.trimEnd()}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``)
    .join('\n\n')
}

function helpOf(command: Command): string {
  let text = ''
  command.configureHelp({ showGlobalOptions: false })
  command.configureOutput({
    getOutHelpWidth: () => WIDTH,
    writeOut: (part) => {
      text += part
    },
  })
  command.outputHelp()
  return text.trim()
}
