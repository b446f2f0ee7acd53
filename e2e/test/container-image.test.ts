import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { environmentOf, instructionsOf, lastStage } from '../../tools/docs/src/dockerfile.js'
import { finish } from './support/packed-project.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

test.skipIf(process.env['GOMQ_LONG'] !== '1')(
  'the build steps of the image make a broker that needs nothing else of the repository',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gomq-image-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const dockerfile = instructionsOf(readFileSync(join(root, 'apps/broker/Dockerfile'), 'utf8'))
    // The paths of the image, moved to where a test may write.
    const moved = (text: string) =>
      text.replaceAll('/broker/', `${directory}/broker/`).replace(/ \/broker$/, ` ${directory}/broker`)

    const context = join(directory, 'gomq')
    mkdirSync(context)
    const copied = await finish('sh', ['-c', `git -C '${root}' archive HEAD | tar -x -C '${context}'`], directory)
    expect(copied).toMatchObject({ code: 0 })
    const build = dockerfile.find(({ name }) => name === 'RUN')!.text
    const built = await finish('sh', ['-c', moved(build)], context)
    expect(built, built.stderr).toMatchObject({ code: 0 })
    renameSync(context, join(directory, 'gone'))

    const environment = {
      PATH: process.env['PATH']!,
      ...environmentOf(dockerfile),
      GOMQ_DATA_DIR: join(directory, 'data'),
      GOMQ_TCP: '127.0.0.1:0',
      GOMQ_HTTP: '127.0.0.1:0',
    }
    const [program, ...args] = JSON.parse(moved(lastStage(dockerfile, 'ENTRYPOINT')[0]!)) as string[]
    const broker = spawn(program!, args, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
    const ready = await new Promise<string>((resolve, reject) => {
      createInterface({ input: broker.stdout }).once('line', resolve)
      broker.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)))
    })
    const http = /http=(\S+)/.exec(ready)![1]!

    const [, check] = lastStage(dockerfile, 'HEALTHCHECK')[0]!.split('CMD ')
    const [checkProgram, ...checkArgs] = JSON.parse(check!) as string[]
    const health = (GOMQ_HTTP: string) =>
      new Promise((resolve) => {
        spawn(checkProgram!, checkArgs, { env: { ...environment, GOMQ_HTTP } }).once('exit', resolve)
      })
    expect(await health(http)).toBe(0)

    const exited = new Promise((resolve) => broker.once('exit', resolve))
    broker.kill('SIGTERM')
    expect(await exited).toBe(0)
    expect(await health(http)).toBe(1)
  },
)
