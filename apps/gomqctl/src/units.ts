const DURATIONS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]

const SIZES: readonly (readonly [unit: string, bytes: number])[] = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
]

/** Milliseconds as `7d`, `90m`, `500ms`: in the greatest unit that leaves a whole number. What is no number is shown as it is, null as nothing. */
export function durationText(ms: unknown): string {
  return inUnits(ms, DURATIONS)
}

/** Bytes as `1GiB`, `1536MiB`: in the greatest unit that leaves a whole number. What is no number is shown as it is, null as nothing. */
export function sizeText(bytes: unknown): string {
  return inUnits(bytes, SIZES)
}

/** Milliseconds that passed, in the two greatest units: `3d 4h`, `5m 1s`, `0s`. */
export function roundDurationText(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2)
  return shown.map(([count, unit]) => `${count}${unit}`).join(' ')
}

function inUnits(value: unknown, units: readonly (readonly [unit: string, factor: number])[]): string {
  if (value === null || value === undefined) return ''
  if (value === 0) return '0'
  const found = typeof value === 'number' ? units.find(([, factor]) => value % factor === 0) : undefined
  return found === undefined ? String(value) : `${(value as number) / found[1]}${found[0]}`
}
