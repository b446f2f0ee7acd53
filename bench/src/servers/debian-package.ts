import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'

/** Asked by Debian's packages whether they may start their service; 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d'
const looked = new Map<string, string | undefined>()

/**
 * Why a program cannot be run here, and what to do about it; undefined: it can. On a Debian where we are root its package is installed first if that
 * is allowed, without starting its service: the harness starts a server of its own. Looks once.
 * @param command  found on the path, or a path
 */
export function missingProgram(command: string, debianPackage: string, mayInstall: boolean): string | undefined {
  if (!looked.has(debianPackage)) looked.set(debianPackage, look(command, debianPackage, mayInstall))
  return looked.get(debianPackage)
}

function look(command: string, debianPackage: string, mayInstall: boolean): string | undefined {
  if (isThere(command)) return undefined
  if (mayInstall && process.platform === 'linux' && process.getuid?.() === 0 && isThere('apt-get')) {
    const hasPolicy = existsSync(POLICY)
    if (!hasPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    try {
      if (!install(debianPackage)) {
        aptGet('update')
        install(debianPackage)
      }
    } finally {
      if (!hasPolicy) rmSync(POLICY)
    }
  }
  return isThere(command) ? undefined : `${command} is not installed; 'apt-get install ${debianPackage}'`
}

function isThere(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v "$0"`, command], { stdio: 'ignore' }).status === 0
}

function install(debianPackage: string): boolean {
  return aptGet('install', '-y', '--no-install-recommends', debianPackage)
}

function aptGet(...args: readonly string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync('apt-get', args, { stdio: 'ignore', env }).status === 0
}
