import { type CompletableCommand, type OptionValue, valueOptions } from './completion-table.js'

/** The script for bash; zsh runs it as well, through its `bashcompinit`. Nothing of gomqctl runs while it completes. */
export function bashCompletion(table: readonly CompletableCommand[]): string {
  return `# Completion of gomqctl for bash: source <(gomqctl completion bash)
_gomqctl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous='' call='' word words i
  if ((COMP_CWORD > 0)); then previous="\${COMP_WORDS[COMP_CWORD - 1]}"; fi
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in
      --) return ;;
      ${valueOptions(table).join('|')}) ((++i)) ;;
      -*) ;;
      *)
        case "\${call:+$call }$word" in
          ${callPatterns(table)}) call="\${call:+$call }$word" ;;
        esac
        ;;
    esac
  done
  # The value of the option in front of the cursor.
  if ((i == COMP_CWORD)); then
    previous=''
  fi
  case "$previous" in
${valueCases(table)}  esac
  case "$call" in
${table.map(commandCase).join('')}  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _gomqctl gomqctl
`
}

function callPatterns(table: readonly CompletableCommand[]): string {
  return table
    .flatMap(({ calls }) => calls)
    .filter((call) => call !== '')
    .map(quoted)
    .join('|')
}

function valueCases(table: readonly CompletableCommand[]): string {
  const byNames = new Map<string, OptionValue>()
  for (const { names, value } of table.flatMap((command) => command.options))
    if (value !== 'none') byNames.set(names.join('|'), value)
  return [...byNames].map(([names, value]) => `    ${names}) ${replyFor(value)}return ;;\n`).join('')
}

function replyFor(value: OptionValue): string {
  if (value === 'file')
    return 'local IFS=$\'\\n\'; COMPREPLY=($(compgen -f -- "$current")); compopt -o filenames 2> /dev/null; '
  if (typeof value === 'string') return ''
  return `COMPREPLY=($(compgen -W ${quoted(value.join(' '))} -- "$current")); `
}

function commandCase({ calls, commands, options }: CompletableCommand): string {
  const optionNames = options.flatMap(({ names }) => names)
  const words = [...commands.map(([name]) => name), ...optionNames]
  return `    ${calls.map(quoted).join('|')}) words=${quoted(words.join(' '))} ;;\n`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
