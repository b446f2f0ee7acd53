export { nodeFileSystem } from './node-file-system.js'
export { createWorkerCleaner, type WorkerCleaner, type WorkerCleanerOptions } from './worker-cleaner.js'
