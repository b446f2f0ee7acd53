import { existsSync, readdirSync, readFileSync } from 'node:fs'

const ROOT = new URL('../../../', import.meta.url)

/** Paths of the pages that users read, from the root: README.md, everything in docs, the READMEs of packages, apps, sim and bench. */
export function docPages(): string[] {
  const docs = readdirSync(new URL('docs', ROOT), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
  const readmes = ['packages', 'apps'].flatMap((folder) =>
    readdirSync(new URL(folder, ROOT)).map((name) => `${folder}/${name}/README.md`),
  )
  return ['README.md', ...docs.sort(), ...readmes.sort(), 'sim/README.md', 'bench/README.md'].filter((path) =>
    existsSync(new URL(path, ROOT)),
  )
}

/** The text of a page. */
export function readPage(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8')
}
