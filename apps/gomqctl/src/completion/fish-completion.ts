import { type CompletableCommand, type CompletableOption, valueOptions } from './completion-table.js'

/** The script for fish. Nothing of gomqctl runs while it completes. */
export function fishCompletion(table: readonly CompletableCommand[]): string {
  const calls = table.flatMap((command) => command.calls).filter((call) => call !== '')
  return `# Completion of gomqctl for fish: gomqctl completion fish | source
function __gomqctl_call
    set -l call
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case ${valueOptions(table).map(quoted).join(' ')}
                set skip 1
            case '-*'
            case '*'
                set -l longer (string trim -- "$call $word")
                if contains -- $longer ${calls.map(quoted).join(' ')}
                    set call $longer
                end
        end
    end
    echo $call
end
function __gomqctl_is
    contains -- (__gomqctl_call) $argv
end
complete -c gomqctl -f
${table.map(linesOf).join('')}`
}

function linesOf({ calls, commands, options }: CompletableCommand): string {
  // The condition is a text that fish evaluates, so its words are quoted within quotes.
  const condition = quoted(`__gomqctl_is ${calls.map((call) => quoted(call)).join(' ')}`)
  return [
    ...commands.map(
      ([name, description]) => `complete -c gomqctl -n ${condition} -a ${name} -d ${quoted(description)}\n`,
    ),
    ...options.map(
      (option) => `complete -c gomqctl -n ${condition}${optionOf(option)} -d ${quoted(option.description)}\n`,
    ),
  ].join('')
}

function optionOf({ names, value }: CompletableOption): string {
  const flags = names.map((name) => (name.startsWith('--') ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`)).join('')
  if (value === 'none') return flags
  if (value === 'file') return `${flags} -r -F`
  return typeof value === 'string' ? `${flags} -x` : `${flags} -x -a ${quoted(value.join(' '))}`
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
