import { posix } from 'node:path'
import type { Rule, Violation } from '../violation.js'

/**
 * `test/` mirrors `src/`: a test is named after the file that it tests (`log.test.ts`, or `log-recovery.test.ts` for one side of
 * `log.ts`), or lies in a folder that names a theme and is no folder of the sources (`golden/`, `fuzz/`). `e2e` is named after
 * failure modes.
 */
export const mirror: Rule = (tree) => {
  const sources = [...tree.keys()]
  const violations: Violation[] = []
  for (const file of tree.values()) {
    const name = /^test\/(.*)\.test\.ts$/.exec(file.inner)?.[1]
    if (name === undefined || file.home === 'e2e') continue
    const folder = posix.dirname(name)
    const stem = posix.basename(name)
    const place = posix.join(file.home, 'src', folder)
    const isTheme =
      folder !== '.' && !sources.some((path) => path.startsWith(`${file.home}/src/${folder.split('/')[0]}/`))
    const namesSource = sources.some((path) => {
      const source = posix.basename(path, '.ts')
      return posix.dirname(path) === place && (stem === source || stem.startsWith(`${source}-`))
    })
    const namesFolder = sources.some((path) => path.startsWith(`${posix.join(place, stem)}/`))
    if (!isTheme && !namesSource && !namesFolder)
      violations.push({
        path: file.path,
        line: 0,
        message: `tests no file of ${place}; name it after the source it tests or put it into a folder that names a theme`,
      })
  }
  return violations
}
