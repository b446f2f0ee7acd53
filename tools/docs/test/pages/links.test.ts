import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../../../', import.meta.url)

/** Markdown pages of ours, by their path from the root. */
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(new URL('docs', root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...['packages', 'apps', 'tools'].flatMap((folder) =>
    readdirSync(new URL(folder, root)).map((name) => `${folder}/${name}/README.md`),
  ),
  ...['sim', 'bench', 'e2e'].map((folder) => `${folder}/README.md`),
].filter((path) => existsSync(new URL(path, root)))

test.each(pages)('every link of %s leads somewhere', (path) => {
  const page = new URL(path, root)
  const text = readFileSync(page, 'utf8').replace(/```[\s\S]*?```/g, '')
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((target) => !/^(https?:|mailto:)/.test(target))
  const lost = targets.filter((target) => {
    const [file = '', anchor] = target.split('#')
    if (file !== '' && !existsSync(new URL(file, page))) return true
    if (anchor === undefined) return false
    return !anchorsOf(readFileSync(file === '' ? page : new URL(file, page), 'utf8')).has(anchor)
  })
  expect(lost).toEqual([])
})

/** The anchors that headings get. */
function anchorsOf(markdown: string): Set<string> {
  return new Set(
    [...markdown.matchAll(/^#+ (.*)$/gm)].map((match) =>
      match[1]!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
