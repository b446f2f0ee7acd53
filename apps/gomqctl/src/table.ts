import Table from 'cli-table3'

const LINES = [
  ...['top', 'bottom', 'left', 'right', 'mid', 'top-mid', 'top-left', 'top-right', 'bottom-mid', 'bottom-left'],
  ...['bottom-right', 'left-mid', 'mid-mid', 'right-mid'],
]

/** Rows under their heads, in columns without lines, so that they can be copied. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    chars: { ...Object.fromEntries(LINES.map((name) => [name, ''])), middle: '  ' },
  })
  table.push(...rows.map((row) => [...row]))
  return table.toString().replace(/ +$/gm, '')
}
