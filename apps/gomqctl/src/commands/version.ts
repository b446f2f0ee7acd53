import { GomqError } from '@gomq/client'
import { connectTo, type GlobalOptions } from '../options.js'

export type VersionOptions = Readonly<Record<string, never>>

/** Prints the version of gomqctl, and of the broker if one answers; that none does is no error. */
export async function version(options: GlobalOptions, gomqctlVersion: string): Promise<void> {
  const broker = await brokerVersion(options)
  if (options.json) process.stdout.write(`${JSON.stringify({ gomqctl: gomqctlVersion, gomq: broker ?? null })}\n`)
  else process.stdout.write(`gomqctl ${gomqctlVersion}\ngomq ${broker ?? `(no broker at ${options.connect})`}\n`)
}

async function brokerVersion(options: GlobalOptions): Promise<string | undefined> {
  try {
    await using mq = await connectTo(options)
    return mq.broker?.version
  } catch (error) {
    if (error instanceof GomqError && error.code === 'UNAVAILABLE') return undefined
    throw error
  }
}
