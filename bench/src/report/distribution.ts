import { isTold } from '../statistics.js'
import { rounded, svgOf, textAt } from './svg.js'

/** The distribution of one system's latency. */
export interface Line {
  readonly label: string
  /** What is said below the name, smaller. */
  readonly note: string
  readonly colour: string
  /** How many there are: shares beyond which fewer than five of them lie are not drawn. */
  readonly samples: number
  /** Shares of the samples from 0 up to below 1, rising, and the latency that they do not exceed. */
  readonly points: readonly (readonly [share: number, us: number])[]
}

const WIDTH = 860
const HEIGHT = 430
const LEFT = 90
const RIGHT = 240
const TOP = 40
const BOTTOM = 85
const LEGEND_ROW = 32
const CENTRED = 'text-anchor="middle"'
const SHARES = [0, 0.9, 0.99, 0.999, 0.9999]

/**
 * Latency by percentile, both axes logarithmic: each step to the right leaves a tenth of the samples above it, and each step upwards is ten times the time.
 * @param foot  where that was measured
 */
export function distributionChart(title: string, foot: string, all: readonly Line[]): string {
  const lines = all
    .map((line) => ({ ...line, points: line.points.filter(([share]) => isTold(share, line.samples)) }))
    .toSorted((a, b) => (b.points.at(-1)?.[1] ?? 0) - (a.points.at(-1)?.[1] ?? 0))
  const times = lines.flatMap(({ points }) => points.map(([, us]) => Math.max(1, us)))
  const lowest = Math.floor(Math.log10(Math.min(...times, 1e3)))
  const highest = Math.max(lowest + 1, Math.ceil(Math.log10(Math.max(...times, 1))))
  const xOf = (share: number) => LEFT + (ninesOf(share) / (SHARES.length - 1)) * (WIDTH - LEFT - RIGHT)
  const yOf = (us: number) =>
    HEIGHT - BOTTOM - ((Math.log10(Math.max(1, us)) - lowest) / (highest - lowest)) * (HEIGHT - TOP - BOTTOM)
  const body = [textAt(10, 19, title, 'font-weight="bold"')]
  for (let decade = lowest; decade <= highest; decade++) {
    const y = rounded(yOf(10 ** decade))
    body.push(`<line x1="${LEFT}" y1="${y}" x2="${WIDTH - RIGHT}" y2="${y}" stroke="#dddddd"/>`)
    body.push(textAt(LEFT - 8, y + 4, timeOf(10 ** decade), 'text-anchor="end"'))
  }
  for (const share of SHARES) {
    const x = rounded(xOf(share))
    body.push(`<line x1="${x}" y1="${TOP}" x2="${x}" y2="${HEIGHT - BOTTOM}" stroke="#dddddd"/>`)
    body.push(textAt(x, HEIGHT - BOTTOM + 18, `${Number((100 * share).toFixed(2))} %`, 'text-anchor="middle"'))
  }
  const middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
  body.push(
    textAt(middle, HEIGHT - BOTTOM + 38, 'percentile of the messages (logarithmic in what lies above)', CENTRED),
  )
  const beside = `${CENTRED} transform="rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})"`
  body.push(textAt(16, (TOP + HEIGHT - BOTTOM) / 2, 'latency (logarithmic); less is better', beside))
  body.push(textAt(10, HEIGHT - 12, foot, 'font-size="10" opacity="0.7"'))
  for (const [i, { label, note, colour, points }] of lines.entries()) {
    const path = points.map(([share, us]) => `${rounded(xOf(share))},${rounded(yOf(us))}`).join(' ')
    body.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`)
    const y = TOP + i * LEGEND_ROW
    body.push(`<rect x="${WIDTH - RIGHT + 14}" y="${y}" width="12" height="12" fill="${colour}"/>`)
    body.push(textAt(WIDTH - RIGHT + 32, y + 10, label))
    body.push(textAt(WIDTH - RIGHT + 32, y + 23, note, 'font-size="10" opacity="0.7"'))
  }
  return svgOf(WIDTH, HEIGHT, title, body)
}

/** How many nines a share has: 0.9 one, 0.99 two. */
export function ninesOf(share: number): number {
  return Math.min(SHARES.length - 1, Math.log10(1 / (1 - share)))
}

function timeOf(us: number): string {
  if (us >= 1e6) return `${us / 1e6} s`
  return us >= 1000 ? `${us / 1000} ms` : `${us} us`
}
