import { GomqError } from '@gomq/client'
import { withBroker } from '../connection.js'
import { withoutSession } from '../connection-options.js'
import { Notes } from '../notes.js'
import { type GlobalOptions, withoutScheme } from '../options.js'
import { Output } from '../output.js'

/** Prints the version of gomqctl, and of the broker if one answers; that none does is no error. */
export async function version(options: GlobalOptions, gomqctlVersion: string): Promise<void> {
  const broker = await brokerVersion(options)
  const output = new Output(process.stdout)
  const text = options.json
    ? JSON.stringify({ gomqctl: gomqctlVersion, gomq: broker ?? null })
    : `gomqctl ${gomqctlVersion}\ngomq ${broker ?? `(no broker at ${options.connect.map(withoutScheme).join(', ')})`}`
  await output.write(Buffer.from(`${text}\n`))
  await output.flush()
}

async function brokerVersion(options: GlobalOptions): Promise<string | undefined> {
  try {
    const notes = new Notes(process.stderr, options.quiet)
    return await withBroker(withoutSession(options), notes, async (mq) => mq.broker?.version)
  } catch (error) {
    if (error instanceof GomqError && error.code === 'UNAVAILABLE') return undefined
    throw error
  }
}
