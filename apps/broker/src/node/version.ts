import { readFileSync } from 'node:fs'

interface PackageJson {
  readonly version: string
  readonly gomqctl: string
}

const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as PackageJson

/** Version of this broker. */
export const GOMQ_VERSION: string = packageJson.version

/** Version of gomqctl that was released with this broker. */
export const GOMQCTL_VERSION: string = packageJson.gomqctl
