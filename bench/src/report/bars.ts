import { rounded, svgOf, textAt } from './svg.js'

/** One bar. */
export interface Bar {
  readonly label: string
  /** At least 0. */
  readonly value: number
  readonly text: string
  readonly colour: string
}

const WIDTH = 760
const LABEL_WIDTH = 190
const TEXT_WIDTH = 110
const ROW_HEIGHT = 22
const TITLE_HEIGHT = 30

/** Horizontal bars from zero, the largest as wide as there is room, each with its figure. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const room = WIDTH - LABEL_WIDTH - TEXT_WIDTH
  const most = Math.max(...bars.map(({ value }) => value))
  const body = bars.flatMap(({ label, value, text, colour }, i) => {
    const y = TITLE_HEIGHT + i * ROW_HEIGHT
    const width = most > 0 ? rounded((value / most) * room) : 0
    return [
      textAt(LABEL_WIDTH - 8, y + 15, label, 'text-anchor="end"'),
      `<rect x="${LABEL_WIDTH}" y="${y + 3}" width="${width}" height="${ROW_HEIGHT - 6}" fill="${colour}"/>`,
      textAt(LABEL_WIDTH + width + 6, y + 15, text),
    ]
  })
  const height = TITLE_HEIGHT + bars.length * ROW_HEIGHT + 8
  return svgOf(WIDTH, height, title, [textAt(10, 19, title, 'font-weight="bold"'), ...body])
}
