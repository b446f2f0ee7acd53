/** A colour for each system, told apart also by those who see few colours; used in turn. */
const COLOURS = [
  '#7f7f7f',
  '#0b6e4f',
  '#d55e00',
  '#0072b2',
  '#56b4e9',
  '#cc79a7',
  '#e69f00',
  '#8c564b',
  '#332288',
  '#999933',
]

/** The colour of the system at that place of the run's list. */
export function colourAt(index: number): string {
  return COLOURS[index % COLOURS.length]!
}

/** A picture with white behind it, so that it is legible on dark pages too. @param body  elements, their texts escaped */
export function svgOf(width: number, height: number, title: string, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...body,
    '</svg>\n',
  ].join('\n')
}

/** A line of text. */
export function textAt(x: number, y: number, text: string, attributes = ''): string {
  return `<text x="${rounded(x)}" y="${rounded(y)}" fill="#222222"${attributes && ` ${attributes}`}>${escaped(text)}</text>`
}

/** One decimal is enough for a picture. */
export function rounded(value: number): number {
  return Math.round(value * 10) / 10
}

/** Text for XML. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
