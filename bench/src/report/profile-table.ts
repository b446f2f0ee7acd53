import type { ProfiledCase } from '../compare.js'
import { markdownTable } from './table.js'

/** Functions of a loop that are shown, and the share of its busy time that they have at least. */
const SHOWN_MAX = 8
const SHOWN_SHARE_MIN = 0.02

/** What a reader of the table needs to know. */
export const PROFILE_ABOUT =
  'Where the time goes, in a run of its own: how busy each event loop is, and the functions that have most of that, without what they call. `kernel %` is the share of the kernel in the CPU of all threads of the server: sockets, the page cache, the disk.'

/** Profiles as a table in Markdown: a row for each event loop. */
export function profileTable(cases: readonly ProfiledCase[]): string {
  return markdownTable(
    cases.flatMap(({ workload, system, profile: { loops, serverKernelShare } }) =>
      loops.map(({ process, busyShare, functions }, i) => ({
        case: workload,
        system,
        'event loop': process,
        'busy %': percent(busyShare),
        'kernel %': i === 0 ? percent(serverKernelShare) : '',
        'of which, %': functions
          .filter(({ share }) => share >= SHOWN_SHARE_MIN)
          .slice(0, SHOWN_MAX)
          .map(({ name, share }) => `${percent(share)} ${name}`)
          .join(', '),
      })),
    ),
  )
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${Math.round(100 * share)}` : ''
}
