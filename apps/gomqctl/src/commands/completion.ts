import type { Command } from 'commander'
import { bashCompletion } from '../completion/bash-completion.js'
import { completionTable } from '../completion/completion-table.js'
import { fishCompletion } from '../completion/fish-completion.js'
import { zshCompletion } from '../completion/zsh-completion.js'
import { Output } from '../output.js'

/** Shells that there is a script for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

/** One of {@link SHELLS}. */
export type Shell = (typeof SHELLS)[number]

/** Prints the script that completes the program's commands and options in a shell. */
export async function completion(shell: Shell, program: Command): Promise<void> {
  const output = new Output(process.stdout)
  await output.write(Buffer.from(completionScript(shell, program)))
  await output.flush()
}

/** That script. */
export function completionScript(shell: Shell, program: Command): string {
  const table = completionTable(program)
  switch (shell) {
    case 'bash':
      return bashCompletion(table)
    case 'zsh':
      return zshCompletion(table)
    case 'fish':
      return fishCompletion(table)
  }
}
