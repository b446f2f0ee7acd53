import { environmentName, OPTION_KEYS, OPTIONS } from './option-table.js'

/** The table of all options in Markdown, for `docs/reference/configuration.md`. */
export function configurationReference(): string {
  const rows = OPTION_KEYS.map((key) => {
    const { flag, placeholder, fallback, description } = OPTIONS[key]
    const value = placeholder === undefined ? '' : ` <${placeholder.replaceAll('|', '\\|')}>`
    return `| \`--${flag}${value}\` | \`${environmentName(flag)}\` | ${fallback === '' ? 'none' : `\`${fallback}\``} | ${description} |`
  })
  return ['| Flag (key in the file) | Environment | Default | Meaning |', '|---|---|---|---|', ...rows, ''].join('\n')
}
