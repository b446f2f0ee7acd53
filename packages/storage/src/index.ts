export * from './file-system.js'
export type { EpochStart } from './format/segment-index.js'
export * from './log.js'
export * from './snapshot.js'
