import type { SourceFile } from './source-file.js'

/** Source folders of the pure ring: synchronous, no clock, no chance, no IO. What they import is pure too. */
const PURE = [
  /^packages\/protocol\/src\/(?!node\/)/,
  /^packages\/engine\/src\//,
  /^packages\/client\/src\/session\//,
  /^packages\/storage\/src\/(format|policy)\//,
]

/** Folders that may say `node:*` and use the globals of Node. */
const NODE = [
  /^(packages|apps)\/[^/]+\/src\/node\//,
  /^(packages|apps)\/[^/]+\/test\//,
  /^apps\/gomqctl\/src\//,
  /^sim\/(src\/(node\/|main\.ts$)|test\/)/,
  /^(bench|e2e|tools)\//,
]

/** Which of our packages the sources of each may import. Apps are imported by nothing but what is private. */
export const ALLOWED_IMPORTS: { readonly [home: string]: readonly string[] } = {
  'packages/protocol': [],
  'packages/storage': ['@gomq/protocol'],
  'packages/engine': ['@gomq/protocol'],
  'packages/client': ['@gomq/protocol'],
  'apps/broker': ['@gomq/protocol', '@gomq/storage', '@gomq/engine', '@gomq/cluster'],
  // The log's tools work on a data directory without a broker; what they may touch is the library of `storage/src/inspection`.
  'apps/gomqctl': ['@gomq/protocol', '@gomq/client', '@gomq/storage'],
}

/** A dependency that several files share because it is their framework, and where. The others are imported by one file each. */
export const SHARED_DEPENDENCIES: { readonly [dependency: string]: RegExp } = {
  fastify: /^apps\/broker\/src\/node\/http\//,
  zod: /^apps\/broker\/src\/node\/configuration\//,
  commander: /^apps\/gomqctl\/src\//,
}

/** Files above 400 lines, with the reason why they are one thing. The list may only shrink. */
export const LONG_FILES: { readonly [path: string]: string } = {}

/** Lines from which on a file needs a place in {@link LONG_FILES}. */
export const LINES_MAX = 400

/** Whether the file lies in a folder of the pure ring. */
export function isPure(file: SourceFile): boolean {
  return PURE.some((folder) => folder.test(file.path))
}

/** Whether the file may import `node:*`. */
export function mayUseNode(file: SourceFile): boolean {
  return NODE.some((folder) => folder.test(file.path))
}

/** Whether the file is shipped: source of a package or an app. */
export function isShipped(file: SourceFile): boolean {
  return file.home in ALLOWED_IMPORTS && file.inner.startsWith('src/')
}

/** Whether the file is one of a package's doors, the only places that re-export. */
export function isDoor(file: SourceFile): boolean {
  return /^src\/(node\/)?(testing\/)?index\.ts$/.test(file.inner)
}
