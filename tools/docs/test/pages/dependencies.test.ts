import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../../../', import.meta.url)
const page = readFileSync(new URL('docs/dependencies.md', root), 'utf8')
const listed = new Map([...page.matchAll(/^\| `([^`]+)` \|(.*)\|$/gm)].map((match) => [match[1]!, match[2]!]))

const manifests = [
  '',
  ...['packages', 'apps', 'tools'].flatMap((folder) =>
    readdirSync(new URL(folder, root)).map((name) => `${folder}/${name}/`),
  ),
  ...['sim/', 'bench/', 'e2e/'],
]
  .map((folder) => new URL(`${folder}package.json`, root))
  .filter((file) => existsSync(file))
  .map(
    (file) =>
      JSON.parse(readFileSync(file, 'utf8')) as { name: string; dependencies?: object; devDependencies?: object },
  )

const isOurs = (name: string) => name.startsWith('@gomq/') || name === 'gomqctl'
const used = new Map<string, string[]>()
for (const { name, dependencies, devDependencies } of manifests)
  for (const dependency of Object.keys({ ...dependencies, ...devDependencies }))
    if (!isOurs(dependency)) used.set(dependency, [...(used.get(dependency) ?? []), name])

test('every dependency is argued for in docs/dependencies.md, and none that is gone', () => {
  expect([...used.keys()].sort()).toEqual([...listed.keys()].sort())
})

test('each run-time dependency names the packages that have it', () => {
  for (const { name, dependencies } of manifests) {
    for (const dependency of Object.keys(dependencies ?? {}).filter(
      (each) => !isOurs(each) && !name.match(/bench|sim|e2e|tidy/),
    ))
      expect(listed.get(dependency)!.split('|')[0], `${dependency} in ${name}`).toContain(name.replace('@gomq/', ''))
  }
})

test('every argument is there', () => {
  for (const [dependency, rest] of listed) expect(rest.length, dependency).toBeGreaterThan(15)
})
