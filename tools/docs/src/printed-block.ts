/**
 * Puts `printed` between the markers `<!-- <name>: printed from ... -->` and `<!-- end of <name> -->` of a page, so that a page can hold prose
 * beside what is printed.
 */
export function withPrinted(page: string, name: string, printed: string): string {
  const begin = page.indexOf(`<!-- ${name}: printed from `)
  const beginEnd = page.indexOf('-->', begin) + 3
  const end = page.indexOf(`<!-- end of ${name} -->`)
  if (begin === -1 || end < beginEnd) throw new Error(`the page has no place for '${name}'`)
  return `${page.slice(0, beginEnd)}\n\n${printed.trim()}\n\n${page.slice(end)}`
}

/** A Markdown table; bars in cells are escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}
