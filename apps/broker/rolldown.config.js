import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'rolldown'

// The program as a few files, out of what `tsc` made: Node takes longer to find and load 500 files than the broker takes to recover a long log.
// Libraries are in it but etcd3, which reads files beside its own; only a broker in a cluster loads it.
export default defineConfig({
  input: {
    gomq: 'dist/node/main.js',
    // The cleaner looks for its thread beside itself.
    'cleaning-thread': fileURLToPath(new URL('node/cleaning-thread.js', import.meta.resolve('@gomq/storage'))),
  },
  external: ['etcd3'],
  platform: 'node',
  plugins: [licences()],
  output: { dir: 'dist/program', format: 'esm', chunkFileNames: '[name].js', cleanDir: true },
})

/** The licences of the libraries that are in the program: they ask to come along. */
function licences() {
  return {
    name: 'licences',
    generateBundle(_options, bundle) {
      const folders = new Set()
      for (const { moduleIds = [] } of Object.values(bundle))
        for (const id of moduleIds) if (id.includes('node_modules')) folders.add(packageOf(id))
      const texts = [...folders].sort().map((folder) => {
        const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
        const file = ['LICENSE', 'LICENSE.md', 'LICENCE', 'license', 'LICENSE.txt'].find((each) =>
          existsSync(join(folder, each)),
        )
        const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim()
        return `${name} ${version} (${license})\n\n${text}\n`
      })
      this.emitFile({ type: 'asset', fileName: 'LICENCES.txt', source: texts.join(`\n${'-'.repeat(80)}\n\n`) })
    },
  }
}

/** The folder of the package that a module belongs to. */
function packageOf(id) {
  let folder = dirname(id)
  for (;;) {
    const file = join(folder, 'package.json')
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version !== undefined) return folder
    folder = dirname(folder)
  }
}
