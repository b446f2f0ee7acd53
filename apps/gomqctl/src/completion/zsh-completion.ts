import { bashCompletion } from './bash-completion.js'
import type { CompletableCommand } from './completion-table.js'

/** The script for zsh: that for bash, which zsh runs by its `bashcompinit`. */
export function zshCompletion(table: readonly CompletableCommand[]): string {
  return `# Completion of gomqctl for zsh: source <(gomqctl completion zsh)
autoload -Uz +X compinit && compinit
autoload -Uz +X bashcompinit && bashcompinit
${bashCompletion(table).replace(/^#.*\n/, '')}`
}
