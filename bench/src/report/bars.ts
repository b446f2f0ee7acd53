import { rounded, svgOf, textAt } from './svg.js'

/** One bar. */
export interface Bar {
  readonly label: string
  /** What is said below the name, smaller. */
  readonly note: string
  /** At least 0. */
  readonly value: number
  readonly text: string
  readonly colour: string
}

/** What the picture says beside its bars. */
export interface BarFrame {
  readonly title: string
  /** Of the axis, with its unit and the direction that is better. */
  readonly axis: string
  /** Where that was measured. */
  readonly foot: string
}

const WIDTH = 760
const LABEL_WIDTH = 210
const TEXT_WIDTH = 140
const ROW_HEIGHT = 34
const TITLE_HEIGHT = 34
const AXIS_HEIGHT = 40
const FOOT_HEIGHT = 24
/** Marks of the axis, about. */
const MARKS = 5

/** Horizontal bars from zero on a linear axis, the longest above, each with its figure. */
export function barChart({ title, axis, foot }: BarFrame, bars: readonly Bar[]): string {
  const room = WIDTH - LABEL_WIDTH - TEXT_WIDTH
  const sorted = bars.toSorted((a, b) => b.value - a.value)
  const most = Math.max(1, ...sorted.map(({ value }) => value))
  const xOf = (value: number) => rounded(LABEL_WIDTH + (value / most) * room)
  const bottom = TITLE_HEIGHT + sorted.length * ROW_HEIGHT
  const step = stepFor(most)
  const marks = Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step).flatMap((value) => [
    `<line x1="${xOf(value)}" y1="${TITLE_HEIGHT}" x2="${xOf(value)}" y2="${bottom}" stroke="#dddddd"/>`,
    textAt(xOf(value), bottom + 16, shortened(value), 'text-anchor="middle"'),
  ])
  const rows = sorted.flatMap(({ label, note, value, text, colour }, i) => {
    const y = TITLE_HEIGHT + i * ROW_HEIGHT
    return [
      textAt(LABEL_WIDTH - 8, y + 15, label, 'text-anchor="end"'),
      textAt(LABEL_WIDTH - 8, y + 28, note, 'text-anchor="end" font-size="10" opacity="0.7"'),
      `<rect x="${LABEL_WIDTH}" y="${y + 7}" width="${rounded(xOf(value) - LABEL_WIDTH)}" height="${ROW_HEIGHT - 14}" fill="${colour}"/>`,
      textAt(xOf(value) + 6, y + 21, text),
    ]
  })
  return svgOf(WIDTH, bottom + AXIS_HEIGHT + FOOT_HEIGHT, title, [
    textAt(10, 20, title, 'font-weight="bold"'),
    ...marks,
    ...rows,
    textAt(LABEL_WIDTH + room / 2, bottom + 34, axis, 'text-anchor="middle"'),
    textAt(10, bottom + AXIS_HEIGHT + 14, foot, 'font-size="10" opacity="0.7"'),
  ])
}

/** A distance of marks that people count in: 1, 2 or 5 times a power of ten. */
function stepFor(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / MARKS))
  const factor = [1, 2, 5, 10].find((each) => each * power * MARKS >= most)!
  return factor * power
}

/** 1500000 is 1.5 M. */
function shortened(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`
  return value >= 1000 ? `${Number((value / 1000).toPrecision(3))} k` : `${Number(value.toPrecision(3))}`
}
